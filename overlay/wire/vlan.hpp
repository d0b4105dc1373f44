#pragma once
/// VLAN tag (IEEE 802.1Q-2018 §9.3, §9.6), between the source address and the EtherType of a frame.
///
///    0x8100 (2) | priority:3 drop eligible:1 VLAN identifier:12

#include <cstdint>
#include <cstring>

#include "weft/big_endian.hpp"
#include "wire/ethernet.hpp"

namespace weft::wire {

/// Identifiers of VLANs; 0 says that the frame is in none, and 0xfff is reserved.
inline constexpr std::uint16_t least_vlan = 1;
inline constexpr std::uint16_t most_vlan = 4094;

struct VlanTag {
  be16 protocol{static_cast<std::uint16_t>(EtherType::vlan)};
  be16 control;  ///< priority, drop eligible, identifier

  /// The identifier in the control word of a tag.
  static constexpr std::uint16_t identifier_in(std::uint16_t control) { return control & 0xfff; }
};
static_assert(sizeof(VlanTag) == 4 && alignof(VlanTag) == 1);

/// Bytes of a frame's addresses, and of those with a tag and the EtherType behind it.
inline constexpr std::size_t addresses_bytes = 2 * sizeof(MacAddress);
inline constexpr std::size_t tagged_bytes = sizeof(Ethernet) + sizeof(VlanTag);

/// The tag of a frame of at least tagged_bytes; nullptr: it has none.
[[nodiscard]] inline const VlanTag* vlan_tag_of(const std::uint8_t* frame) {
  const auto* tag = reinterpret_cast<const VlanTag*>(frame + addresses_bytes);
  return tag->protocol == VlanTag{}.protocol ? tag : nullptr;
}

namespace detail {
/// Moves the addresses of a frame by the size of a tag, over itself.
[[gnu::always_inline]] inline void move_addresses(std::uint8_t* to, const std::uint8_t* from) {
  std::uint64_t first;
  std::uint32_t last;
  std::memcpy(&first, from, sizeof first);
  std::memcpy(&last, from + sizeof first, sizeof last);
  std::memcpy(to, &first, sizeof first);
  std::memcpy(to + sizeof first, &last, sizeof last);
}
}  // namespace detail

/// Takes off the tag that the frame has; answers where it begins then.
[[gnu::always_inline]] inline std::uint8_t* take_vlan_tag(std::uint8_t* frame) {
  std::uint8_t* const start = frame + sizeof(VlanTag);
  detail::move_addresses(start, frame);
  return start;
}

/// Puts a tag with that control word into a frame, in front of which is room for it; answers where
/// it begins then.
[[gnu::always_inline]] inline std::uint8_t* put_vlan_tag(std::uint8_t* frame,
                                                         std::uint16_t control) {
  std::uint8_t* const start = frame - sizeof(VlanTag);
  detail::move_addresses(start, frame);
  VlanTag tag;
  tag.control = control;
  std::memcpy(start + addresses_bytes, &tag, sizeof tag);
  return start;
}

}  // namespace weft::wire
