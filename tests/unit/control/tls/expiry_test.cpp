#include "tls/expiry.hpp"

#include <catch2/catch.hpp>

namespace weft::tls::expiry_test {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::seconds;

const WallTime now = std::chrono::sys_days{std::chrono::year(2026) / 11 / 26};

std::string said(WallTime expires) {
  return expiry_warning("/pki/a.pem", expires, now).value_or("nothing");
}

}  // namespace

TEST_CASE("tls: a certificate is warned of 30 days before its end") {
  CHECK(said(now + days(30)) == "nothing");
  CHECK(said(now + days(30) - seconds(1)) ==
        "the certificate /pki/a.pem ends on 2026-12-25, in 29 days; issue a new one and reload");
  CHECK(said(now + days(1)) ==
        "the certificate /pki/a.pem ends on 2026-11-27, in 1 day; issue a new one and reload");
  CHECK(said(now + hours(1)) ==
        "the certificate /pki/a.pem ends on 2026-11-26, in 0 days; issue a new one and reload");
  CHECK(said(now) ==
        "the certificate /pki/a.pem is expired since 2026-11-26; issue a new one and reload");
}

TEST_CASE("tls: who watches hears of each certificate at once, and once") {
  boost::asio::io_context io;
  std::vector<std::string> heard;
  ExpiryWatch watch(io, [&](const std::string& text) { heard.push_back(text); });
  const auto today = std::chrono::system_clock::now();
  watch.add("a", today + days(10));
  watch.add("b", today + days(40));
  watch.add("a", today + days(10));
  REQUIRE(heard.size() == 1);
  CHECK_THAT(heard.front(), Catch::Contains("the certificate a ends on"));
  CHECK(io.poll() == 0);  // the next time is tomorrow
  watch.stop();
  CHECK(io.run() == 1);
}

}  // namespace weft::tls::expiry_test
