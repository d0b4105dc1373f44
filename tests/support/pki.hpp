#pragma once
/// Certificate authorities and what they issue, for tests.

#include <memory>
#include <string>

#include "xmpp/tls.hpp"

namespace weft::test {

/// A directory of PEM files with a CA, gone with the object.
class Pki {
 public:
  struct Request {
    std::string address{};  ///< id-on-xmppAddr; none where it is empty
    long from_s = -3600;    ///< validity, from now
    long until_s = 3600;
    std::string usage = "clientAuth,serverAuth";
  };

  explicit Pki(const std::string& name = "Weft test CA");
  Pki(const Pki&) = delete;
  Pki& operator=(const Pki&) = delete;
  ~Pki();

  /// Files `NAME.pem` and `NAME.key`, and the CA's.
  xmpp::TlsFiles issue(const std::string& name, const Request& request);
  /// The same with the usual validity, loaded.
  std::shared_ptr<xmpp::TlsContext> context(const std::string& address);
  [[nodiscard]] std::string path(const std::string& file) const { return directory_ + "/" + file; }

 private:
  struct Authority;
  std::string directory_;
  std::unique_ptr<Authority> authority_;
};

}  // namespace weft::test
