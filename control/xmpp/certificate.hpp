#pragma once
/// What X.509 certificates say, in words.

#include <openssl/ssl.h>

#include <chrono>
#include <string>
#include <vector>

#include "xmpp/jid.hpp"

namespace weft::xmpp {

/// The id-on-xmppAddr names (OID 1.3.6.1.5.5.7.8.5, UTF8String) of the subjectAltName, RFC 6120
/// §13.7.1.4. Those that are no addresses are left out.
std::vector<Jid> addresses_of(const X509& certificate);
/// `CN = compute-a`
std::string subject_of(const X509& certificate);
std::chrono::system_clock::time_point time_of(const ASN1_TIME& time);
/// `2026-11-26 18:43:34 UTC`
std::string text_of(const ASN1_TIME& time);

/// Why a peer's certificate is refused.
std::string verify_failure(X509_STORE_CTX& verification);
/// What an error of OpenSSL means: `the peer refuses: unknown CA`.
std::string tls_failure(unsigned long code);

}  // namespace weft::xmpp
