#pragma once
/// pcapng (draft-ietf-opsawg-pcapng): the blocks of a capture as bytes, in this machine's order.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weft::agent::pcapng {

/// Bits 0 and 1 of epb_flags.
enum class Direction : std::uint32_t { unknown = 0, inbound = 1, outbound = 2 };

struct Packet {
  std::uint32_t interface = 0;  ///< in the order of the interface blocks
  std::uint64_t time_ns = 0;    ///< since 1970
  std::uint32_t packet_bytes = 0;
  Direction direction = Direction::unknown;
  std::string_view comment;  ///< empty: none
  std::span<const std::uint8_t> bytes;
};

std::string section_header(std::string_view application);
/// An Ethernet interface, its times in nanoseconds.
std::string interface_description(std::string_view name, std::uint32_t snap_bytes);
std::string enhanced_packet(const Packet& packet);
/// At the end: what was captured at the interface, and what was lost of it.
std::string interface_statistics(std::uint32_t interface, std::uint64_t time_ns,
                                 std::uint64_t received, std::uint64_t dropped,
                                 std::string_view comment = {});

/// The length of the block that `bytes` begin with; nullopt: not known yet. For who must not cut a
/// stream within a block.
std::optional<std::uint32_t> block_bytes(std::string_view bytes);

}  // namespace weft::agent::pcapng
