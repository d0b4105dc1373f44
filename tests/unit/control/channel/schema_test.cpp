// What is sent against control/channel/channel.rng, by xmllint.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "channel/profile_codec.hpp"
#include "channel/route_codec.hpp"
#include "channel/state_codec.hpp"
#include "support/routes.hpp"
#include "support/xml.hpp"

namespace weft::channel::schema_test {
namespace {

/// A directory that goes with it.
struct Workplace {
  std::filesystem::path path;
  Workplace() {
    std::string made = (std::filesystem::temp_directory_path() / "weft-schema-XXXXXX").string();
    REQUIRE(mkdtemp(made.data()) != nullptr);
    path = made;
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  ~Workplace() { std::filesystem::remove_all(path); }
};

struct Verdict {
  bool valid = false;
  std::string words;
};

Verdict validate(const std::vector<std::string>& texts) {
  const Workplace place;
  const auto words = place.path / "words";
  std::string command = "xmllint --nonet --noout --relaxng '" WEFT_CHANNEL_SCHEMA "'";
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto file = place.path / (std::to_string(i) + ".xml");
    std::ofstream(file) << texts[i];
    command += " " + file.string();
  }
  command += " >" + words.string() + " 2>&1";
  const int status = std::system(command.c_str());  // NOLINT(concurrency-mt-unsafe)
  std::stringstream read;
  read << std::ifstream(words).rdbuf();
  // xmllint leaves with 3 where a file is not valid; anything else is trouble of another kind.
  INFO(read.str());
  const int left_with = WEXITSTATUS(status);
  CHECK((left_with == 0 || left_with == 3));
  return {left_with == 0, read.str()};
}

vpn::Attributes everything() {
  vpn::Attributes a = test::mobile(test::via("192.0.2.1", 16, "compute-a"), 0xffffffff, true);
  a.next_hops.push_back(
      {parse_ip("2001:db8::2").value(), parse_mac("02:00:00:00:00:02"), 0xfffff, 0xffffff, {}});
  for (const auto& info : vpn::encapsulations) {
    a.next_hops[1].encapsulations.add(info.encapsulation);
  }
  a.virtual_network = "default-domain:blue";
  a.targets = {test::target("1:1"), test::target("192.0.2.1:1"), test::target("1L:65535")};
  a.security_groups = {"web", "8000001"};
  a.local_preference = 0xffffffff;
  a.med = 0xffffffff;
  a.load_balance = {true, true, true, true, true};
  return a;
}

}  // namespace

TEST_CASE("channel: what is sent is what the schema says", "[channel]") {
  const MacAddress mac{{2, 0, 0, 0, 1, 1}};
  const auto rd = test::rd("1:1");
  std::vector<std::string> sent;
  for (const vpn::Nlri& nlri :
       {test::route("10.1.0.11/32"), test::route("0.0.0.0/0"), test::route("2001:db8::/64"),
        test::route("::/0"), test::route("::ffff:10.1.0.0/112"), vpn::Nlri::mac_ip(rd, 0, mac),
        vpn::Nlri::mac_ip(rd, 0xffffffff, mac, parse_ip("10.1.0.11")),
        vpn::Nlri::mac_ip(rd, 0, mac, parse_ip("2001:db8::1"))}) {
    sent.push_back(test::to_xml(entry_element({nlri, test::via("192.0.2.1"), 0xffffffff})));
    sent.push_back(test::to_xml(entry_element({nlri, everything()})));
  }
  xmpp::Element items{"items", "http://jabber.org/protocol/pubsub#event", {{"node", "blue"}}};
  items.add(route_item("blue", {test::route("10.1.0.11/32"), everything()}));
  items.add(route_retract("blue", test::route("10.1.0.12/32")));
  items.add(profile_item({{"security-group", "web & <db>"}, ~0ULL, R"({"rules": []})"}));
  items.add(profile_retract({"route", "blue 10.1.0.0/24"}));
  sent.push_back(test::to_xml(items));
  sent.push_back(test::to_xml(end_of_rib()));
  sent.push_back(test::to_xml(applied_element({17, {}})));
  sent.push_back(test::to_xml(applied_element({17, {{{"vrf", "a"}, "vrf a: no"}}})));
  sent.push_back(test::to_xml(state_element({{"network", "blue"}, 17, "c0", R"({"object": {}})"})));
  sent.push_back(test::to_xml(state_element({{"route", "blue 10.1.0.0/24"}, 0, "c0", {}})));
  sent.push_back(test::to_xml(peer_member_element()));
  const Verdict verdict = validate(sent);
  INFO(verdict.words);
  CHECK(verdict.valid);
}

TEST_CASE("channel: the schema takes nothing else", "[channel]") {
  const std::string sound =
      test::to_xml(entry_element({test::route("10.1.0.11/32"), everything()}));
  const std::vector<std::pair<std::string, std::string>> damages{
      {"<label>16</label>", "<label>15</label>"},
      {"<vni>16777215</vni>", "<vni>16777216</vni>"},
      {"<safi>1</safi>", "<safi>4</safi>"},
      {"<med>", "<later/><med>"},
      {"sticky='true'", "sticky='yes'"},
      {"http://ietf.org/protocol/bgpvpn", "http://jabber.org/protocol/pubsub"}};
  for (const auto& [part, instead] : damages) {
    CAPTURE(part, instead);
    std::string text = sound;
    const auto at = text.find(part);
    REQUIRE(at != std::string::npos);
    CHECK_FALSE(validate({text.replace(at, part.size(), instead)}).valid);
  }
}

}  // namespace weft::channel::schema_test
