// Certificates, as libcrypto's own verification sees them.
#include "pki/pki.hpp"

#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <memory>

namespace weft::pki_test {

namespace fs = std::filesystem;

namespace {

struct Directory {
  Directory() {
    std::string name = (fs::temp_directory_path() / "weft-pki-XXXXXX").string();
    path = fs::path(::mkdtemp(name.data())) / "pki";
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() { fs::remove_all(path.parent_path()); }
  fs::path path;
};

using Certificate = std::shared_ptr<X509>;

Certificate load(const fs::path& path) {
  const std::shared_ptr<BIO> file(BIO_new_file(path.c_str(), "r"), BIO_free);
  return {PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr), X509_free};
}

/// X509_V_OK, or what is wrong with the certificate for this purpose.
int verify(const fs::path& authority, const fs::path& certificate, int purpose) {
  const auto root = load(authority);
  const auto leaf = load(certificate);
  const std::shared_ptr<X509_STORE> store(X509_STORE_new(), X509_STORE_free);
  X509_STORE_add_cert(store.get(), root.get());
  const std::shared_ptr<X509_STORE_CTX> context(X509_STORE_CTX_new(), X509_STORE_CTX_free);
  X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), nullptr);
  X509_STORE_CTX_set_purpose(context.get(), purpose);
  X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_X509_STRICT);
  X509_verify_cert(context.get());
  return X509_STORE_CTX_get_error(context.get());
}

/// The names of type id-on-xmppAddr.
std::vector<std::string> xmpp_names(const fs::path& path) {
  const auto certificate = load(path);
  const std::shared_ptr<GENERAL_NAMES> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  std::vector<std::string> out;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_OTHERNAME) continue;
    if (OBJ_obj2nid(name->d.otherName->type_id) != NID_XmppAddr) continue;
    const ASN1_UTF8STRING* text = name->d.otherName->value->value.utf8string;
    out.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     ASN1_STRING_length(text));
  }
  return out;
}

unsigned mode(const fs::path& path) {
  struct stat status {};
  ::stat(path.c_str(), &status);
  return status.st_mode & 0777;
}

std::string error_of(const Result<fs::path>& result) {
  return result ? "" : result.error().message;
}

}  // namespace

TEST_CASE("an authority issues certificates for clients and servers", "[pki]") {
  const Directory dir;
  REQUIRE(pki::init(dir.path, "site.example", {{}, 3650}));
  const auto made = pki::issue(
      dir.path, {"compute-a", "", {"a.example"}, {"192.0.2.1", "2001:db8::1"}}, {{}, 30});
  REQUIRE(made);
  CHECK(*made == dir.path / "compute-a.pem");
  CHECK(verify(dir.path / "ca.pem", *made, X509_PURPOSE_SSL_CLIENT) == X509_V_OK);
  CHECK(verify(dir.path / "ca.pem", *made, X509_PURPOSE_SSL_SERVER) == X509_V_OK);
  CHECK(xmpp_names(*made) == std::vector<std::string>{"compute-a@site.example"});
  const auto leaf = load(*made);
  CHECK(X509_check_host(leaf.get(), "a.example", 0, 0, nullptr) == 1);
  CHECK(X509_check_ip_asc(leaf.get(), "2001:db8::1", 0) == 1);
  CHECK(X509_check_ip_asc(leaf.get(), "192.0.2.2", 0) == 0);

  CHECK(mode(dir.path) == 0700);
  CHECK(mode(dir.path / "ca.key") == 0600);
  CHECK(mode(dir.path / "compute-a.key") == 0600);

  SECTION("a certificate is no authority") {
    CHECK(verify(*made, *made, X509_PURPOSE_SSL_CLIENT) != X509_V_OK);
  }
  SECTION("another authority's word counts for nothing") {
    const Directory other;
    REQUIRE(pki::init(other.path, "site.example", {{}, 3650}));
    CHECK(verify(other.path / "ca.pem", *made, X509_PURPOSE_SSL_CLIENT) != X509_V_OK);
  }
  SECTION("a name may bring its domain, and files have the name that is asked for") {
    const auto again = pki::issue(dir.path, {"compute-a@other.example", "second", {}, {}}, {{}, 1});
    REQUIRE(again);
    CHECK(*again == dir.path / "second.pem");
    CHECK(xmpp_names(*again) == std::vector<std::string>{"compute-a@other.example"});
  }
  SECTION("one that is over is over") {
    const pki::Validity past{std::chrono::sys_days{std::chrono::year(2024) / 1 / 1}, 1};
    const auto old = pki::issue(dir.path, {"old", "", {}, {}}, past);
    REQUIRE(old);
    CHECK(verify(dir.path / "ca.pem", *old, X509_PURPOSE_SSL_CLIENT) ==
          X509_V_ERR_CERT_HAS_EXPIRED);
  }
}

TEST_CASE("what cannot be issued is refused with the reason", "[pki]") {
  const Directory dir;
  const auto issue = [&](const std::string& name, unsigned days = 1) {
    return error_of(pki::issue(dir.path, {name, "", {}, {}}, {{}, days}));
  };
  CHECK_THAT(issue("a"), Catch::Contains("ca.pem is not there; make the authority first"));
  CHECK_FALSE(pki::init(dir.path, "no domain", {{}, 1}));
  CHECK_FALSE(pki::init(dir.path, "site.example", {{}, 0}));
  REQUIRE(pki::init(dir.path, "site.example", {{}, 30}));
  CHECK_FALSE(pki::init(dir.path, "site.example", {{}, 30}));

  CHECK_THAT(issue("a,DNS:b"), Catch::Contains("is no name of a node"));
  CHECK_THAT(issue("../a"), Catch::Contains("is no name of a node"));
  CHECK_THAT(issue("a", 31), Catch::Contains("give fewer --days"));
  CHECK_THAT(issue("ca"), Catch::Contains("--file"));
  const auto with = [&](std::vector<std::string> dns, std::vector<std::string> addresses) {
    return error_of(pki::issue(dir.path, {"a", "", std::move(dns), std::move(addresses)}, {{}, 1}));
  };
  CHECK_THAT(with({"b,IP:192.0.2.1"}, {}), Catch::Contains("--dns"));
  CHECK_THAT(with({}, {"192.0.2"}), Catch::Contains("--address"));

  CHECK(issue("a").empty());
  CHECK_THAT(issue("a"), Catch::Contains("a.pem is there already"));
  std::ofstream(dir.path / "b.key") << "mine";
  CHECK_THAT(issue("b"), Catch::Contains("b.key is there already"));
  CHECK_FALSE(fs::exists(dir.path / "b.pem"));

  std::ofstream(dir.path / "ca.key") << "not a key";
  CHECK_THAT(issue("c"), Catch::Contains("ca.key holds no key"));
  fs::copy(dir.path / "a.key", dir.path / "ca.key", fs::copy_options::overwrite_existing);
  CHECK_THAT(issue("c"), Catch::Contains("ca.key is not the key of ca.pem"));
}

TEST_CASE("a controller's certificate names the domain, an operator's no place on the channel",
          "[pki]") {
  const Directory dir;
  REQUIRE(pki::init(dir.path, "site.example", {{}, 30}));
  const auto controller = load(*pki::issue(dir.path, {.name = "network-control"}, {{}, 1}));
  CHECK(X509_check_host(controller.get(), "site.example", 0, 0, nullptr) == 1);
  const auto node = load(*pki::issue(dir.path, {.name = "compute-a"}, {{}, 1}));
  CHECK(X509_check_host(node.get(), "site.example", 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                        nullptr) == 0);
  const auto path = pki::issue(dir.path, {.name = "alice", .role = "admin"}, {{}, 1});
  REQUIRE(path);
  CHECK(xmpp_names(*path).empty());
  CHECK(verify(dir.path / "ca.pem", *path, X509_PURPOSE_SSL_CLIENT) == X509_V_OK);
  CHECK(verify(dir.path / "ca.pem", *path, X509_PURPOSE_SSL_SERVER) == X509_V_ERR_INVALID_PURPOSE);
}

TEST_CASE("what an authority has issued is listed", "[pki]") {
  const Directory dir;
  CHECK_THAT(pki::list(dir.path).error().message, Catch::Contains("make the authority first"));
  const pki::Validity year{std::chrono::sys_days{std::chrono::year(2024) / 1 / 1}, 366};
  REQUIRE(pki::init(dir.path, "site.example", year));
  const auto issue = [&](const char* name, const char* role) {
    REQUIRE(pki::issue(dir.path, {.name = name, .role = role}, {year.start, 31}));
  };
  issue("network-control", "");
  issue("compute-a", "");
  issue("alice", "admin");
  std::string all;
  const auto listed = pki::list(dir.path);
  REQUIRE(listed);
  for (const auto& one : *listed) {
    all += one.file + " " + one.name + " " + one.role + " " + pki::date_text(one.start) + " " +
           pki::date_text(one.end) + "\n";
  }
  CHECK(all ==
        "ca.pem Weft control authority 2024-01-01 2025-01-01\n"
        "alice.pem alice admin 2024-01-01 2024-02-01\n"
        "compute-a.pem compute-a@site.example node 2024-01-01 2024-02-01\n"
        "network-control.pem network-control@site.example controller 2024-01-01 2024-02-01\n");
  std::ofstream(dir.path / "z.pem") << "no certificate";
  CHECK_THAT(pki::list(dir.path).error().message, Catch::Contains("z.pem holds no certificate"));
}

}  // namespace weft::pki_test
