// Control's values compiled into what the workers read.
#include "tables/objects.hpp"

#include <catch2/catch.hpp>

#include "support/seed.hpp"
#include "support/words.hpp"

namespace weft::objects_test {
namespace {

using test::ip;
using test::prefix;

DecapEntry accepting(std::vector<IpPrefix> sources) {
  Decap decap;
  decap.sources = std::move(sources);
  return {DecapId(1), decap};
}

bool accepts(const DecapEntry& entry, const IpAddress& source) {
  return source.is_v4() ? entry.accepts(source.v4().value) : entry.accepts(source.v6());
}

bool accepts(const DecapEntry& entry, std::string_view source) {
  return accepts(entry, ip(source));
}

nexthop::Tunnel tunnel_to(std::string_view local, std::string_view remote) {
  nexthop::Tunnel tunnel;
  tunnel.profile.local = ip(local);
  tunnel.profile.remote = ip(remote);
  tunnel.profile.vni = 0x123456;
  tunnel.profile.source_ports = {1000, 2000};
  tunnel.adjacency = AdjacencyId(5, 3);
  return tunnel;
}

}  // namespace

TEST_CASE("without sources nobody is accepted", "[sources]") {
  const DecapEntry entry = accepting({});
  REQUIRE_FALSE(accepts(entry, "0.0.0.0"));
  REQUIRE_FALSE(accepts(entry, "192.0.2.1"));
  REQUIRE_FALSE(accepts(entry, "::"));
}

TEST_CASE("a source prefix has exact bounds", "[sources]") {
  const DecapEntry net = accepting({prefix("192.0.2.0/24")});
  REQUIRE_FALSE(accepts(net, "192.0.1.255"));
  REQUIRE(accepts(net, "192.0.2.0"));
  REQUIRE(accepts(net, "192.0.2.255"));
  REQUIRE_FALSE(accepts(net, "192.0.3.0"));

  const DecapEntry host = accepting({prefix("192.0.2.7/32"), prefix("2001:db8::7/128")});
  REQUIRE_FALSE(accepts(host, "192.0.2.6"));
  REQUIRE(accepts(host, "192.0.2.7"));
  REQUIRE_FALSE(accepts(host, "192.0.2.8"));
  REQUIRE_FALSE(accepts(host, "2001:db8::6"));
  REQUIRE(accepts(host, "2001:db8::7"));
  REQUIRE_FALSE(accepts(host, "2001:db8::8"));

  const DecapEntry odd = accepting({prefix("2001:db8:8000::/33")});
  REQUIRE_FALSE(accepts(odd, "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"));
  REQUIRE(accepts(odd, "2001:db8:8000::"));
  REQUIRE(accepts(odd, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"));
  REQUIRE_FALSE(accepts(odd, "2001:db9::"));
}

TEST_CASE("the prefix of length zero accepts its whole family and no other", "[sources]") {
  const DecapEntry v4 = accepting({prefix("0.0.0.0/0")});
  REQUIRE(accepts(v4, "0.0.0.0"));
  REQUIRE(accepts(v4, "255.255.255.255"));
  REQUIRE_FALSE(accepts(v4, "::"));
  REQUIRE_FALSE(accepts(v4, "::ffff:192.0.2.1"));
  const DecapEntry v6 = accepting({prefix("::/0")});
  REQUIRE(accepts(v6, "::"));
  REQUIRE(accepts(v6, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
  REQUIRE_FALSE(accepts(v6, "192.0.2.1"));
}

TEST_CASE("source prefixes may nest, repeat, touch and have host bits", "[sources]") {
  const DecapEntry entry =
      accepting({prefix("10.0.0.0/8"), prefix("10.1.0.0/16"), prefix("10.1.2.3/32"),
                 prefix("10.0.0.0/8"), prefix("11.0.0.0/8"), prefix("192.0.2.77/24")});
  REQUIRE(accepts(entry, "10.0.0.0"));
  REQUIRE(accepts(entry, "10.1.2.3"));
  REQUIRE(accepts(entry, "10.255.255.255"));
  REQUIRE(accepts(entry, "11.0.0.0"));
  REQUIRE(accepts(entry, "11.255.255.255"));
  REQUIRE(accepts(entry, "192.0.2.1"));
  REQUIRE_FALSE(accepts(entry, "9.255.255.255"));
  REQUIRE_FALSE(accepts(entry, "12.0.0.0"));
}

TEST_CASE("random sources agree with IpPrefix::contains", "[sources]") {
  auto random = test::random_engine();
  const auto random_address = [&](bool v4) -> IpAddress {
    // Few values for each byte, so that prefixes meet.
    const auto byte = [&] { return static_cast<std::uint8_t>(random() % 3 * 0x7f + random() % 2); };
    if (v4) {
      std::uint32_t value = 0;
      for (unsigned i = 0; i < 4; ++i) value = value << 8 | byte();
      return Ipv4Address{value};
    }
    Ipv6Address address;
    for (auto& b : address.bytes) b = byte();
    return address;
  };
  for (unsigned run = 0; run < 500; ++run) {
    std::vector<IpPrefix> sources;
    for (auto left = random() % 20; left > 0; --left) {
      const IpAddress address = random_address(random() % 2 == 0);
      sources.push_back(
          {address, static_cast<std::uint8_t>(random() % (address.width_bits() + 1))});
    }
    const DecapEntry entry = accepting(sources);
    for (unsigned i = 0; i < 50; ++i) {
      const IpAddress source = random_address(random() % 2 == 0);
      const bool expected = std::any_of(sources.begin(), sources.end(),
                                        [&](const auto& p) { return p.contains(source); });
      if (accepts(entry, source) != expected) FAIL("run " << run << ": " << to_string(source));
    }
  }
}

TEST_CASE("next hops without a header keep what they lead to", "[nexthop]") {
  const auto compile = [](const Nexthop& nexthop) {
    return NexthopEntry::compile(NexthopId(7, 2), nexthop);
  };
  REQUIRE(compile(nexthop::Discard{})->kind == NexthopKind::discard);
  REQUIRE(compile(nexthop::Receive{})->kind == NexthopKind::receive);
  const auto interface = compile(nexthop::Interface{AdjacencyId(3, 1)});
  REQUIRE(interface->kind == NexthopKind::interface);
  REQUIRE(interface->adjacency == AdjacencyId(3, 1));
  const auto glean = compile(nexthop::Glean{PortId(4)});
  REQUIRE(glean->kind == NexthopKind::glean);
  REQUIRE(glean->port() == PortId(4));
  const auto lookup = compile(nexthop::Lookup{VrfId(9)});
  REQUIRE(lookup->kind == NexthopKind::lookup);
  REQUIRE(lookup->vrf() == VrfId(9));
  for (const auto* entry : {interface.get(), glean.get(), lookup.get()}) {
    REQUIRE(entry->id == NexthopId(7, 2));
    REQUIRE(entry->header_bytes == 0);
    REQUIRE_FALSE(entry->udp_checksum);
  }
}

TEST_CASE("an ecmp next hop keeps its buckets, and knows its members", "[nexthop]") {
  const NexthopId a(3, 1);
  const NexthopId b(2, 7);
  const auto entry = NexthopEntry::compile(NexthopId(7, 2), nexthop::Ecmp{{a, b, a, a}});
  REQUIRE(entry->kind == NexthopKind::ecmp);
  REQUIRE(leads_on(entry->kind));
  REQUIRE(entry->buckets == 4);
  REQUIRE(entry->members == 2);
  for (std::uint32_t hash = 0; hash < 16; ++hash) {
    REQUIRE(entry->bucket_of(hash) == hash % 4);
    REQUIRE(entry->member_in(hash % 4) == (hash % 4 == 1 ? b : a));
  }
  REQUIRE(entry->has_member(a));
  REQUIRE(entry->has_member(b));
  REQUIRE_FALSE(entry->has_member(NexthopId(3, 2)));
  REQUIRE_FALSE(entry->has_member(NexthopId{}));
  REQUIRE(NexthopEntry::compile(NexthopId(7), nexthop::Ecmp{{a}})->member_in(0) == a);
}

TEST_CASE("a tunnel's header ends where the copy ends", "[nexthop]") {
  for (const bool v4 : {true, false}) {
    const nexthop::Tunnel value =
        v4 ? tunnel_to("192.0.2.1", "192.0.2.2") : tunnel_to("2001:db8::1", "2001:db8::2");
    const auto entry = NexthopEntry::compile(NexthopId(7, 2), value);
    const auto made = tunnel::build_template(value.profile);
    const auto expected = made.bytes.bytes();
    CAPTURE(v4);
    REQUIRE(entry->kind == NexthopKind::tunnel);
    REQUIRE(entry->id == NexthopId(7, 2));
    REQUIRE(entry->adjacency == AdjacencyId(5, 3));
    REQUIRE(entry->source_ports.choose(0) == 1000);
    REQUIRE(entry->source_ports.choose(~0U) == 2000);
    REQUIRE(entry->outer_v4 == v4);
    REQUIRE(entry->udp_checksum == !v4);
    REQUIRE(entry->udp_offset == made.udp_offset);
    REQUIRE(entry->inner_ethernet_offset == made.inner_ethernet_offset);
    REQUIRE(entry->ip_checksum_sum == made.ip_checksum_sum);
    REQUIRE(entry->header_bytes == expected.size());
    // VXLAN: 20 or 40 bytes of IP, 8 of UDP, 8 of VXLAN, 14 of Ethernet.
    REQUIRE(expected.size() == (v4 ? 50 : 70));
    REQUIRE(entry->copy_bytes == (v4 ? 64 : 128));
    REQUIRE(std::equal(expected.begin(), expected.end(),
                       entry->header() + entry->copy_bytes - entry->header_bytes));
    REQUIRE(reinterpret_cast<std::uintptr_t>(entry.get()) % 64 == 0);
    REQUIRE(reinterpret_cast<std::uintptr_t>(entry->header()) % 64 == 0);
  }
}

TEST_CASE("a VIF owns its addresses and no others", "[vif]") {
  VifEntry vif;
  REQUIRE_FALSE(vif.owns(0));
  REQUIRE_FALSE(vif.owns(Ipv6Address{}));
  vif.addresses4 = {1, 7};
  vif.addresses6 = {ip("fd00::1").v6(), ip("fd00::2").v6()};
  REQUIRE(vif.owns(7));
  REQUIRE_FALSE(vif.owns(2));
  REQUIRE(vif.owns(ip("fd00::2").v6()));
  REQUIRE_FALSE(vif.owns(ip("fd00::3").v6()));
}

}  // namespace weft::objects_test
