// Random routes and profiles, written as XML and read back.
#include <catch2/catch.hpp>

#include <random>

#include "channel/profile_codec.hpp"
#include "channel/route_codec.hpp"
#include "support/routes.hpp"
#include "support/seed.hpp"
#include "support/xml.hpp"

namespace weft::channel {
namespace {

class Maker {
 public:
  explicit Maker(std::mt19937_64& engine) : random_(engine) {}

  bool chance() { return random_() % 2 == 0; }
  std::uint32_t number(std::uint64_t least, std::uint64_t most) {
    switch (random_() % 4) {
      case 0:
        return static_cast<std::uint32_t>(least);
      case 1:
        return static_cast<std::uint32_t>(most);
      default:
        return static_cast<std::uint32_t>(least + random_() % (most - least + 1));
    }
  }
  std::string word() {
    constexpr std::string_view letters = "abcXYZ019-_.:/<>&'\"\xc3\xa4";
    std::string text;
    for (auto length = number(1, 40); length > 0; --length) {
      text += letters[random_() % (letters.size() - 2)];
    }
    return text + (chance() ? "\xc3\xa4" : "");
  }
  IpAddress address() {
    if (chance()) return Ipv4Address{number(1U << 24, 0x7effffff)};
    Ipv6Address v6{{0x20, 0x01}};
    for (std::size_t i = 2; i < 16; ++i) v6.bytes[i] = static_cast<std::uint8_t>(random_());
    return v6;
  }
  MacAddress mac() {
    return {{2, 0, static_cast<std::uint8_t>(random_()), static_cast<std::uint8_t>(random_()), 0,
             static_cast<std::uint8_t>(random_())}};
  }
  vpn::RouteTarget target() {
    const auto type = static_cast<vpn::AdministratorType>(random_() % 3);
    const bool two = type == vpn::AdministratorType::as2;
    return vpn::RouteTarget(
        {type, number(0, two ? 0xffff : 0xffffffff), number(0, two ? 0xffffffff : 0xffff)});
  }
  vpn::Nlri nlri() {
    const auto rd = test::rd("1:1");
    const IpAddress ip = address();
    if (chance()) {
      const IpPrefix prefix{ip, static_cast<std::uint8_t>(number(0, ip.width_bits()))};
      return vpn::Nlri::unicast(rd, prefix);
    }
    return vpn::Nlri::mac_ip(rd, number(0, 0xffffffff), mac(),
                             chance() ? std::optional(ip) : std::nullopt);
  }
  vpn::NextHop next_hop() {
    vpn::NextHop hop{address(), {}, {}, {}, {}};
    if (chance()) hop.mac = mac();
    if (chance()) hop.label = number(16, 0xfffff);
    if (chance() || !hop.label) hop.vni = number(1, 0xffffff);
    for (unsigned i = 0; i < 4; ++i) {
      const auto& info = vpn::encapsulations[random_() % vpn::encapsulations.size()];
      if (info.network == vpn::NetworkField::label ? hop.label.has_value() : hop.vni.has_value()) {
        hop.encapsulations.add(info.encapsulation);
      }
    }
    if (hop.encapsulations.empty()) {
      hop.encapsulations.add(hop.label ? vpn::Encapsulation::udp : vpn::Encapsulation::geneve);
    }
    return hop;
  }
  vpn::Attributes attributes() {
    vpn::Attributes a;
    for (auto count = number(1, 5); count > 0; --count) {
      const auto hop = next_hop();
      if (std::ranges::find(a.next_hops, hop) == a.next_hops.end()) a.next_hops.push_back(hop);
    }
    if (chance()) a.virtual_network = word();
    if (chance()) a.origin = word();
    std::vector<vpn::RouteTarget> targets;
    for (auto count = number(0, 3); count > 0; --count) targets.push_back(target());
    a.targets = targets;
    std::vector<std::string> groups;
    for (auto count = number(0, 3); count > 0; --count) {
      groups.push_back(std::to_string(count) + word());
    }
    a.security_groups = groups;
    a.local_preference = number(0, 0xffffffff);
    a.med = number(0, 0xffffffff);
    if (chance()) a.mobility = vpn::Mobility{number(0, 0xffffffff), chance()};
    a.load_balance = {chance(), chance(), chance(), chance(), chance()};
    return a;
  }
  std::uint64_t generation() { return random_(); }

 private:
  std::mt19937_64& random_;
};

}  // namespace

TEST_CASE("channel: routes come back as they were sent", "[channel]") {
  auto random = test::random_engine(65);
  Maker make(random);
  for (unsigned round = 0; round < 1000; ++round) {
    const RouteEntry entry{make.nlri(), make.attributes(), make.number(0, 0xffffffff)};
    const std::string text = test::to_xml(entry_element(entry));
    CAPTURE(text);
    const auto read = parse_entry(test::from_xml(text), entry.nlri.rd());
    REQUIRE(read);
    REQUIRE(*read == entry);

    const std::string network = make.word();
    const auto name = parse_route_name(route_name(network, entry.nlri), entry.nlri.rd());
    REQUIRE(name);
    REQUIRE(*name == RouteName{network, entry.nlri});
    for (const auto target : *entry.attributes.targets) {
      REQUIRE(vpn::parse_route_target(to_string(target)) == target);
      REQUIRE(vpn::RouteTarget::from_raw(target.raw()) == target);
    }
  }
}

TEST_CASE("channel: profiles come back as they were sent", "[channel]") {
  auto random = test::random_engine(66);
  Maker make(random);
  for (unsigned round = 0; round < 500; ++round) {
    const Profile profile{{"decap", make.word() + " " + make.word()},
                          make.generation(),
                          "{\"name\": \"" + make.word() + "\"}"};
    const auto read = parse_profile(test::from_xml(test::to_xml(profile_element(profile))));
    REQUIRE(read);
    REQUIRE(*read == profile);
    const auto id = parse_profile_item_id(profile_item_id(profile.id));
    REQUIRE(id);
    REQUIRE(*id == profile.id);

    Applied applied{make.generation(), {}};
    for (auto count = make.number(0, 3); count > 0; --count) {
      applied.refused.push_back({{"vrf", std::to_string(count) + make.word()}, make.word()});
    }
    const auto acknowledged = parse_applied(test::from_xml(test::to_xml(applied_element(applied))));
    REQUIRE(acknowledged);
    REQUIRE(*acknowledged == applied);
  }
}

}  // namespace weft::channel
