#include "tls/certificate.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>

namespace weft::tls {

namespace {

std::string text_of(const X509_NAME* name) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_ONELINE);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace

std::string subject_of(const X509& certificate) {
  return text_of(X509_get_subject_name(&certificate));
}

std::chrono::system_clock::time_point time_of(const ASN1_TIME& time) {
  std::tm parts{};
  ASN1_TIME_to_tm(&time, &parts);
  return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

std::string text_of(const ASN1_TIME& time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(&time, &parts) != 1) return "a time that cannot be read";
  char text[32];
  const auto size = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return {text, size};
}

std::string verify_failure(X509_STORE_CTX& verification) {
  const int error = X509_STORE_CTX_get_error(&verification);
  const X509* certificate = X509_STORE_CTX_get_current_cert(&verification);
  if (certificate == nullptr) return X509_verify_cert_error_string(error);
  const std::string its = "the peer's certificate (" + subject_of(*certificate) + ") ";
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return its + "is expired since " + text_of(*X509_get0_notAfter(certificate));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return its + "is not valid before " + text_of(*X509_get0_notBefore(certificate));
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return its +
             "is from a CA that is unknown here: " + text_of(X509_get_issuer_name(certificate));
    case X509_V_ERR_INVALID_PURPOSE:
      return its + "is not made for this end of a connection (extended key usage)";
    default:
      return its + "is refused: " + X509_verify_cert_error_string(error);
  }
}

std::string failure_text(unsigned long code) {
  const int reason = ERR_GET_REASON(code);
  if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
    if (reason >= SSL_AD_REASON_OFFSET) {
      return std::string("the peer refuses: ") +
             SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET);
    }
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) return "the peer shows no certificate";
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) return "the connection ended";
  }
  const char* words = ERR_reason_error_string(code);
  return words == nullptr ? "error " + std::to_string(code) : words;
}

}  // namespace weft::tls
