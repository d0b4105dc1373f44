// What certificates say of operators.
#include "controller/access.hpp"

#include <openssl/pem.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>

#include "pki/pki.hpp"

namespace weft::access_test {

using namespace weft::controller;
namespace fs = std::filesystem;

namespace {

struct Authority {
  Authority() {
    std::string name = (fs::temp_directory_path() / "weft-access-XXXXXX").string();
    path = ::mkdtemp(name.data());
    REQUIRE(pki::init(path, "weft.test", {{}, 10}));
  }
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;
  ~Authority() { fs::remove_all(path); }

  /// `NAME is ROLE`, or why not.
  [[nodiscard]] std::string says(const std::string& name, const std::string& role) const {
    const pki::Subject subject{.name = name, .role = role};
    const auto made = pki::issue(path, subject, {{}, 1});
    REQUIRE(made);
    const std::unique_ptr<BIO, decltype(&BIO_free)> file(BIO_new_file(made->c_str(), "r"),
                                                         &BIO_free);
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr), &X509_free);
    return text(*certificate);
  }
  static std::string text(const X509& certificate) {
    const auto who = operator_of(certificate);
    return who ? who->name + " is " + std::string(to_string(who->role)) : who.error().message;
  }
  fs::path path;
};

/// A certificate whose subject has these OUs.
std::string with_units(std::initializer_list<const char*> units) {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  for (const char* unit : units) {
    X509_NAME_add_entry_by_txt(subject, "OU", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(unit), -1, -1, 0);
  }
  return Authority::text(*certificate);
}

}  // namespace

TEST_CASE("an operator's role is in the certificate", "[controller]") {
  const Authority authority;
  CHECK(authority.says("alice", "admin") == "alice is admin");
  CHECK(authority.says("bob", "reader") == "bob is reader");
  CHECK_THAT(authority.says("carol", "root"), Catch::Contains("carol gives no role"));
  CHECK_THAT(authority.says("compute-a", ""), Catch::Contains("(compute-a@weft.test), not for"));
  CHECK_THAT(authority.says("network-control", ""), Catch::Contains("is for the control channel"));
  CHECK(pki::issue(authority.path, {.name = "x", .role = "a,b"}, {{}, 1}).error().message ==
        "--role: \"a,b\" is no role");
}

TEST_CASE("a subject that is not plain gives no role", "[controller]") {
  CHECK(with_units({"admin"}) == "somebody without a name is admin");
  for (const auto& units : {std::initializer_list<const char*>{},
                            {"admin", "reader"},
                            {"reader", "reader"},
                            {"Admin"},
                            {"admin "},
                            {""}}) {
    CHECK_THAT(with_units(units), Catch::Contains("gives no role"));
  }
}

}  // namespace weft::access_test
