#include "xmpp/tls.hpp"

#include "xmpp/addresses.hpp"

namespace weft::xmpp {

Result<std::shared_ptr<TlsContext>> TlsContext::load(const TlsFiles& files, Dates dates) {
  auto base = tls::Context::load(files, dates);
  if (!base) return base.error();
  std::shared_ptr<TlsContext> made(new TlsContext(std::move(base.value())));
  made->addresses_ = addresses_of(made->base_->certificate());
  if (made->addresses_.empty()) {
    return Error{"the certificate " + files.cert +
                 " names no XMPP address (id-on-xmppAddr in its subjectAltName)"};
  }
  return made;
}

Status TlsContext::names(const Jid& bare) const {
  std::string instead;
  for (const Jid& address : addresses_) {
    if (address == bare) return ok();
    instead += (instead.empty() ? "" : ", ") + address.str();
  }
  return Error{"our certificate names " + instead + ", not " + bare.str()};
}

}  // namespace weft::xmpp
