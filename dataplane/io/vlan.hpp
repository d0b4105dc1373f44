#pragma once
/// The ports of one device, told apart by the VLAN of their frames. Within the router frames have
/// no tag: it is taken off where they arrive and put in where they leave.

#include <rte_mbuf.h>

#include <cstdint>
#include <span>

#include "packet/packet.hpp"
#include "weft/drop_reason.hpp"
#include "wire/vlan.hpp"

namespace weft::io {

/// A port among those of its device. `vlan` 0: it gets what is in no VLAN.
struct VlanPort {
  std::uint16_t vlan = 0;
  std::uint16_t port = 0;  ///< index
};

/// Whether a tag was taken off a frame, which has addresses to put it behind. It stands in the mbuf
/// then, as where hardware took it off.
[[nodiscard]] inline bool is_untagged_from(const rte_mbuf* mbuf) {
  return (mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 &&
         mbuf->data_len >= wire::addresses_bytes;
}

namespace detail {

inline void begin_at(rte_mbuf* mbuf, std::uint8_t* start) {
  const auto* const data = rte_pktmbuf_mtod(mbuf, const std::uint8_t*);
  const auto grown = data - start;
  mbuf->data_off = static_cast<std::uint16_t>(mbuf->data_off - grown);
  mbuf->data_len = static_cast<std::uint16_t>(mbuf->data_len + grown);
  mbuf->pkt_len = static_cast<std::uint32_t>(mbuf->pkt_len + grown);
}

}  // namespace detail

/// Takes the tag off that the frame begins with, and notes it in the mbuf.
inline void take_tag(rte_mbuf* mbuf, const wire::VlanTag& tag) {
  mbuf->vlan_tci = tag.control.get();
  mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
  detail::begin_at(mbuf, wire::take_vlan_tag(rte_pktmbuf_mtod(mbuf, std::uint8_t*)));
}

/// Puts back the tag that was taken off a frame whose front nobody has changed since.
inline void put_back_tag(rte_mbuf* mbuf) {
  mbuf->ol_flags &= ~std::uint64_t{RTE_MBUF_F_RX_VLAN_STRIPPED};
  detail::begin_at(mbuf, wire::put_vlan_tag(rte_pktmbuf_mtod(mbuf, std::uint8_t*), mbuf->vlan_tci));
}

/// While it lives, a frame that has lost its tag has it.
class AsOnWire {
 public:
  explicit AsOnWire(rte_mbuf* mbuf) : mbuf_(is_untagged_from(mbuf) ? mbuf : nullptr) {
    if (mbuf_ != nullptr) put_back_tag(mbuf_);
  }
  ~AsOnWire() {
    if (mbuf_ == nullptr) return;
    take_tag(mbuf_, *wire::vlan_tag_of(rte_pktmbuf_mtod(mbuf_, const std::uint8_t*)));
  }
  AsOnWire(const AsOnWire&) = delete;
  AsOnWire& operator=(const AsOnWire&) = delete;

 private:
  rte_mbuf* mbuf_;
};

/// Puts a tag into a frame that leaves. False: the buffer has no room for it.
inline bool put_tag(Packet packet, std::uint16_t vlan) {
  std::uint8_t* frame = packet.data();
  if (packet.room_before(frame) < sizeof(wire::VlanTag)) [[unlikely]] {
    frame = packet.make_room(frame, sizeof(wire::VlanTag));
    if (frame == nullptr) return false;
  }
  detail::begin_at(packet.mbuf(), wire::put_vlan_tag(frame, vlan));
  return true;
}

/// Which of a device's ports a frame is for.
struct Sorted {
  const VlanPort* port = nullptr;  ///< nullptr: none, for `reason`
  DropReason reason = DropReason::none;
};

/// A frame that is for a port with a VLAN loses its tag; others stay, or are made again, as they
/// were on the wire. A tag of VLAN 0 carries but a priority, and parse takes it off.
inline Sorted sort_frame(std::span<const VlanPort> ports, rte_mbuf* mbuf) {
  const bool stripped = is_untagged_from(mbuf);
  const wire::VlanTag* const tag =
      !stripped && mbuf->data_len >= wire::tagged_bytes
          ? wire::vlan_tag_of(rte_pktmbuf_mtod(mbuf, const std::uint8_t*))
          : nullptr;
  const std::uint16_t control = stripped         ? mbuf->vlan_tci
                                : tag != nullptr ? tag->control.get()
                                                 : std::uint16_t{0};
  const std::uint16_t vlan = wire::VlanTag::identifier_in(control);
  for (const VlanPort& port : ports) {
    if (port.vlan != vlan) continue;
    if (vlan != 0 && tag != nullptr) take_tag(mbuf, *tag);
    return {&port, DropReason::none};
  }
  if (stripped) put_back_tag(mbuf);
  return {nullptr, vlan != 0 ? DropReason::vlan_unknown : DropReason::vlan_missing};
}

}  // namespace weft::io
