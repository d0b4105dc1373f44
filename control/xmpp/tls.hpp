#pragma once
/// Certificates for both ends of a stream (RFC 6120 §13.7).

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tls/context.hpp"
#include "weft/result.hpp"
#include "xmpp/jid.hpp"

namespace weft::xmpp {

using TlsFiles = tls::Files;

using tls::Dates;

/// What `TlsFiles` held when they were read. Serves any number of clients and servers at once.
class TlsContext {
 public:
  /// An Error says which file is missing or no PEM, that the key does not belong to the
  /// certificate, since when that is no longer valid, or that it names no XMPP address.
  static Result<std::shared_ptr<TlsContext>> load(const TlsFiles& files,
                                                  Dates dates = Dates::checked);

  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  /// What our certificate says we are (id-on-xmppAddr, RFC 6120 §13.7.1.4).
  [[nodiscard]] const std::vector<Jid>& addresses() const { return addresses_; }
  /// Fine, or an Error that says which addresses it has instead.
  [[nodiscard]] Status names(const Jid& bare) const;
  /// Fine, or an Error that names the certificate and since or until when it is not valid.
  [[nodiscard]] Status valid_now() const { return base_->valid_now(); }
  [[nodiscard]] std::chrono::system_clock::time_point expires() const { return base_->expires(); }
  [[nodiscard]] tls::Context::Native& native() const { return base_->native(); }

 private:
  explicit TlsContext(std::shared_ptr<tls::Context> base) : base_(std::move(base)) {}
  std::shared_ptr<tls::Context> base_;
  std::vector<Jid> addresses_;
};

}  // namespace weft::xmpp
