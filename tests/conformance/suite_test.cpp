// What every tunnel kind must do. A new kind adds its traits file below and passes.
#include <catch2/catch.hpp>

#include "conformance/geneve.hpp"
#include "conformance/gre.hpp"
#include "conformance/mpls.hpp"
#include "conformance/nsh.hpp"
#include "conformance/srv6.hpp"
#include "conformance/vxlan.hpp"
#include "conformance/vxlan_gpe.hpp"
#include "support/exact_copy.hpp"
#include "support/naive.hpp"
#include "support/seed.hpp"
#include "tunnel/header_template.hpp"
#include "wire/checksum.hpp"

namespace weft::conformance {
namespace {

using test::ExactCopy;
using test::hex;
using tunnel::Carrier;
using tunnel::HeaderTemplate;
using tunnel::ParsedHeader;
using tunnel::Payload;

using Bytes = std::vector<std::uint8_t>;

void put16(Bytes& bytes, std::size_t at, std::uint32_t value) {
  bytes.at(at) = static_cast<std::uint8_t>(value >> 8);
  bytes.at(at + 1) = static_cast<std::uint8_t>(value);
}

std::uint32_t get16(const Bytes& bytes, std::size_t at) {
  return static_cast<std::uint32_t>(bytes.at(at)) << 8 | bytes.at(at + 1);
}

std::size_t outer_ip_bytes(const HeaderTemplate& made) {
  if (made.ether_type != 0) return 0;
  return made.outer_v4 ? 20 : 40;
}

Bytes bytes_of(const HeaderTemplate& made) {
  const auto bytes = made.bytes.bytes();
  return {bytes.begin(), bytes.end()};
}

/// What says which version of IP is inside.
void put_version(Bytes& bytes, const HeaderTemplate& made, bool v4) {
  if (made.version_slot.offset == 0) return;
  put16(bytes, made.version_slot.offset, v4 ? made.version_slot.ipv4 : made.version_slot.ipv6);
}

/// The template with the slots filled in that each packet patches.
Bytes complete(const HeaderTemplate& made, const Golden& golden) {
  Bytes bytes = bytes_of(made);
  const auto total = static_cast<std::uint32_t>(bytes.size() + golden.inner_bytes);
  if (outer_ip_bytes(made) == 20) {
    put16(bytes, 2, total);
    const std::uint64_t sum =
        made.ip_checksum_sum + __builtin_bswap16(static_cast<std::uint16_t>(total));
    put16(bytes, 10, wire::checksum_finish(sum).get());
  } else if (outer_ip_bytes(made) == 40) {
    put16(bytes, 4, total - 40);
  }
  if (made.udp_offset != 0) {
    put16(bytes, made.udp_offset, golden.source_port);
    put16(bytes, made.udp_offset + 4U, total - made.udp_offset);
  }
  if (made.inner_ethernet_offset != 0) {
    const auto at = bytes.begin() + made.inner_ethernet_offset;
    std::copy(golden.inner_source.bytes.begin(), golden.inner_source.bytes.end(), at + 6);
    put16(bytes, made.inner_ethernet_offset + 12U, golden.inner_v4 ? 0x0800 : 0x86dd);
  }
  put_version(bytes, made, golden.inner_v4);
  return bytes;
}

template <class Codec>
constexpr const TunnelKindInfo& info() {
  return describe(Codec::kind);
}

template <class Codec>
constexpr bool on_ip = Codec::carrier != Carrier::ethernet;

/// Whether of IPv4, one for each underlay that the kind can have.
template <class Codec>
std::vector<bool> ip_underlays() {
  if (!on_ip<Codec>) return {};
  return info<Codec>().ipv6_only ? std::vector<bool>{false} : std::vector<bool>{true, false};
}
/// The same, and one for a kind that has no outer IP header.
template <class Codec>
std::vector<bool> underlays() {
  return on_ip<Codec> ? ip_underlays<Codec>() : std::vector<bool>{true};
}

template <class Codec>
TunnelProfile profile_of(bool v4, std::uint32_t vni = info<Codec>().least_network) {
  return profile_between(Codec::kind, v4, vni);
}

/// One for each payload that the kind can have.
template <class Codec>
std::vector<TunnelProfile> profiles_of(bool v4, std::uint32_t vni = info<Codec>().least_network) {
  std::vector<TunnelProfile> all{profile_of<Codec>(v4, vni)};
  if (!info<Codec>().any_payload) return all;
  all.push_back(all.front());
  all.back().payload =
      all.front().payload == TunnelPayload::ip ? TunnelPayload::ethernet : TunnelPayload::ip;
  return all;
}

/// What stands behind the outer headers.
template <class Codec>
Bytes tunnel_header(const HeaderTemplate& made, bool inner_v4 = true) {
  Bytes bytes = bytes_of(made);
  put_version(bytes, made, inner_v4);
  const std::size_t start = outer_ip_bytes(made) + (Codec::carrier == Carrier::udp ? 8 : 0);
  return {bytes.begin() + static_cast<std::ptrdiff_t>(start), bytes.end()};
}

template <class Codec>
ParsedHeader parse(const Bytes& bytes) {
  return tunnel::parse_any_header(Codec::kind, Codec::ip_protocols.front(), ExactCopy(bytes).get());
}

/// How long the header that the kind sends is.
template <class Codec>
std::size_t header_bytes() {
  return Traits<Codec>::plain().size();
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("what is built is what scapy builds", "", tunnel::Kinds) {
  const auto rows = Traits<TestType>::golden();
  REQUIRE(rows.size() >= 2);
  bool v4 = false;
  bool v6 = false;
  for (const Golden& golden : rows) {
    REQUIRE(golden.profile.kind == TestType::kind);
    const HeaderTemplate made = tunnel::build_template(golden.profile);
    REQUIRE(test::to_hex(complete(made, golden)) == test::to_hex(hex(golden.header)));
    (made.outer_v4 ? v4 : v6) = true;
  }
  REQUIRE((v4 || info<TestType>().ipv6_only));
  REQUIRE((v6 || !on_ip<TestType>));
}

TEMPLATE_LIST_TEST_CASE("what is built can be read again", "", tunnel::Kinds) {
  const std::uint32_t least = info<TestType>().least_network;
  const std::uint32_t most = info<TestType>().most_network;
  for (const bool v4 : underlays<TestType>()) {
    for (std::uint32_t vni : {least, least + 1, 0x64U, most / 2, most - 1, most}) {
      vni = std::min(vni, most);
      for (const TunnelProfile& profile : profiles_of<TestType>(v4, vni)) {
        for (const bool inner_v4 : {true, false}) {
          CAPTURE(v4, vni, inner_v4);
          const bool ethernet = profile.payload == TunnelPayload::ethernet;
          const HeaderTemplate made = tunnel::build_template(profile);
          const Bytes header = tunnel_header<TestType>(made, inner_v4);
          const ParsedHeader parsed = parse<TestType>(header);
          REQUIRE(parsed.reason == DropReason::none);
          REQUIRE(parsed.vni == vni);
          REQUIRE(parsed.payload == (ethernet                        ? Payload::ethernet
                                     : made.version_slot.offset == 0 ? Payload::ip
                                     : inner_v4                      ? Payload::ipv4
                                                                     : Payload::ipv6));
          REQUIRE(parsed.bytes + (ethernet ? 14U : 0U) == header.size());
        }
      }
    }
  }
}

TEMPLATE_LIST_TEST_CASE("the offsets of a template point at what they name", "", tunnel::Kinds) {
  for (const bool v4 : underlays<TestType>()) {
    for (const TunnelProfile& profile : profiles_of<TestType>(v4)) {
      const HeaderTemplate made = tunnel::build_template(profile);
      const Bytes bytes = bytes_of(made);
      REQUIRE(made.outer_v4 == v4);
      REQUIRE_FALSE(made.bytes.overflown());
      REQUIRE((made.ether_type == 0) == on_ip<TestType>);
      REQUIRE(info<TestType>().on_ethernet != on_ip<TestType>);
      if (on_ip<TestType>) REQUIRE(bytes.at(v4 ? 9 : 6) == TestType::ip_protocols.front());
      if (TestType::carrier == Carrier::udp) {
        REQUIRE(TestType::ip_protocols.front() == 17);
        REQUIRE(made.udp_offset == outer_ip_bytes(made));
        REQUIRE(get16(bytes, made.udp_offset + 2U) == profile.destination_port);
        REQUIRE(get16(bytes, made.udp_offset + 6U) == 0);
      } else {
        REQUIRE(made.udp_offset == 0);
      }
      if (profile.payload == TunnelPayload::ethernet) {
        REQUIRE(made.inner_ethernet_offset == bytes.size() - 14);
        REQUIRE(std::equal(profile.inner_destination_mac.bytes.begin(),
                           profile.inner_destination_mac.bytes.end(),
                           bytes.begin() + made.inner_ethernet_offset));
      } else {
        REQUIRE(made.inner_ethernet_offset == 0);
      }
    }
  }
}

TEMPLATE_LIST_TEST_CASE("the profile says where the UDP checksum is left out", "", tunnel::Kinds) {
  for (const bool v4 : underlays<TestType>()) {
    for (const bool zero : {true, false}) {
      TunnelProfile profile = profile_of<TestType>(v4);
      profile.zero_udp_checksum6 = zero;
      const bool expected = TestType::carrier == Carrier::udp && !v4 && !zero;
      CAPTURE(v4, zero);
      REQUIRE(tunnel::build_template(profile).udp_checksum == expected);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("a header cut short at any byte is truncated", "", tunnel::Kinds) {
  for (const Golden& golden : Traits<TestType>::golden()) {
    const Bytes header = tunnel_header<TestType>(tunnel::build_template(golden.profile));
    const std::size_t whole = parse<TestType>(header).bytes;
    REQUIRE(whole > 0);
    for (std::size_t size = 0; size < whole; ++size) {
      CAPTURE(size);
      const Bytes part(header.begin(), header.begin() + static_cast<std::ptrdiff_t>(size));
      REQUIRE(parse<TestType>(part).reason == DropReason::tunnel_header_truncated);
    }
    const Bytes exact(header.begin(), header.begin() + static_cast<std::ptrdiff_t>(whole));
    REQUIRE(parse<TestType>(exact).reason == DropReason::none);
  }
}

TEMPLATE_LIST_TEST_CASE("reserved bits are sent as zero", "", tunnel::Kinds) {
  const Bytes reserved = Traits<TestType>::reserved();
  for (const bool v4 : underlays<TestType>()) {
    for (const std::uint32_t vni :
         {info<TestType>().least_network, info<TestType>().most_network}) {
      const auto header =
          tunnel_header<TestType>(tunnel::build_template(profile_of<TestType>(v4, vni)));
      REQUIRE(header.size() >= reserved.size());
      for (std::size_t i = 0; i < reserved.size(); ++i) REQUIRE((header[i] & reserved[i]) == 0);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("a profile may set none but reserved bits", "", tunnel::Kinds) {
  const Bytes reserved = Traits<TestType>::reserved();
  const std::uint64_t usable = reserved_bits(TestType::kind);
  if (usable == 0) return;
  REQUIRE(reserved.size() == sizeof usable);
  for (std::size_t i = 0; i < sizeof usable; ++i) {
    const auto byte = static_cast<std::uint8_t>(usable >> (56 - 8 * i));
    REQUIRE((byte & ~reserved[i]) == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("reserved bits are ignored on receipt", "", tunnel::Kinds) {
  const Bytes reserved = Traits<TestType>::reserved();
  const Bytes header = tunnel_header<TestType>(tunnel::build_template(profile_of<TestType>(
      underlays<TestType>().front(), std::min(0x5a5a5U, info<TestType>().most_network))));
  const ParsedHeader plain = parse<TestType>(header);
  const auto same = [&](const Bytes& bytes) {
    const ParsedHeader parsed = parse<TestType>(bytes);
    return parsed.reason == DropReason::none && parsed.vni == plain.vni &&
           parsed.bytes == plain.bytes && parsed.payload == plain.payload;
  };
  Bytes all = header;
  for (std::size_t bit = 0; bit < reserved.size() * 8; ++bit) {
    const auto mask = static_cast<std::uint8_t>(0x80 >> bit % 8);
    if ((reserved[bit / 8] & mask) == 0) continue;
    Bytes one = header;
    one[bit / 8] |= mask;
    all[bit / 8] |= mask;
    CAPTURE(bit);
    REQUIRE(same(one));
  }
  REQUIRE(same(all));
}

TEMPLATE_LIST_TEST_CASE("a header without what the kind requires is invalid", "", tunnel::Kinds) {
  REQUIRE(parse<TestType>(Traits<TestType>::plain()).reason == DropReason::none);
  for (const Bytes& header : Traits<TestType>::invalid()) {
    CAPTURE(test::to_hex(header));
    REQUIRE(header.size() >= header_bytes<TestType>());
    REQUIRE(parse<TestType>(header).reason == DropReason::tunnel_header_invalid);
  }
}

TEMPLATE_LIST_TEST_CASE("any bytes may stand where the header should", "", tunnel::Kinds) {
  auto random = test::random_engine();
  for (unsigned run = 0; run < 20000; ++run) {
    Bytes bytes(random() % 96);
    for (auto& b : bytes) b = static_cast<std::uint8_t>(random());
    const ParsedHeader parsed = parse<TestType>(bytes);
    if (parsed.reason == DropReason::none && (parsed.bytes > bytes.size() || parsed.bytes == 0 ||
                                              parsed.vni > info<TestType>().most_network)) {
      FAIL(test::to_hex(bytes));
    }
    constexpr std::array known{DropReason::none, DropReason::tunnel_header_invalid,
                               DropReason::tunnel_header_truncated,
                               DropReason::tunnel_payload_unsupported};
    if (std::find(known.begin(), known.end(), parsed.reason) == known.end()) {
      FAIL(describe(parsed.reason).name);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("the outer IPv4 checksum is right for every length", "", tunnel::Kinds) {
  for (const Golden& golden : Traits<TestType>::golden()) {
    const HeaderTemplate made = tunnel::build_template(golden.profile);
    if (!made.outer_v4 || !on_ip<TestType>) continue;
    Bytes header = bytes_of(made);
    header.resize(20);
    std::vector<std::uint32_t> wrong;
    for (std::uint32_t total = 20; total <= 0xffff; ++total) {
      const std::uint64_t sum =
          made.ip_checksum_sum + __builtin_bswap16(static_cast<std::uint16_t>(total));
      put16(header, 2, total);
      put16(header, 10, 0);
      if (wire::checksum_finish(sum).get() != test::naive_checksum(header)) wrong.push_back(total);
    }
    REQUIRE(wrong.empty());
  }
}

TEMPLATE_LIST_TEST_CASE("DSCP and TTL are the profile's, ECN is zero", "", tunnel::Kinds) {
  for (const bool v4 : ip_underlays<TestType>()) {
    for (unsigned dscp = 0; dscp < 64; ++dscp) {
      for (const unsigned ttl : {1U, 2U, 64U, 128U, 255U}) {
        TunnelProfile profile = profile_of<TestType>(v4);
        profile.dscp = static_cast<std::uint8_t>(dscp);
        profile.ttl = static_cast<std::uint8_t>(ttl);
        const Bytes bytes = bytes_of(tunnel::build_template(profile));
        CAPTURE(v4, dscp, ttl);
        if (v4) {
          REQUIRE(bytes.at(1) == dscp << 2);
          REQUIRE(bytes.at(8) == ttl);
        } else {
          REQUIRE(get16(bytes, 0) == (0x6000 | dscp << 6));
          REQUIRE(bytes.at(7) == ttl);
        }
      }
    }
  }
}

TEMPLATE_LIST_TEST_CASE("outer IPv4 is never a fragment and has no identification", "",
                        tunnel::Kinds) {
  if (!on_ip<TestType>) return;
  const Bytes bytes = bytes_of(tunnel::build_template(profile_of<TestType>(true)));
  REQUIRE(get16(bytes, 4) == 0);
  REQUIRE(get16(bytes, 6) == 0x4000);
}

TEMPLATE_LIST_TEST_CASE("outer addresses are the profile's", "", tunnel::Kinds) {
  for (const bool v4 : ip_underlays<TestType>()) {
    const TunnelProfile profile = profile_of<TestType>(v4);
    const Bytes bytes = bytes_of(tunnel::build_template(profile));
    const std::ptrdiff_t width = v4 ? 4 : 16;
    const auto source = bytes.begin() + (v4 ? 12 : 8);
    REQUIRE(std::equal(source, source + width, profile.local.bytes().begin()));
    REQUIRE(std::equal(source + width, source + 2 * width, profile.remote.bytes().begin()));
  }
}

}  // namespace weft::conformance
