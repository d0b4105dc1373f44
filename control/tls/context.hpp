#pragma once
/// TLS 1.2 or newer, and each end proves by a certificate who it is.

#include <openssl/types.h>

#include <chrono>
#include <memory>
#include <string>

#include "weft/result.hpp"

namespace weft::tls {

/// PEM files. `cert` may hold the chain up to the CA, which `ca` has; `ca` may hold several.
struct Files {
  std::string ca;
  std::string cert;
  std::string key;
};

enum class Dates { checked, unchecked };

/// What `Files` held when they were read. Serves any number of clients and servers at once.
class Context {
 public:
  /// An Error says which file is missing or no PEM, that the key does not belong to the
  /// certificate, or since when that is no longer valid.
  static Result<std::shared_ptr<Context>> load(const Files& files, Dates dates = Dates::checked);

  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();

  /// Our own.
  [[nodiscard]] const X509& certificate() const;
  [[nodiscard]] std::chrono::system_clock::time_point expires() const;
  /// Fine, or an Error that names the certificate and since or until when it is not valid.
  [[nodiscard]] Status valid_now() const;

  struct Native;  ///< boost::asio::ssl::context, which costs too much to include here
  [[nodiscard]] Native& native() const { return *native_; }

 private:
  Context();
  std::unique_ptr<Native> native_;
  std::string cert_path_;
};

}  // namespace weft::tls
