// decode ∘ encode = identity: a random profile, built into a header, reads as what it was.
#include <catch2/catch.hpp>

#include "support/exact_copy.hpp"
#include "support/naive.hpp"
#include "support/seed.hpp"
#include "tunnel/header_template.hpp"
#include "tunnel/registry.hpp"

namespace weft::tunnel {
namespace {

IpAddress random_address(std::mt19937_64& random, bool v4) {
  if (v4) return Ipv4Address{static_cast<std::uint32_t>(random())};
  Ipv6Address address;
  for (auto& b : address.bytes) b = static_cast<std::uint8_t>(random());
  return address;
}

TunnelProfile random_profile(std::mt19937_64& random) {
  TunnelProfile profile;
  const TunnelKindInfo& info = tunnel_kinds[random() % tunnel_kinds.size()];
  const bool v4 = !info.ipv6_only && random() % 2 == 0;
  profile.kind = info.kind;
  profile.payload = info.payload;
  if (info.any_payload && random() % 2 == 0) {
    profile.payload =
        info.payload == TunnelPayload::ip ? TunnelPayload::ethernet : TunnelPayload::ip;
  }
  profile.local = random_address(random, v4);
  profile.remote = random_address(random, v4);
  profile.vni = info.least_network + static_cast<std::uint32_t>(random()) %
                                         std::max(info.most_network - info.least_network, 1U);
  profile.destination_port = static_cast<std::uint16_t>(random());
  for (auto& b : profile.inner_destination_mac.bytes) b = static_cast<std::uint8_t>(random());
  profile.ttl = static_cast<std::uint8_t>(random());
  profile.dscp = random() % 64;
  profile.zero_udp_checksum6 = random() % 2 == 0;
  if (info.network == "label") {
    for (std::size_t i = random() % max_labels; i > 0; --i) {
      profile.labels.push_back(static_cast<std::uint32_t>(random() % 0x100000));
    }
  }
  if (info.kind == TunnelKind::geneve) {
    for (std::size_t i = random() % 4; i > 0; --i) {
      profile.options.push_back({static_cast<std::uint16_t>(random()),
                                 static_cast<std::uint8_t>(random()),
                                 std::vector<std::uint8_t>(random() % 16 * 4)});
    }
  }
  if (info.kind == TunnelKind::srv6) {
    profile.reduced = random() % 2 == 0;
    profile.segments = {profile.remote.v6()};
    for (std::size_t i = random() % max_segments; i > 0; --i) {
      profile.segments.push_back(random_address(random, false).v6());
    }
  }
  return profile;
}

/// Whether the outer IP header in `made` is what the profile says.
bool has_outer_ip_of(const TunnelProfile& profile, const HeaderTemplate& made) {
  const auto bytes = made.bytes.bytes();
  const bool v4 = profile.remote.is_v4();
  const std::ptrdiff_t width = v4 ? 4 : 16;
  const auto source = bytes.begin() + (v4 ? 12 : 8);
  bool right = bytes[v4 ? 8 : 7] == profile.ttl;
  right &= std::equal(source, source + width, profile.local.bytes().begin());
  right &= std::equal(source + width, source + 2 * width, profile.remote.bytes().begin());
  if (v4) {
    right &= test::naive_sum(bytes.first(20)) ==
             __builtin_bswap16(static_cast<std::uint16_t>(made.ip_checksum_sum));
  }
  return right;
}

}  // namespace

TEST_CASE("a random profile reads as what it was", "[codec]") {
  auto random = test::random_engine();
  for (unsigned run = 0; run < 20000; ++run) {
    const TunnelProfile profile = random_profile(random);
    const HeaderTemplate made = build_template(profile);
    const auto bytes = made.bytes.bytes();
    const bool v4 = profile.remote.is_v4();
    const bool on_ip = !describe(profile.kind).on_ethernet;
    const std::size_t ip_bytes = !on_ip ? 0 : v4 ? 20 : 40;
    CAPTURE(run);

    REQUIRE(made.outer_v4 == v4);
    REQUIRE_FALSE(made.bytes.overflown());
    REQUIRE((made.ether_type == 0) == on_ip);
    if (on_ip) REQUIRE(has_outer_ip_of(profile, made));

    std::size_t header_at = ip_bytes;
    if (made.udp_offset != 0) {
      REQUIRE(made.udp_offset == ip_bytes);
      REQUIRE((bytes[ip_bytes + 2] << 8 | bytes[ip_bytes + 3]) == profile.destination_port);
      header_at += 8;
    }
    std::vector<std::uint8_t> all(bytes.begin(), bytes.end());
    if (made.version_slot.offset != 0) {
      all[made.version_slot.offset] = static_cast<std::uint8_t>(made.version_slot.ipv6 >> 8);
      all[made.version_slot.offset + 1U] = static_cast<std::uint8_t>(made.version_slot.ipv6);
    }
    const std::uint8_t protocol = on_ip ? all[v4 ? 9 : 6] : 0;
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(header_at));
    const test::ExactCopy header(all);
    const ParsedHeader parsed = parse_any_header(profile.kind, protocol, header.get());
    REQUIRE(parsed.reason == DropReason::none);
    REQUIRE(parsed.vni == profile.vni);
    REQUIRE((parsed.payload == Payload::ethernet) == (made.inner_ethernet_offset != 0));
    if (made.inner_ethernet_offset != 0) {
      REQUIRE(header_at + parsed.bytes == made.inner_ethernet_offset);
      REQUIRE(std::equal(profile.inner_destination_mac.bytes.begin(),
                         profile.inner_destination_mac.bytes.end(),
                         bytes.begin() + made.inner_ethernet_offset));
    }
  }
}

TEST_CASE("whatever a parser accepts lies inside the packet", "[codec]") {
  auto random = test::random_engine();
  for (unsigned run = 0; run < 100000; ++run) {
    std::vector<std::uint8_t> bytes(random() % 64);
    for (auto& b : bytes) b = static_cast<std::uint8_t>(random());
    for (const TunnelKindInfo& info : tunnel_kinds) {
      const test::ExactCopy copy(bytes);
      const auto protocols = ip_protocols(info.kind);
      const ParsedHeader parsed =
          parse_any_header(info.kind, protocols[random() % protocols.size()], copy.get());
      if (parsed.reason == DropReason::none && parsed.bytes > bytes.size()) FAIL("run " << run);
    }
  }
}

}  // namespace weft::tunnel
