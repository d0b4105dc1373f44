#pragma once
/// The XMPP addresses that a certificate names.

#include <openssl/types.h>

#include <vector>

#include "xmpp/jid.hpp"

namespace weft::xmpp {

/// The id-on-xmppAddr names (OID 1.3.6.1.5.5.7.8.5, UTF8String) of the subjectAltName, RFC 6120
/// §13.7.1.4. Those that are no addresses are left out.
std::vector<Jid> addresses_of(const X509& certificate);

}  // namespace weft::xmpp
