#pragma once
/// reassemble: pieces of datagrams to us, which may be tunnels', are kept until all have come; what
/// they make up goes to parse again.

#include <rte_cycles.h>

#include "packet/reassembly.hpp"
#include "stages/parse.hpp"
#include "stages/stage.hpp"

namespace weft::stage {

/// A fragment as its headers show it.
struct PieceInPacket {
  DatagramKey key;
  Piece piece;
  std::size_t header_bytes = 0;  ///< from the IP header to the payload
};

inline PieceInPacket read_piece4(const PacketContext& p) {
  const auto& ip = header_at<wire::Ipv4>(p.l3);
  PieceInPacket out;
  out.header_bytes = ip.header_bytes();
  out.key.identification = ip.identification.get();
  out.key.protocol = ip.protocol;
  std::memcpy(out.key.addresses.data(), &ip.source, 8);
  out.piece.offset = (ip.flags_fragment.get() & wire::Ipv4::offset_mask) * 8U;
  out.piece.more = ip.flags_fragment.any_of(wire::Ipv4::more_fragments);
  out.piece.bytes = p.l3_bytes - static_cast<std::uint32_t>(out.header_bytes);
  return out;
}

/// The fragment header was found before, so it lies inside.
inline PieceInPacket read_piece6(const PacketContext& p) {
  const auto contiguous = static_cast<std::size_t>(p.end - p.l3);
  const auto upper = wire::find_upper_layer({p.l3, std::min<std::size_t>(contiguous, p.l3_bytes)});
  const auto& fragment = header_at<wire::FragmentHeader>(p.l3 + upper.fragment_offset);
  PieceInPacket out;
  out.header_bytes = upper.fragment_offset + sizeof fragment;
  out.key.v4 = false;
  out.key.identification = fragment.identification.get();
  out.key.protocol = upper.fragmentable;
  std::memcpy(out.key.addresses.data(), &header_at<wire::Ipv6>(p.l3).source, 32);
  out.piece.offset = fragment.place.get() & ~7U;
  out.piece.more = (fragment.place.get() & 1) != 0;
  out.piece.bytes = p.l3_bytes - static_cast<std::uint32_t>(out.header_bytes);
  return out;
}

/// Makes the headers of the first piece, at `l3`, those of a whole packet. Answers its length; 0:
/// it would be too large.
inline std::uint32_t make_whole4(std::uint8_t* l3, std::uint32_t payload_bytes) {
  auto& ip = header_at<wire::Ipv4>(l3);
  const std::uint32_t total = ip.header_bytes() + payload_bytes;
  if (total > 0xffff) return 0;
  ip.total_length = static_cast<std::uint16_t>(total);
  ip.flags_fragment = 0;
  ip.complete_checksum();
  return total;
}
/// The same. Its fragment header, at `fragment_offset`, is taken out, and what begins at `start`
/// moves back by that.
inline std::uint32_t make_whole6(std::uint8_t* start, std::uint8_t* l3, std::size_t fragment_offset,
                                 std::uint32_t payload_bytes) {
  const auto total = static_cast<std::uint32_t>(fragment_offset) + payload_bytes;
  if (total - sizeof(wire::Ipv6) > 0xffff || total > 0xffff) return 0;
  std::size_t names_it = offsetof(wire::Ipv6, next_header);
  for (std::size_t at = sizeof(wire::Ipv6); at != fragment_offset;) {
    const bool fragment = l3[names_it] == 44;  // one that cuts up nothing (RFC 6946)
    names_it = at;
    at += fragment ? sizeof(wire::FragmentHeader) : 8U * (l3[at + 1] + 1U);
  }
  l3[names_it] = l3[fragment_offset];
  header_at<wire::Ipv6>(l3).payload_length = static_cast<std::uint16_t>(total - sizeof(wire::Ipv6));
  std::memmove(start + sizeof(wire::FragmentHeader), start,
               static_cast<std::size_t>(l3 - start) + fragment_offset);
  return total;
}

/// The whole that the first piece, and what is chained to it, make up, in `p`.
inline Next take_whole(PacketContext& p, const Reassembly::Answer& answer) {
  p.packet = answer.whole;
  std::uint8_t* start = p.packet.data();
  std::uint8_t* l3 = start + p.packet.metadata().l3_offset;
  const bool framed = l3 != start;
  std::uint32_t total = 0;
  if (p.v4) {
    total = make_whole4(l3, answer.payload_bytes);
  } else {
    const auto upper = wire::find_upper_layer({l3, start + p.packet.contiguous_bytes()});
    total = make_whole6(start, l3, upper.fragment_offset, answer.payload_bytes);
    if (total != 0) {
      start += sizeof(wire::FragmentHeader);
      l3 += sizeof(wire::FragmentHeader);
    }
  }
  p.l2 = framed ? start : nullptr;
  p.l3 = l3;
  p.bytes = static_cast<std::uint32_t>(l3 - start) + total;
  if (total == 0) return drop(p, DropReason::fragment_malformed);
  p.packet.reshape(start, p.bytes);
  if (p.bytes - p.packet.contiguous_bytes() <= rte_pktmbuf_tailroom(p.packet.mbuf())) {
    rte_pktmbuf_linearize(p.packet.mbuf());  // most of what follows is quicker then
  }
  p.end = start + p.packet.contiguous_bytes();
  return Next::whole;
}

/// Whether a first piece is of UDP to a port that no tunnel uses: the host's, which puts it
/// together itself.
inline bool starts_no_tunnel(const Tables& tables, const PacketContext& p,
                             const PieceInPacket& in) {
  const std::uint8_t* const l4 = p.l3 + in.header_bytes;
  if (in.piece.offset != 0 || in.piece.bytes < sizeof(wire::Udp) ||
      in.key.protocol != static_cast<std::uint8_t>(wire::IpProtocol::udp) ||
      p.end - l4 < static_cast<std::ptrdiff_t>(sizeof(wire::Udp))) {
    return false;
  }
  const std::uint32_t ports = ports_at(l4, in.key.protocol);
  return tables.udp_kinds[ports >> 16].load(std::memory_order_relaxed) == TunnelKind::none;
}

/// Takes a fragment that arrived in the underlay, if it is for us: it is kept, or completes a
/// datagram, which `p` is then. Those of the host's datagrams go on as they are.
template <class Tracer>
[[gnu::noinline]] Next reassemble(StageContext<Tracer>& ctx, PacketContext& p) {
  if (ctx.reassembly == nullptr) return Next::forward;
  const PieceInPacket in = p.v4 ? read_piece4(p) : read_piece6(p);
  const std::uint64_t now = rte_rdtsc();
  if (ctx.reassembly->lets_pass(in.key, starts_no_tunnel(ctx.tables, p, in), now)) {
    return Next::forward;
  }
  std::uint8_t* const start = in.piece.offset != 0 ? p.l3 + in.header_bytes
                              : p.l2 != nullptr    ? p.l2
                                                   : p.l3;
  const auto front = static_cast<std::uint32_t>(p.l3 - start);
  const PacketContext before = p;
  p.packet.metadata().l3_offset = in.piece.offset != 0 ? 0 : static_cast<std::uint16_t>(front);
  p.packet.reshape(start, in.piece.offset != 0 ? in.piece.bytes : front + p.l3_bytes);
  const Reassembly::Answer answer = ctx.reassembly->add(in.key, in.piece, p.packet, now);
  if (answer.reason != DropReason::none) return drop(p, answer.reason);
  if (answer.whole.mbuf() == nullptr) return Next::kept;
  const Next next = take_whole(p, answer);
  if constexpr (Tracer::enabled)
    ctx.tracer.note("decap", before, [&] {
      return "the last piece of a datagram of " + std::to_string(p.bytes) + " bytes";
    });
  return next;
}

}  // namespace weft::stage
