#pragma once
/// BFD control packets as IP packets of one hop (RFC 5881 §4, §5).

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "weft/address.hpp"
#include "weft/drop_reason.hpp"
#include "wire/bfd.hpp"

namespace weft::bfd {

/// A control packet and between whom it was sent; or, where `packet` is null, what is wrong.
struct Heard {
  const wire::Bfd* packet = nullptr;
  IpAddress source;
  IpAddress destination;
  DropReason reason = DropReason::none;
};

/// Reads a packet to UDP port 3784. `ip`: all bytes that there are from its IP header on, which is
/// whole and says UDP, if need be behind options or extension headers.
Heard read_datagram(std::span<const std::uint8_t> ip);

/// An IP packet with DSCP CS6, as routing protocols have it (RFC 4594 §3.1).
struct Datagram {
  std::array<std::uint8_t, 40 + 8 + sizeof(wire::Bfd)> room;
  std::size_t size = 0;
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {room.data(), size}; }
};
/// Both addresses are of one family.
Datagram write_datagram(const IpAddress& source, const IpAddress& destination,
                        std::uint16_t source_port, const wire::Bfd& packet);

}  // namespace weft::bfd
