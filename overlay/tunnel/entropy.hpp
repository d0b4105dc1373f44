#pragma once
/// The flow hash, and what it chooses: the UDP source port (RFC 7348 §5, RFC 8926 §3.3), or the
/// flow label of IPv6.

#include <cstdint>

#include "weft/tunnel.hpp"

namespace weft::tunnel {

/// Secret per process, so that nobody outside can choose colliding flows.
struct HashSeed {
  std::uint64_t first = 0x9e3779b97f4a7c15;
  std::uint64_t second = 0xd1b54a32d192ed03;
};

/// Multiply and fold: both halves of the 128-bit product.
constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

/// Where a network, of 20 bits, shows in a flow's hash: the outer source port is the same in all.
constexpr std::uint64_t network_bits(std::uint32_t network) {
  return std::uint64_t{network >> 4} << 48 | (network & 0xffff);
}

/// Hash of an IPv4 flow: its lowest bits and its highest choose its place in tables, those between
/// its outer source port. `addresses`: source and destination as they lie in the packet; `ports`:
/// both ports as they lie in the packet, 0 for fragments and protocols without ports; `network`:
/// what tells tenants apart that use the same addresses.
///
/// One product alone maps counting ports to an arithmetic progression; a second one breaks it.
constexpr std::uint64_t flow_hash4(const HashSeed& seed, std::uint64_t addresses,
                                   std::uint32_t ports, std::uint8_t protocol,
                                   std::uint32_t network) {
  const std::uint64_t rest = static_cast<std::uint64_t>(ports) << 8 | protocol;
  const std::uint64_t word = mix(addresses ^ seed.first, rest ^ seed.second);
  return mix(word, seed.second | 1) ^ network_bits(network);
}

/// The same for IPv6, addresses in four words.
constexpr std::uint64_t flow_hash6(const HashSeed& seed, const std::uint64_t (&addresses)[4],
                                   std::uint32_t ports, std::uint8_t protocol,
                                   std::uint32_t network) {
  const std::uint64_t rest = static_cast<std::uint64_t>(ports) << 8 | protocol;
  const std::uint64_t source = mix(addresses[0] ^ seed.first, addresses[1] ^ seed.second);
  const std::uint64_t destination = mix(addresses[2] ^ seed.second, addresses[3] ^ seed.first);
  const std::uint64_t word =
      mix(source ^ (destination << 1 | destination >> 63), rest ^ seed.second);
  return mix(word, seed.second | 1) ^ network_bits(network);
}

/// What of a flow's hash chooses the outer source port, or flow label.
constexpr std::uint32_t entropy_of(std::uint64_t flow_hash) {
  return static_cast<std::uint32_t>(flow_hash >> 16);
}

/// What of it chooses among equal ways to the outer destination: bits that choose neither the
/// member of an ecmp next hop nor the source port, so that each choice spreads what the others
/// leave together.
constexpr std::uint32_t way_of(std::uint64_t flow_hash) { return entropy_of(flow_hash) >> 10; }

/// Chooses among the ports of a range, even over all of them.
class SourcePorts {
 public:
  constexpr SourcePorts() : SourcePorts(PortRange{}) {}
  constexpr explicit SourcePorts(PortRange range)
      : first_(range.first), count_(range.last - range.first + 1U) {}
  /// Host byte order.
  [[nodiscard]] constexpr std::uint16_t choose(std::uint32_t entropy) const {
    return static_cast<std::uint16_t>(first_ + (std::uint64_t{entropy} * count_ >> 32));
  }

 private:
  std::uint32_t first_;
  std::uint32_t count_;
};

/// Of an outer IPv6 header (RFC 6438 §3), 20 bits, host byte order; never 0, which would say that
/// there is none (RFC 6437 §2).
constexpr std::uint32_t flow_label(std::uint32_t entropy) {
  constexpr std::uint64_t labels = 0xfffff;
  return static_cast<std::uint32_t>(1 + (entropy * labels >> 32));
}

}  // namespace weft::tunnel
