#include "tls/context.hpp"

#include <openssl/err.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "tls/certificate.hpp"
#include "tls/native.hpp"

namespace weft::tls {

namespace {

Status check_readable(std::string_view what, const std::string& path) {
  std::ifstream file(path);
  if (file && file.peek() != std::ifstream::traits_type::eof()) return ok();
  const std::string why = file.is_open() ? "it is empty" : std::strerror(errno);
  return Error{std::string(what) + " " + path + " cannot be read: " + why};
}

Error openssl_error(const std::string& what) {
  const auto code = ERR_get_error();
  ERR_clear_error();
  return Error{what + ": " + failure_text(code)};
}

/// Nobody sits there to type it.
int no_password(char*, int, int, void*) { return 0; }

Status check_dates(const X509& certificate, const std::string& path) {
  if (X509_cmp_current_time(X509_get0_notAfter(&certificate)) < 0) {
    return Error{"the certificate " + path + " is expired since " +
                 text_of(*X509_get0_notAfter(&certificate)) + ": issue a new one"};
  }
  if (X509_cmp_current_time(X509_get0_notBefore(&certificate)) > 0) {
    return Error{"the certificate " + path + " is not valid before " +
                 text_of(*X509_get0_notBefore(&certificate)) + ": is the clock right?"};
  }
  return ok();
}

Status load_files(SSL_CTX* context, const Files& files) {
  for (const auto& [what, path] : {std::pair{"the CA's certificate", files.ca},
                                   {"the certificate", files.cert},
                                   {"the private key", files.key}}) {
    auto readable = check_readable(what, path);
    if (!readable) return readable;
  }
  ERR_clear_error();
  if (SSL_CTX_load_verify_file(context, files.ca.c_str()) != 1) {
    return openssl_error("the CA's certificate " + files.ca + " is no certificate in PEM");
  }
  if (SSL_CTX_use_certificate_chain_file(context, files.cert.c_str()) != 1) {
    return openssl_error("the certificate " + files.cert + " is no certificate in PEM");
  }
  SSL_CTX_set_default_passwd_cb(context, no_password);
  if (SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    if (ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH) {
      ERR_clear_error();
      return Error{"the private key " + files.key + " does not belong to the certificate " +
                   files.cert};
    }
    return openssl_error("the private key " + files.key + " is no key in PEM without a password");
  }
  return ok();
}

void secure(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  // A resumed session would go on with a certificate that has expired meanwhile.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
}

}  // namespace

Context::Context() : native_(std::make_unique<Native>()) {}
Context::~Context() = default;

Result<std::shared_ptr<Context>> Context::load(const Files& files, Dates dates) {
  std::shared_ptr<Context> made(new Context);
  SSL_CTX* context = made->native_->context.native_handle();
  secure(context);
  if (const auto loaded = load_files(context, files); !loaded) return loaded.error();
  made->cert_path_ = files.cert;
  if (const auto dated = made->valid_now(); dates == Dates::checked && !dated) {
    return dated.error();
  }
  return made;
}

const X509& Context::certificate() const {
  return *SSL_CTX_get0_certificate(native_->context.native_handle());
}

Status Context::valid_now() const { return check_dates(certificate(), cert_path_); }

std::chrono::system_clock::time_point Context::expires() const {
  return time_of(*X509_get0_notAfter(&certificate()));
}

}  // namespace weft::tls
