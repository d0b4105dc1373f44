#pragma once
/// The mbuf seen as ours.

#include <rte_mbuf.h>

#include <cstdint>
#include <span>

#include "weft/big_endian.hpp"
#include "weft/events.hpp"
#include "weft/ids.hpp"

namespace weft {

/// Room in front of a received frame (RTE_PKTMBUF_HEADROOM).
inline constexpr std::size_t headroom_bytes = RTE_PKTMBUF_HEADROOM;

/// What outlives a burst: one cache line of the mbuf's private area.
///
///    field        written by            read by
///    kind, reason exit to punt          punt path, control
///    vrf          exit to hold or punt  resume at resolve, control
///    vif, port,   exit to punt or hold  control; resume
///    decap
///    adjacency    exit to hold          resume at output; invalid: resume at resolve
///    neighbour    exit to hold          control, which resolves it on `out_port`
///    nexthop      control               injection into a tunnel
///    deadline     hold queue            hold queue
///    mtu_bytes    exit to punt          control (ICMP too big)
///    l3_offset    exit to punt or hold  control, resume; of the first fragment, reassembly
///    ether_type   exit to hold          resume at output: what follows is no IP packet; 0: it is
struct alignas(64) PacketMetadata {
  std::uint64_t deadline_tsc;
  IpAddress neighbour;
  VrfId vrf;
  VifId vif;
  PortId port;
  PortId out_port;
  DecapId decap;
  AdjacencyId adjacency;
  NexthopId nexthop;
  std::uint16_t mtu_bytes;
  std::uint16_t l3_offset;
  be16 ether_type;
  PuntClass kind;
  DropReason reason;
};
static_assert(sizeof(PacketMetadata) == 64);

/// A view of one mbuf; copying the view copies no packet.
class Packet {
 public:
  Packet() = default;
  explicit Packet(rte_mbuf* mbuf) : mbuf_(mbuf) {}

  [[nodiscard]] rte_mbuf* mbuf() const { return mbuf_; }
  [[nodiscard]] std::uint8_t* data() const { return rte_pktmbuf_mtod(mbuf_, std::uint8_t*); }
  /// The bytes that lie in one piece from data() on.
  [[nodiscard]] std::uint16_t contiguous_bytes() const { return mbuf_->data_len; }
  [[nodiscard]] std::uint32_t total_bytes() const { return mbuf_->pkt_len; }
  [[nodiscard]] std::span<std::uint8_t> contiguous() const { return {data(), mbuf_->data_len}; }
  /// Bytes that may be written in front of `at`, which points into the first piece.
  [[nodiscard, gnu::always_inline]] std::size_t room_before(const std::uint8_t* at) const {
    return static_cast<std::size_t>(at - static_cast<const std::uint8_t*>(mbuf_->buf_addr));
  }
  [[nodiscard, gnu::always_inline]] PacketMetadata& metadata() const {
    return *static_cast<PacketMetadata*>(rte_mbuf_to_priv(mbuf_));
  }
  /// Makes the packet begin at `start`, within the first piece or its headroom, and be
  /// `bytes` long; bytes behind that are cut off.
  [[gnu::always_inline]] void reshape(std::uint8_t* start, std::uint32_t bytes) const {
    if (in_pieces()) return reshape_pieces(mbuf_, start, bytes);
    reshape_whole(start, bytes);
  }
  [[nodiscard, gnu::always_inline]] bool in_pieces() const { return mbuf_->nb_segs != 1; }
  /// The same for a packet that is not in pieces.
  [[gnu::always_inline]] void reshape_whole(std::uint8_t* start, std::uint32_t bytes) const {
    mbuf_->data_off = static_cast<std::uint16_t>(room_before(start));
    mbuf_->data_len = static_cast<std::uint16_t>(bytes);
    mbuf_->pkt_len = bytes;
  }
  /// Moves what the first piece has from `at` on towards its end, so that `bytes` can be written in
  /// front of it; answers where it is then, or nullptr where the buffer has no such room.
  [[nodiscard]] std::uint8_t* make_room(std::uint8_t* at, std::size_t bytes) const;
  /// One's complement sum of `bytes` bytes from `at` on, over all pieces; not folded.
  [[nodiscard]] std::uint64_t sum(const std::uint8_t* at, std::uint32_t bytes) const {
    return sum(mbuf_, at, bytes);
  }

 private:
  // Static, so that a Packet in a register stays there.
  static std::uint64_t sum(const rte_mbuf* mbuf, const std::uint8_t* at, std::uint32_t bytes);
  static void reshape_pieces(rte_mbuf* mbuf, std::uint8_t* start, std::uint32_t bytes);
  rte_mbuf* mbuf_ = nullptr;
};

}  // namespace weft
