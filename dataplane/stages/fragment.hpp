#pragma once
/// fragment: an IP packet that does not fit the way out leaves in pieces, one after the other, each
/// of which goes on by itself. DPDK's librte_ip_frag would do it with chains of buffers that share
/// the packet's; an outer header needs the room in front of each piece for itself.

#include <algorithm>
#include <array>

#include "stages/encap.hpp"
#include "stages/parse.hpp"
#include "stages/rewrite.hpp"
#include "stages/stage.hpp"

namespace weft::stage {

inline constexpr unsigned max_pieces = max_burst;

/// The header of a piece, as bytes.
template <std::size_t most>
struct PieceHeader {
  std::array<std::uint8_t, most> bytes;
  std::size_t size = 0;
  void append(const std::uint8_t* from, std::size_t count) {
    std::memcpy(bytes.data() + size, from, count);
    size += count;
  }
};

/// Appends those options of the IPv4 header at `l3` that each piece has, not the first one alone
/// (RFC 791 §3.1: the copied flag), up to one that is broken.
inline void append_copied_options(const std::uint8_t* l3, PieceHeader<60>& header) {
  constexpr std::uint8_t end = 0;
  constexpr std::uint8_t no_operation = 1;
  constexpr std::uint8_t copied = 0x80;
  const std::uint8_t* const stop = l3 + reinterpret_cast<const wire::Ipv4*>(l3)->header_bytes();
  for (const std::uint8_t* at = l3 + sizeof(wire::Ipv4); at < stop && *at != end;) {
    if (*at == no_operation) {
      ++at;
      continue;
    }
    const std::ptrdiff_t length = stop - at > 1 ? at[1] : 0;
    if (length < 2 || length > stop - at) break;
    if ((*at & copied) != 0) header.append(at, static_cast<std::size_t>(length));
    at += length;
  }
  while (header.size % 4 != 0) header.bytes[header.size++] = end;
}

/// Pieces of an IPv4 packet, which may be a piece itself (RFC 791 §3.2).
class Ipv4Pieces {
 public:
  explicit Ipv4Pieces(const std::uint8_t* l3) {
    const auto& ip = *reinterpret_cast<const wire::Ipv4*>(l3);
    place_ = ip.flags_fragment.get();
    first_.append(l3, ip.header_bytes());
    later_.append(l3, sizeof ip);
    append_copied_options(l3, later_);
    later_.bytes[0] = static_cast<std::uint8_t>(0x40 | later_.size / 4);
  }
  /// Bytes of the whole in whose stead each piece has its header.
  [[nodiscard]] std::size_t replaced_bytes() const { return first_.size; }
  [[nodiscard]] std::size_t header_bytes(bool first) const { return of(first).size; }
  /// The header of the piece with `bytes` bytes of payload from `offset` on.
  void write(std::uint8_t* l3, std::uint32_t offset, std::uint32_t bytes, bool last) const {
    const auto& header = of(offset == 0);
    std::memcpy(l3, header.bytes.data(), header.size);
    auto& ip = header_at<wire::Ipv4>(l3);
    ip.total_length = static_cast<std::uint16_t>(header.size + bytes);
    ip.flags_fragment =
        static_cast<std::uint16_t>((place_ + offset / 8) | (last ? 0 : wire::Ipv4::more_fragments));
    ip.complete_checksum();
  }

 private:
  [[nodiscard]] const PieceHeader<60>& of(bool first) const { return first ? first_ : later_; }
  std::uint16_t place_;
  PieceHeader<60> first_;
  PieceHeader<60> later_;
};

/// Pieces of an IPv6 packet of our own (RFC 8200 §4.5). What is in front of the fragment header:
/// the IPv6 header, and a routing header that follows it.
class Ipv6Pieces {
 public:
  Ipv6Pieces(const std::uint8_t* l3, std::uint32_t identification) {
    const auto& ip = *reinterpret_cast<const wire::Ipv6*>(l3);
    std::size_t next_at = offsetof(wire::Ipv6, next_header);
    header_.append(l3, sizeof ip);
    if (ip.next_header == wire::SegmentRouting::protocol) {
      next_at = sizeof ip;
      header_.append(l3 + sizeof ip, 8U * (l3[sizeof ip + 1] + 1U));
    }
    replaced_ = header_.size;
    wire::FragmentHeader fragment;
    fragment.next_header = std::exchange(header_.bytes[next_at], protocol);
    fragment.identification = identification;
    header_.append(reinterpret_cast<const std::uint8_t*>(&fragment), sizeof fragment);
  }
  [[nodiscard]] std::size_t replaced_bytes() const { return replaced_; }
  [[nodiscard]] std::size_t header_bytes(bool /*first*/) const { return header_.size; }
  void write(std::uint8_t* l3, std::uint32_t offset, std::uint32_t bytes, bool last) const {
    std::memcpy(l3, header_.bytes.data(), header_.size);
    header_at<wire::Ipv6>(l3).payload_length =
        static_cast<std::uint16_t>(header_.size - sizeof(wire::Ipv6) + bytes);
    header_at<wire::FragmentHeader>(l3 + replaced_).place =
        static_cast<std::uint16_t>(offset | (last ? 0 : 1));
  }

 private:
  static constexpr std::uint8_t protocol = 44;
  PieceHeader<384> header_;
  std::size_t replaced_ = 0;
};

/// The pieces of one packet, as buffers. The first one lies in the packet's own.
class PieceBuffers {
 public:
  /// Of the packet that begins with `skip` bytes of headers: copies of its payload but for the
  /// first `room` bytes, so many in each, with `header` bytes of room in front. False: no buffers.
  [[nodiscard]] bool copy(rte_mempool* pool, Packet whole, std::size_t skip, std::uint32_t room,
                          std::size_t header) {
    packets_[0] = whole;
    for (std::uint32_t at = room; skip + at < whole.total_bytes(); at += room) {
      rte_mbuf* const piece =
          rte_pktmbuf_copy(whole.mbuf(), pool, static_cast<std::uint32_t>(skip + at), room);
      if (piece != nullptr) packets_[count_++] = Packet(piece);
      if (piece == nullptr ||
          rte_pktmbuf_prepend(piece, static_cast<std::uint16_t>(header)) == nullptr) {
        while (count_ > 1) rte_pktmbuf_free(packets_[--count_].mbuf());
        return false;
      }
    }
    return true;
  }
  [[nodiscard]] unsigned count() const { return count_; }
  [[nodiscard]] Packet operator[](unsigned i) const { return packets_[i]; }

 private:
  std::array<Packet, max_pieces> packets_;
  unsigned count_ = 1;
};

/// Room for `count` packets more than the burst has in the exits.
template <class Tracer>
inline void reserve_exits(StageContext<Tracer>& ctx, unsigned count) {
  if (ctx.exits.more + count > max_burst) {
    ctx.cutting->empty_exits(ctx.cutting->context);
    ctx.exits.more = 0;
  }
  ctx.exits.more += count;
}

/// `send(piece)` takes each piece of the packet, none of which is larger than `limit`. Where
/// nothing is to be made, as for explain, it takes the first one alone.
template <class Pieces, class Tracer, class Send>
void send_in_pieces(StageContext<Tracer>& ctx, std::string_view stage, PacketContext& p,
                    unsigned limit, const Pieces& pieces, const Send& send) {
  const auto give_up = [&](DropReason reason) {
    p.bytes = p.l3_bytes;
    p.l2 = nullptr;
    leave(ctx, stage, PacketContext(p), drop(p, reason));
  };
  const std::size_t skip = pieces.replaced_bytes();
  const std::size_t most_header = std::max(pieces.header_bytes(true), pieces.header_bytes(false));
  const std::uint32_t payload_bytes = p.l3_bytes - static_cast<std::uint32_t>(skip);
  const auto room =
      limit > most_header ? static_cast<std::uint32_t>(limit - most_header) & ~7U : 0U;
  const unsigned count = room != 0 ? (payload_bytes + room - 1) / room : 0;
  if (count == 0 || count > max_pieces) return give_up(DropReason::too_big_fragmentable);
  const std::size_t grows = pieces.header_bytes(true) - skip;
  if (p.packet.room_before(p.l3) < grows + sizeof(wire::Ethernet)) {
    p.l3 = p.packet.make_room(p.l3, grows + sizeof(wire::Ethernet));
    if (p.l3 == nullptr) return give_up(DropReason::headroom_short);
  }
  if constexpr (Tracer::enabled)
    ctx.tracer.note(stage, p, [&] {
      return "in " + std::to_string(count) + " pieces of at most " + std::to_string(limit) +
             " bytes";
    });
  p.packet.reshape(p.l3, p.l3_bytes);
  PieceBuffers buffers;
  if (ctx.cutting != nullptr) {
    reserve_exits(ctx, count - 1);
    if (!buffers.copy(ctx.cutting->pool, p.packet, skip, room, pieces.header_bytes(false))) {
      return give_up(DropReason::buffer_exhausted);
    }
  }
  for (unsigned i = 0; i < (ctx.cutting != nullptr ? count : 1); ++i) {
    PacketContext piece = p;
    const std::uint32_t offset = i * room;
    const std::uint32_t bytes = std::min(room, payload_bytes - offset);
    piece.packet = i == 0 ? p.packet : buffers[i];
    piece.l3 = i == 0 ? p.l3 - grows : piece.packet.data();
    piece.l2 = nullptr;
    piece.l3_bytes = static_cast<std::uint16_t>(pieces.header_bytes(i == 0) + bytes);
    piece.bytes = piece.l3_bytes;
    piece.fragment = true;
    pieces.write(piece.l3, offset, bytes, i + 1 == count);
    piece.packet.reshape(piece.l3, piece.l3_bytes);
    piece.end = piece.packet.data() + piece.packet.contiguous_bytes();
    send(piece);
  }
  ctx.counters.count(SizeEvent::fragments_made, count);
}

/// An IPv4 packet that is larger than p.mtu_bytes, and may be cut.
template <class Tracer, class Send>
[[gnu::noinline]] void cut_inner(StageContext<Tracer>& ctx, PacketContext& p, const Send& send) {
  p.hash = open_hash(ctx.tables, p);  // by which all pieces go the way of the whole
  ctx.counters.count(SizeEvent::fragmented);
  send_in_pieces(ctx, rewrite_name, p, p.mtu_bytes, Ipv4Pieces(p.l3), send);
}

/// A packet in its tunnel, which says that it may be cut.
template <class Tracer, class Send>
[[gnu::noinline]] void cut_outer(StageContext<Tracer>& ctx, PacketContext& p, const Send& send) {
  ctx.counters.count(SizeEvent::outer_fragmented);
  const unsigned limit = p.nexthop->mtu_by(*p.adjacency);
  if (p.v4) return send_in_pieces(ctx, encap_name, p, limit, Ipv4Pieces(p.l3), send);
  const std::uint32_t number =
      ctx.cutting != nullptr ? ctx.cutting->identifications.next32() : std::uint32_t{0};
  send_in_pieces(ctx, encap_name, p, limit, Ipv6Pieces(p.l3, number), send);
}

}  // namespace weft::stage
