#pragma once
/// Certificates for both ends of a stream (RFC 6120 §13.7). TLS 1.2 or newer, and each end proves
/// who it is.

#include <memory>
#include <string>

#include "weft/result.hpp"

namespace weft::xmpp {

/// PEM files. `cert` may hold the chain up to the CA, which `ca` has; `ca` may hold several.
struct TlsFiles {
  std::string ca;
  std::string cert;
  std::string key;
};

/// What `TlsFiles` held when they were read. Serves any number of clients and servers at once.
class TlsContext {
 public:
  /// An Error says which file is missing or no PEM, that the key does not belong to the
  /// certificate, or since when that is no longer valid.
  static Result<std::shared_ptr<TlsContext>> load(const TlsFiles& files);

  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  struct Native;  ///< boost::asio::ssl::context, which costs too much to include here
  [[nodiscard]] Native& native() const { return *native_; }

 private:
  explicit TlsContext(std::unique_ptr<Native> native);
  std::unique_ptr<Native> native_;
};

}  // namespace weft::xmpp
