#pragma once
/// What X.509 certificates say, in words.

#include <openssl/ssl.h>

#include <chrono>
#include <string>

namespace weft::tls {

/// `CN = compute-a`
std::string subject_of(const X509& certificate);
std::chrono::system_clock::time_point time_of(const ASN1_TIME& time);
/// `2026-11-26 18:43:34 UTC`
std::string text_of(const ASN1_TIME& time);

/// Why a peer's certificate is refused.
std::string verify_failure(X509_STORE_CTX& verification);
/// What an error of OpenSSL means: `the peer refuses: unknown CA`.
std::string failure_text(unsigned long code);

}  // namespace weft::tls
