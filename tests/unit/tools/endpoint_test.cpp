#include "ctl_endpoint.hpp"

#include <catch2/catch.hpp>
#include <sstream>

#include "ctl_command.hpp"

namespace weft::endpoint_test {

using namespace weft::ctl;

namespace {

/// The command or the exit code, and what was printed.
std::pair<std::variant<Command, int>, std::string> parse(std::vector<const char*> words) {
  words.insert(words.begin(), "weftctl");
  std::ostringstream out;
  std::ostringstream err;
  auto result = parse_command(static_cast<int>(words.size()), words.data(), out, err);
  return {std::move(result), out.str()};
}

}  // namespace

TEST_CASE("weftctl: a controller is a socket, or a host and a port") {
  const auto named = [](const std::string& text) {
    const auto endpoint = ctl::parse_endpoint(text);
    if (!endpoint) return std::string("wrong");
    if (!*endpoint) return std::string("socket");
    return (*endpoint)->host + " " + std::to_string((*endpoint)->port);
  };
  for (const auto* path : {"/run/weft/controller.sock", "c.sock", "./a:1", "/a:80"}) {
    CHECK(named(path) == "socket");
  }
  CHECK(named("192.0.2.1:8443") == "192.0.2.1 8443");
  CHECK(named("https://192.0.2.1:8443/") == "192.0.2.1 8443");
  CHECK(named("https://weft.local") == "weft.local 443");
  CHECK(named("[2001:db8::1]:8443") == "2001:db8::1 8443");
  CHECK(named("https://[2001:db8::1]") == "2001:db8::1 443");
  for (const auto* text : {"http://a:1", "https://", "https://:1", "a:0", "a:65536", "a:1x", "a:",
                           "https://a/b", "[2001:db8::1:1", "https://[::1]x:1", "2001:db8::1"}) {
    CHECK(named(text) == "wrong");
  }
  const auto asked = std::get<Command>(
      parse({"-c", "https://a:1", "--ca", "x", "--cert", "y", "--key", "z", "node", "show"}).first);
  REQUIRE(asked.tls);
  CHECK(asked.tls->files.ca + asked.tls->files.cert + asked.tls->files.key == "xyz");
  CHECK_FALSE(std::get<Command>(parse({"-c", "/a", "node", "show"}).first).tls);
  CHECK(std::get<int>(parse({"-c", "http://a", "node", "show"}).first) == 2);
}

TEST_CASE("weftctl: words for a controller are completed") {
  const auto of = [](const std::vector<const char*>& words) {
    std::vector<const char*> all{"--complete", "-c", "/nowhere"};
    all.insert(all.end(), words.begin(), words.end());
    return parse(all).second;
  };
  CHECK(of({"net"}) == "network\n");
  CHECK(of({"network", ""}) == "add\ndel\nset\nshow\n");
  CHECK(of({"node", "add", "x", "--kind", "vxlan"}) == "vxlan\nvxlan_gpe\n");
  CHECK(of({"--c"}) == "--ca\n--cert\n--controller\n");
  CHECK(of({"node", "del", ""}).empty());  // nobody answers
}

}  // namespace weft::endpoint_test
