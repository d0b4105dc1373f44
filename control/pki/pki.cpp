#include "pki/pki.hpp"

#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>
#include <string_view>
#include <system_error>

#include "weft/address.hpp"

namespace weft::pki {
namespace {

namespace fs = std::filesystem;
using std::chrono::sys_seconds;

/// As whom controllers speak on the channel.
constexpr std::string_view controller_node = "network-control";

template <auto free_it>
struct Freed {
  template <class T>
  void operator()(T* p) const {
    free_it(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;

/// The last of libcrypto's reasons.
Error crypto_error(const std::string& what) {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return {what + (reason == nullptr ? "" : std::string(": ") + reason)};
}

Error system_error(const std::string& what, const fs::path& path) {
  return {path.string() + ": cannot be " + what + ": " +
          std::error_code(errno, std::generic_category()).message()};
}

bool all_of(std::string_view text, std::string_view others) {
  return std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           others.find(c) != others.npos;
  });
}

bool is_node(std::string_view text) {
  return !text.empty() && text.size() <= 63 && all_of(text, "_.-") && text.front() != '.';
}

bool is_domain(std::string_view text) {
  return !text.empty() && text.size() <= 64 && all_of(text, ".-") && text.front() != '.' &&
         text.front() != '-';
}

/// A new file with these bytes, on the disk when it returns.
Status write_new(const fs::path& path, std::string_view bytes, mode_t mode) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0 && errno == EEXIST) {
    return Error{path.string() + " is there already; move it away, or choose another name"};
  }
  if (file < 0) return system_error("made", path);
  const bool whole =
      ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
      ::fsync(file) == 0;
  const Status written = whole ? ok() : Status(system_error("written", path));
  ::close(file);
  if (!whole) ::unlink(path.c_str());
  return written;
}

std::string take(BIO* bio) {
  char* bytes = nullptr;
  const long length = BIO_get_mem_data(bio, &bytes);
  return {bytes, static_cast<std::size_t>(length)};
}

Status write_pair(const fs::path& directory, const std::string& stem, EVP_PKEY* key,
                  X509* certificate) {
  const Bio key_text(BIO_new(BIO_s_mem()));
  const Bio certificate_text(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PKCS8PrivateKey(key_text.get(), key, nullptr, nullptr, 0, nullptr, nullptr) !=
          1 ||
      PEM_write_bio_X509(certificate_text.get(), certificate) != 1) {
    return crypto_error("the certificate cannot be written as PEM");
  }
  const fs::path key_path = directory / (stem + ".key");
  const fs::path certificate_path = directory / (stem + ".pem");
  if (auto made = write_new(certificate_path, take(certificate_text.get()), 0644); !made) {
    return made;
  }
  auto made = write_new(key_path, take(key_text.get()), 0600);
  if (!made) ::unlink(certificate_path.c_str());
  return made;
}

Result<std::string> read_file(const fs::path& path, const fs::path& directory) {
  const Bio file(BIO_new_file(path.c_str(), "r"));
  if (!file) {
    ERR_clear_error();
    if (errno == ENOENT) {
      return Error{path.string() +
                   " is not there; make the authority first: weft-controller pki init " +
                   directory.string()};
    }
    return system_error("read", path);
  }
  std::string out(1 << 16, '\0');
  const int length = BIO_read(file.get(), out.data(), static_cast<int>(out.size()));
  out.resize(static_cast<std::size_t>(std::max(length, 0)));
  return out;
}

struct Authority {
  Certificate certificate;
  Key key;
};

/// No pass phrase is ever asked for.
int no_phrase(char*, int, int, void*) { return 0; }

Result<Certificate> load_certificate(const fs::path& path, const fs::path& directory) {
  const auto text = read_file(path, directory);
  if (!text) return text.error();
  const Bio memory(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
  Certificate out(PEM_read_bio_X509(memory.get(), nullptr, no_phrase, nullptr));
  if (!out) return crypto_error(path.string() + " holds no certificate");
  return Result<Certificate>(std::move(out));
}

Result<Authority> load_authority(const fs::path& directory) {
  auto certificate = load_certificate(directory / "ca.pem", directory);
  if (!certificate) return certificate.error();
  const auto key_text = read_file(directory / "ca.key", directory);
  if (!key_text) return key_text.error();
  Authority out;
  out.certificate = std::move(certificate.value());
  const Bio memory(BIO_new_mem_buf(key_text->data(), static_cast<int>(key_text->size())));
  out.key.reset(PEM_read_bio_PrivateKey(memory.get(), nullptr, no_phrase, nullptr));
  if (!out.key) return crypto_error((directory / "ca.key").string() + " holds no key");
  if (X509_check_private_key(out.certificate.get(), out.key.get()) != 1) {
    ERR_clear_error();
    return Error{directory.string() + ": ca.key is not the key of ca.pem"};
  }
  return out;
}

std::string subject_part(X509* certificate, int nid) {
  const X509_NAME* name = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(name, nid, -1);
  if (at < 0) return {};
  const ASN1_STRING* text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

bool add_name(X509* certificate, const char* type, const std::string& text) {
  return X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), type, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(text.data()),
                                    static_cast<int>(text.size()), -1, 0) == 1;
}

bool extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context{};
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

struct Period {
  sys_seconds start;
  sys_seconds end;
};

Result<Period> period(const Validity& validity) {
  constexpr unsigned most_days = 36500;
  if (validity.days == 0 || validity.days > most_days) {
    return Error{"--days: wanted 1 to " + std::to_string(most_days) + ", found " +
                 std::to_string(validity.days)};
  }
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const sys_seconds start = validity.start.value_or(now - std::chrono::hours(1));
  return Period{start, start + std::chrono::days(validity.days)};
}

std::time_t to_time(sys_seconds at) { return at.time_since_epoch().count(); }

sys_seconds to_seconds(const ASN1_TIME* time) {
  std::tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  return sys_seconds(std::chrono::seconds(::timegm(&parts)));
}

sys_seconds end_of(X509* certificate) { return to_seconds(X509_get0_notAfter(certificate)); }

Key new_key() { return Key(EVP_EC_gen("P-256")); }

/// A certificate for `key` without extensions, nor signed. Null where libcrypto refuses.
Certificate new_certificate(EVP_PKEY* key, const Period& valid) {
  Certificate out(X509_new());
  unsigned char serial[16];  // random, so that no two of an authority are equal (RFC 5280 §4.1.2.2)
  if (!out || RAND_bytes(serial, sizeof serial) != 1) return nullptr;
  serial[0] &= 0x7f;
  const std::unique_ptr<BIGNUM, Freed<BN_free>> number(BN_bin2bn(serial, sizeof serial, nullptr));
  const bool good =
      X509_set_version(out.get(), X509_VERSION_3) == 1 && number &&
      BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(out.get())) != nullptr &&
      ASN1_TIME_set(X509_getm_notBefore(out.get()), to_time(valid.start)) != nullptr &&
      ASN1_TIME_set(X509_getm_notAfter(out.get()), to_time(valid.end)) != nullptr &&
      X509_set_pubkey(out.get(), key) == 1;
  return good ? std::move(out) : nullptr;
}

Listed describe(const fs::path& path, X509* certificate) {
  Listed out{.file = path.filename().string(),
             .name = subject_part(certificate, NID_commonName),
             .role = subject_part(certificate, NID_organizationalUnitName),
             .start = to_seconds(X509_get0_notBefore(certificate)),
             .end = end_of(certificate)};
  if (X509_check_ca(certificate) != 0) {
    out.role = "authority";
  } else if (out.role.empty()) {
    out.role = out.name == controller_node ? "controller" : "node";
    out.name += "@" + subject_part(certificate, NID_organizationName);
  }
  return out;
}

}  // namespace

std::string date_text(sys_seconds at) {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(at));
  char out[16];
  std::snprintf(out, sizeof out, "%04d-%02u-%02u", static_cast<int>(day.year()),
                static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
  return out;
}

Status init(const fs::path& directory, const std::string& domain, Validity validity) {
  if (!is_domain(domain)) {
    return Error{"--domain: wanted a domain like weft.local (A-Z a-z 0-9 . -), found \"" + domain +
                 "\""};
  }
  const auto valid = period(validity);
  if (!valid) return valid.error();
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return system_error("made", directory);
  }
  const Key key = new_key();
  const Certificate certificate = key ? new_certificate(key.get(), *valid) : nullptr;
  X509* const self = certificate.get();
  const bool good = self != nullptr && add_name(self, "O", domain) &&
                    add_name(self, "CN", "Weft control") &&
                    X509_set_issuer_name(self, X509_get_subject_name(self)) == 1 &&
                    extend(self, self, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                    extend(self, self, NID_key_usage, "critical,keyCertSign,cRLSign") &&
                    extend(self, self, NID_subject_key_identifier, "hash") &&
                    X509_sign(self, key.get(), EVP_sha256()) > 0;
  if (!good) return crypto_error("the authority cannot be made");
  return write_pair(directory, "ca", key.get(), self);
}

Result<fs::path> issue(const fs::path& directory, const Subject& subject, Validity validity) {
  const auto valid = period(validity);
  if (!valid) return valid.error();
  const auto authority = load_authority(directory);
  if (!authority) return authority.error();
  X509* const issuer = authority->certificate.get();

  const auto at = subject.name.find('@');
  const std::string node = subject.name.substr(0, at);
  const std::string domain = at == std::string::npos ? subject_part(issuer, NID_organizationName)
                                                     : subject.name.substr(at + 1);
  if (!is_node(node) || !is_domain(domain)) {
    return Error{"\"" + subject.name +
                 "\" is no name of a node: wanted NODE or NODE@DOMAIN, NODE of 1 to 63 of A-Z a-z "
                 "0-9 _ . -"};
  }
  const std::string stem = subject.file.empty() ? node : subject.file;
  if (!is_node(stem) || stem == "ca") {
    return Error{"--file: \"" + stem + "\" cannot be the name of the files"};
  }
  if (valid->end > end_of(issuer)) {
    return Error{"the authority in " + directory.string() + " ends on " +
                 date_text(end_of(issuer)) + ", the certificate would end on " +
                 date_text(valid->end) + "; give fewer --days"};
  }
  const std::string address = node + "@" + domain;
  const bool is_operator = !subject.role.empty();
  if (is_operator && !is_node(subject.role)) {
    return Error{"--role: \"" + subject.role + "\" is no role"};
  }
  // id-on-xmppAddr, or what people are called by.
  std::string names = (is_operator ? "email:" : "otherName:1.3.6.1.5.5.7.8.5;UTF8:") + address;
  // Others ask for a server of the domain (RFC 6125 §6.2.1).
  if (node == controller_node && !is_operator) names += ",DNS:" + domain;
  for (const auto& dns : subject.dns) {
    if (!is_domain(dns)) return Error{"--dns: \"" + dns + "\" is no name of a host"};
    names += ",DNS:" + dns;
  }
  for (const auto& text : subject.addresses) {
    if (!parse_ip(text)) return Error{"--address: \"" + text + "\" is no IP address"};
    names += ",IP:" + text;
  }

  const Key key = new_key();
  const Certificate certificate = key ? new_certificate(key.get(), *valid) : nullptr;
  X509* const made = certificate.get();
  const std::string uses = is_operator ? "clientAuth" : "clientAuth,serverAuth";
  const bool good = made != nullptr && add_name(made, "O", domain) &&
                    (!is_operator || add_name(made, "OU", subject.role)) &&
                    add_name(made, "CN", node) &&
                    X509_set_issuer_name(made, X509_get_subject_name(issuer)) == 1 &&
                    extend(made, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
                    extend(made, issuer, NID_key_usage, "critical,digitalSignature") &&
                    extend(made, issuer, NID_ext_key_usage, uses) &&
                    extend(made, issuer, NID_subject_key_identifier, "hash") &&
                    extend(made, issuer, NID_authority_key_identifier, "keyid:always") &&
                    extend(made, issuer, NID_subject_alt_name, names) &&
                    X509_sign(made, authority->key.get(), EVP_sha256()) > 0;
  if (!good) return crypto_error("the certificate of " + address + " cannot be made");
  if (const auto written = write_pair(directory, stem, key.get(), made); !written) {
    return written.error();
  }
  return directory / (stem + ".pem");
}

Result<std::vector<Listed>> list(const fs::path& directory) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const auto& path = entry.path();
    if (path.extension() == ".pem" && path.filename() != "ca.pem") paths.push_back(path);
  }
  std::ranges::sort(paths);
  paths.insert(paths.begin(), directory / "ca.pem");
  std::vector<Listed> out;
  for (const auto& path : paths) {
    const auto certificate = load_certificate(path, directory);
    if (!certificate) return certificate.error();
    out.push_back(describe(path, certificate->get()));
  }
  return out;
}

}  // namespace weft::pki
