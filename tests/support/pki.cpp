#include "support/pki.hpp"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace weft::test {

namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(what);
}

Key make_key() {
  Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  require(key != nullptr, "a key");
  return key;
}

void add_extension(X509& certificate, X509& issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  require(extension != nullptr, "an extension");
  X509_add_ext(&certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Certificate make_certificate(const std::string& name, EVP_PKEY& key, long from_s, long until_s) {
  Certificate certificate(X509_new(), &X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), from_s);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), until_s);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_pubkey(certificate.get(), &key);
  return certificate;
}

template <class Write>
void write_file(const std::string& path, Write write) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> file(BIO_new_file(path.c_str(), "w"), &BIO_free);
  require(file != nullptr && write(file.get()) == 1, "a PEM file");
}

void write_certificate(const std::string& path, X509& certificate) {
  write_file(path, [&](BIO* file) { return PEM_write_bio_X509(file, &certificate); });
}

}  // namespace

struct Pki::Authority {
  Key key = make_key();
  Certificate certificate{nullptr, &X509_free};
};

Pki::Pki(const std::string& name) : authority_(std::make_unique<Authority>()) {
  authority_->certificate = make_certificate(name, *authority_->key, -3600, 3600);
  char path[] = "/tmp/weft-pki-XXXXXX";
  require(::mkdtemp(path) != nullptr, "mkdtemp");
  directory_ = path;
  X509& own = *authority_->certificate;
  X509_set_issuer_name(&own, X509_get_subject_name(&own));
  add_extension(own, own, NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(&own, authority_->key.get(), EVP_sha256());
  write_certificate(this->path("ca.pem"), own);
}

Pki::~Pki() { std::filesystem::remove_all(directory_); }

xmpp::TlsFiles Pki::issue(const std::string& name, const Request& request) {
  const Key key = make_key();
  const auto certificate = make_certificate(name, *key, request.from_s, request.until_s);
  X509& ca = *authority_->certificate;
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(&ca));
  if (!request.usage.empty()) {
    add_extension(*certificate, ca, NID_ext_key_usage, request.usage);
  }
  if (!request.address.empty()) {
    add_extension(*certificate, ca, NID_subject_alt_name,
                  "otherName:1.3.6.1.5.5.7.8.5;UTF8:" + request.address);
  }
  X509_sign(certificate.get(), authority_->key.get(), EVP_sha256());
  xmpp::TlsFiles files{path("ca.pem"), path(name + ".pem"), path(name + ".key")};
  write_certificate(files.cert, *certificate);
  write_file(files.key, [&](BIO* file) {
    return PEM_write_bio_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  return files;
}

std::shared_ptr<xmpp::TlsContext> Pki::context(const std::string& address) {
  auto loaded = xmpp::TlsContext::load(issue(address, {.address = address}));
  if (!loaded) throw std::runtime_error(loaded.error().message);
  return std::move(loaded).value();
}

}  // namespace weft::test
