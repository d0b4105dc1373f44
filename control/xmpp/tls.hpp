#pragma once
/// Certificates for both ends of a stream (RFC 6120 §13.7). TLS 1.2 or newer, and each end proves
/// who it is.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "weft/result.hpp"
#include "xmpp/jid.hpp"

namespace weft::xmpp {

/// PEM files. `cert` may hold the chain up to the CA, which `ca` has; `ca` may hold several.
struct TlsFiles {
  std::string ca;
  std::string cert;
  std::string key;
};

enum class Dates { checked, unchecked };

/// What `TlsFiles` held when they were read. Serves any number of clients and servers at once.
class TlsContext {
 public:
  /// An Error says which file is missing or no PEM, that the key does not belong to the
  /// certificate, since when that is no longer valid, or that it names no XMPP address.
  static Result<std::shared_ptr<TlsContext>> load(const TlsFiles& files,
                                                  Dates dates = Dates::checked);

  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  /// What our certificate says we are (id-on-xmppAddr, RFC 6120 §13.7.1.4).
  [[nodiscard]] const std::vector<Jid>& addresses() const { return addresses_; }
  /// Fine, or an Error that says which addresses it has instead.
  [[nodiscard]] Status names(const Jid& bare) const;
  /// Fine, or an Error that names the certificate and since or until when it is not valid.
  [[nodiscard]] Status valid_now() const;
  [[nodiscard]] std::chrono::system_clock::time_point expires() const { return expires_; }

  struct Native;  ///< boost::asio::ssl::context, which costs too much to include here
  [[nodiscard]] Native& native() const { return *native_; }

 private:
  TlsContext();
  std::unique_ptr<Native> native_;
  std::string cert_path_;
  std::vector<Jid> addresses_;
  std::chrono::system_clock::time_point expires_;
};

}  // namespace weft::xmpp
