#pragma once
/// What a tunnel's number and version make of each field of its outer headers.

#include <cstdint>
#include <cstring>
#include <span>

#include "weft/address.hpp"
#include "wire/checksum.hpp"

namespace weft::bench {

constexpr std::uint8_t high(unsigned value) { return static_cast<std::uint8_t>(value >> 8); }
constexpr std::uint8_t low(unsigned value) { return static_cast<std::uint8_t>(value); }

constexpr std::uint32_t outer_address(unsigned network, unsigned tunnel, unsigned version) {
  return network << 24 | tunnel << 16 | version;
}
constexpr std::uint32_t remote_of(unsigned tunnel, unsigned version) {
  return outer_address(12, tunnel, version);
}
constexpr MacAddress inner_mac(unsigned tunnel, unsigned version) {
  return {{2, low(tunnel), high(version), low(version), high(~version), low(~version)}};
}
constexpr std::uint16_t udp_port(unsigned version) {
  return static_cast<std::uint16_t>(0x8000 | (version & 0x7fff));
}
constexpr std::uint16_t first_source_port(unsigned version) {
  return static_cast<std::uint16_t>(0xc000 | (version & 0x3f) << 8);
}
constexpr std::uint8_t outer_ttl(unsigned version) {
  return static_cast<std::uint8_t>(64 + version % 128);
}
constexpr std::uint8_t outer_dscp(unsigned version) {
  return static_cast<std::uint8_t>(version % 61);
}

inline std::uint32_t read_number(const std::uint8_t* at, unsigned bytes) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) value = value << 8 | at[i];
  return value;
}

/// An encapsulated small_frame() as its VNI says: `tunnel` and `version`.
struct TunnelFrame {
  static constexpr std::size_t bytes = 14 + 20 + 8 + 8 + 60;
  unsigned tunnel = 0;
  unsigned version = 0;
  unsigned destination = 0;  ///< last byte of the inner address
  const char* fault = nullptr;
};

/// Reads all fields but the outermost MACs and the outer source, of a frame behind a VXLAN tunnel.
inline TunnelFrame read_tunnel_frame(std::span<const std::uint8_t> frame) {
  TunnelFrame out;
  const std::uint8_t* ip = frame.data() + 14;
  const std::uint8_t* udp = ip + 20;
  const std::uint8_t* vni = udp + 8 + 4;
  const std::uint8_t* inner = udp + 8 + 8;
  const auto fault = [&]() -> const char* {
    if (frame.size() != TunnelFrame::bytes) return "the packet has another length";
    if (read_number(frame.data() + 12, 4) >> 8 != 0x080045) return "the outer header is not IPv4";
    out.tunnel = vni[0];
    out.version = read_number(vni + 1, 2);
    out.destination = inner[14 + 19];
    const unsigned version = out.version;
    if (out.tunnel >> 1 != out.destination >> 1) return "the tunnel is another destination's";
    if (read_number(ip + 16, 4) != remote_of(out.tunnel, version)) return "VNI and remote differ";
    if (read_number(udp + 2, 2) != udp_port(version)) return "VNI and UDP destination port differ";
    if ((read_number(udp, 2) & 0xff00U) != first_source_port(version)) {
      return "VNI and source port differ";
    }
    if (ip[8] != outer_ttl(version)) return "VNI and outer TTL differ";
    if (ip[1] >> 2 != outer_dscp(version)) return "VNI and DSCP differ";
    if (!wire::checksum20_valid(ip)) return "the outer header's checksum is wrong";
    if (read_number(ip + 2, 2) != 96 || read_number(udp + 4, 2) != 76) {
      return "an outer length is wrong";
    }
    const MacAddress mac = inner_mac(out.tunnel, version);
    if (std::memcmp(inner, mac.bytes.data(), 6) != 0) return "VNI and inner destination MAC differ";
    if (inner[14 + 8] != 63) return "the inner TTL is not one less";
    return nullptr;
  };
  out.fault = fault();
  return out;
}

}  // namespace weft::bench
