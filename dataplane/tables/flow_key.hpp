#pragma once
/// What tells flows apart: addresses, protocol, ports and the VRF in which a packet arrives.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>

#include "tunnel/entropy.hpp"
#include "weft/ids.hpp"
#include "wire/icmp.hpp"
#include "wire/ipv4.hpp"

namespace weft {

/// The two 16-bit numbers beside addresses and protocol: TCP and UDP ports as they lie in the
/// packet; of an ICMP query or its answer the identifier and, above it, the type; else 0.
using FlowPorts = std::uint32_t;

struct IcmpExchange {
  bool v4 = true;
  std::uint8_t query = 0;
  std::uint8_t answer = 0;
};
/// RFC 792, RFC 950 appendix I, RFC 4443 §4.
inline constexpr IcmpExchange icmp_exchanges[] = {
    {true, wire::icmpv4::echo_request, wire::icmpv4::echo_reply},
    {true, wire::icmpv4::timestamp_request, wire::icmpv4::timestamp_reply},
    {true, wire::icmpv4::information_request, wire::icmpv4::information_reply},
    {true, wire::icmpv4::address_mask_request, wire::icmpv4::address_mask_reply},
    {false, wire::icmpv6::echo_request, wire::icmpv6::echo_reply}};

/// The type that answers an ICMP query, or that a query had which it answers; none for the rest.
constexpr std::optional<std::uint8_t> icmp_counterpart(std::uint8_t type, bool v4) {
  for (const auto& exchange : icmp_exchanges) {
    if (exchange.v4 != v4) continue;
    if (exchange.query == type) return exchange.answer;
    if (exchange.answer == type) return exchange.query;
  }
  return std::nullopt;
}
constexpr FlowPorts icmp_ports(std::uint8_t type, std::uint16_t identifier) {
  return std::uint32_t{type} << 16 | identifier;
}

/// Those of the packets that answer. A query from the other side is a flow of its own.
constexpr FlowPorts reversed(FlowPorts ports, std::uint8_t protocol) {
  if (wire::is_icmp(protocol)) {
    const bool v4 = protocol == static_cast<std::uint8_t>(wire::IpProtocol::icmp);
    const auto answer = icmp_counterpart(static_cast<std::uint8_t>(ports >> 16), v4);
    return answer ? icmp_ports(*answer, static_cast<std::uint16_t>(ports)) : ports;
  }
  return std::rotl(ports, 16);
}

/// Whether the packets are ICMP's answers to queries of the other side.
constexpr bool are_answers(FlowPorts ports, std::uint8_t protocol) {
  if (!wire::is_icmp(protocol)) return false;
  const bool v4 = protocol == static_cast<std::uint8_t>(wire::IpProtocol::icmp);
  const auto type = static_cast<std::uint8_t>(ports >> 16);
  return std::any_of(std::begin(icmp_exchanges), std::end(icmp_exchanges),
                     [&](const auto& e) { return e.v4 == v4 && e.answer == type; });
}

struct FlowKey4 {
  std::uint64_t addresses;  ///< source, then destination, as they lie in the packet
  FlowPorts ports;
  std::uint32_t vrf_protocol;  ///< VRF index << 8 | protocol

  FlowKey4() noexcept {}  // holds nothing yet
  static FlowKey4 none() { return {0, 0, VrfId(0), 0}; }
  [[gnu::always_inline]] FlowKey4(std::uint64_t both, FlowPorts l4, VrfId vrf,
                                  std::uint8_t protocol)
      : addresses(both), ports(l4), vrf_protocol(vrf.index() << 8 | protocol) {}

  friend bool operator==(const FlowKey4& a, const FlowKey4& b) {
    return a.addresses == b.addresses && a.rest() == b.rest();
  }
  friend auto operator<=>(const FlowKey4&, const FlowKey4&) = default;
  /// Ports, VRF and protocol as one word.
  [[nodiscard]] std::uint64_t rest() const {
    std::uint64_t word;
    std::memcpy(&word, &ports, sizeof word);
    return word;
  }
  [[nodiscard]] std::uint8_t protocol() const { return static_cast<std::uint8_t>(vrf_protocol); }
  [[nodiscard]] std::uint32_t vrf_index() const { return vrf_protocol >> 8; }
  /// Of the packets that come back, which arrive in `vrf`.
  [[nodiscard]] FlowKey4 reverse(VrfId vrf) const {
    return {std::rotl(addresses, 32), reversed(ports, protocol()), vrf, protocol()};
  }
  [[nodiscard, gnu::always_inline]] std::uint64_t hash(const tunnel::HashSeed& seed) const {
    return tunnel::flow_hash4(seed, addresses, ports, protocol(), vrf_index());
  }
};
static_assert(sizeof(FlowKey4) == 16);

struct FlowKey6 {
  std::uint64_t addresses[4];  ///< source, then destination, as they lie in the packet
  FlowPorts ports;
  std::uint32_t vrf_protocol;

  FlowKey6() noexcept {}  // holds nothing yet
  static FlowKey6 none() {
    constexpr std::uint64_t nobody[4] = {};
    return {nobody, 0, VrfId(0), 0};
  }
  /// `both`: source and destination as they lie in the packet, 32 bytes.
  [[gnu::always_inline]] FlowKey6(const void* both, FlowPorts l4, VrfId vrf, std::uint8_t protocol)
      : ports(l4), vrf_protocol(vrf.index() << 8 | protocol) {
    std::memcpy(addresses, both, sizeof addresses);
  }

  friend bool operator==(const FlowKey6&, const FlowKey6&) = default;
  friend auto operator<=>(const FlowKey6&, const FlowKey6&) = default;
  [[nodiscard]] std::uint8_t protocol() const { return static_cast<std::uint8_t>(vrf_protocol); }
  [[nodiscard]] std::uint32_t vrf_index() const { return vrf_protocol >> 8; }
  [[nodiscard]] FlowKey6 reverse(VrfId vrf) const {
    const std::uint64_t both[] = {addresses[2], addresses[3], addresses[0], addresses[1]};
    return {both, reversed(ports, protocol()), vrf, protocol()};
  }
  [[nodiscard, gnu::always_inline]] std::uint64_t hash(const tunnel::HashSeed& seed) const {
    return tunnel::flow_hash6(seed, addresses, ports, protocol(), vrf_index());
  }
};
static_assert(sizeof(FlowKey6) == 40);

}  // namespace weft
