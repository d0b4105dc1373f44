#pragma once
/// Packets with a few bytes changed.

#include <stdexcept>

#include "support/hex.hpp"
#include "support/naive.hpp"

namespace weft::test {

using Bytes = std::vector<std::uint8_t>;

/// Where headers stand in the packets of packets_*.hpp, from the start of the frame. `v6`: with an
/// outer IPv6 header.
namespace at {
inline constexpr std::size_t ip = 14;
inline constexpr std::size_t udp = 34;
inline constexpr std::size_t vxlan = 42;
inline constexpr std::size_t vni = 46;
inline constexpr std::size_t inner = 50;
inline constexpr std::size_t inner_ip = 64;
inline constexpr std::size_t udp_v6 = 54;
inline constexpr std::size_t inner_v6 = 70;
inline constexpr std::size_t inner_ip_v6 = 84;
}  // namespace at

/// `packet` with `text` (hexadecimal) written at `offset`.
inline Bytes with(Bytes packet, std::size_t offset, std::string_view text) {
  const Bytes bytes = hex(text);
  if (offset + bytes.size() > packet.size()) throw std::logic_error("an edit beyond the packet");
  std::copy(bytes.begin(), bytes.end(), packet.begin() + static_cast<std::ptrdiff_t>(offset));
  return packet;
}
inline Bytes with(std::string_view packet, std::size_t offset, std::string_view text) {
  return with(hex(packet), offset, text);
}

/// With a VLAN tag, four bytes in hexadecimal, behind its addresses.
inline Bytes tagged(Bytes packet, std::string_view tag) {
  const Bytes bytes = hex(tag);
  packet.insert(packet.begin() + 12, bytes.begin(), bytes.end());
  return packet;
}
inline Bytes tagged(std::string_view packet, std::string_view tag) {
  return tagged(hex(packet), tag);
}

inline std::uint16_t get16(const Bytes& packet, std::size_t offset) {
  return static_cast<std::uint16_t>(packet.at(offset) << 8 | packet.at(offset + 1));
}
inline Bytes with16(Bytes packet, std::size_t offset, std::size_t value) {
  packet.at(offset) = static_cast<std::uint8_t>(value >> 8);
  packet.at(offset + 1) = static_cast<std::uint8_t>(value);
  return packet;
}

/// With a right checksum in the IPv4 header at `offset`, whose length is taken as it says, if it
/// lies inside the packet.
inline Bytes with_ipv4_checksum(Bytes packet, std::size_t offset = at::ip) {
  const std::size_t header = (packet.at(offset) & 0xfU) * std::size_t{4};
  if (header < 12 || offset + header > packet.size()) return packet;
  packet = with16(std::move(packet), offset + 10, 0);
  const std::uint16_t sum = naive_checksum(std::span(packet).subspan(offset, header));
  return with16(std::move(packet), offset + 10, sum);
}

/// With `text` at `offset` of the IPv4 header at `ip`, and the checksum made right again.
inline Bytes with_ipv4(Bytes packet, std::size_t ip, std::size_t offset, std::string_view text) {
  return with_ipv4_checksum(with(std::move(packet), ip + offset, text), ip);
}
inline Bytes with_ipv4(std::string_view packet, std::size_t ip, std::size_t offset,
                       std::string_view text) {
  return with_ipv4(hex(packet), ip, offset, text);
}

/// The first `size` bytes, with the lengths of the outer IPv4 and UDP headers made to agree.
inline Bytes cut_inside(std::string_view packet, std::size_t size) {
  Bytes bytes = hex(packet);
  bytes.resize(size);
  bytes = with16(std::move(bytes), at::ip + 2, size - at::ip);
  if (size >= at::udp + 6) bytes = with16(std::move(bytes), at::udp + 4, size - at::udp);
  return with_ipv4_checksum(std::move(bytes));
}

}  // namespace weft::test
