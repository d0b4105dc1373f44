#pragma once
/// encap: copy the tunnel's header template in front of the packet and patch lengths, checksum,
/// source port or flow label, and the inner Ethernet header. All tunnel kinds share this path.

#include "stages/entropy.hpp"
#include "stages/parse.hpp"
#include "stages/propagate.hpp"
#include "stages/stage.hpp"
#include "tunnel/entropy.hpp"

namespace weft::stage {

inline constexpr std::string_view encap_name = "encap";

/// Bytes in front of a packet that copy_lines() and the Ethernet header may write.
[[gnu::always_inline]] inline std::size_t room_for_lines(const NexthopEntry& tunnel) {
  return tunnel.copy_bytes + sizeof(wire::Ethernet);
}
/// Copies a template of one or two lines so that its last byte stands before `payload`, in whole
/// lines: what stands before the header is rubbish then.
[[gnu::always_inline]] inline void copy_lines(const NexthopEntry& tunnel, std::uint8_t* payload) {
  const std::uint8_t* source = tunnel.header();
  if (tunnel.copy_bytes != 64) [[unlikely]] {
    std::memcpy(payload - 128, source, 64);
    source += 64;
  }
  std::memcpy(payload - 64, source, 64);
}

/// The same for any template, and for the part of it that begins `bytes` before its end; exactly
/// where the buffer has no room for lines. False: it has none at all.
[[gnu::always_inline]] inline bool copy_header(const NexthopEntry& tunnel, const PacketContext& p,
                                               std::uint8_t* payload, std::size_t bytes) {
  const std::size_t room = p.packet.room_before(payload);
  if (tunnel.copy_bytes <= 128 && bytes == tunnel.header_bytes && room >= room_for_lines(tunnel))
      [[likely]] {
    copy_lines(tunnel, payload);
    return true;
  }
  if (room < bytes + sizeof(wire::Ethernet)) return false;
  std::memcpy(payload - bytes, tunnel.header() + tunnel.copy_bytes - tunnel.header_bytes, bytes);
  return true;
}

/// A right checksum over the outer UDP datagram (RFC 8200 §8.1: zero is sent as all ones).
[[gnu::noinline]] inline void complete_udp_checksum(Packet packet, std::uint8_t* outer,
                                                    wire::Udp& udp, std::uint16_t udp_bytes,
                                                    const std::uint8_t* payload) {
  const auto& ip = header_at<wire::Ipv6>(outer);
  const auto* start = reinterpret_cast<const std::uint8_t*>(&udp);
  const auto header_bytes = static_cast<std::uint32_t>(payload - start);
  std::uint64_t sum = wire::pseudo_header_sum(
      &ip.source, &ip.destination, 16, static_cast<std::uint8_t>(wire::IpProtocol::udp), udp_bytes);
  sum += wire::checksum_fold(wire::checksum_add(start, header_bytes));
  std::uint64_t rest = wire::checksum_fold(packet.sum(payload, udp_bytes - header_bytes));
  if (header_bytes % 2 != 0) rest = __builtin_bswap16(static_cast<std::uint16_t>(rest));
  udp.checksum = wire::checksum_finish(sum + rest);
  if (udp.checksum.get() == 0) udp.checksum = 0xffff;
}

/// Says in the header from `outer` to `payload` what is inside, in its inner Ethernet header or in
/// the tunnel header.
[[gnu::always_inline]] inline void announce_inside(const NexthopEntry& tunnel, std::uint8_t* outer,
                                                   std::uint8_t* payload,
                                                   const wire::IpEthernetTails& router, bool v4) {
  if (tunnel.inner_ethernet_offset != 0) {
    router.write(payload - sizeof(wire::EthernetTail), v4);
  } else if (tunnel.version_offset != 0) {
    header_at<be16>(outer + tunnel.version_offset) = v4 ? tunnel.version4 : tunnel.version6;
  }
}

/// Patches the header at `outer`: lengths, IPv4 checksum, and the source port by which routers tell
/// flows apart, or where there is none the flow label. `total`: bytes from there to the end of the
/// packet.
[[gnu::always_inline]] inline void complete_header(const NexthopEntry& tunnel, std::uint8_t* outer,
                                                   std::uint16_t total, std::uint64_t flow_hash) {
  if (tunnel.outer_v4) {
    auto& ip = header_at<wire::Ipv4>(outer);
    ip.total_length = total;
    ip.checksum = wire::checksum_finish16(tunnel.ip_checksum_sum + __builtin_bswap16(total));
  } else {
    header_at<wire::Ipv6>(outer).payload_length =
        static_cast<std::uint16_t>(total - sizeof(wire::Ipv6));
  }
  if (tunnel.udp_offset != 0) {
    auto& udp = header_at<wire::Udp>(outer + tunnel.udp_offset);
    udp.source_port = tunnel.source_ports.choose(tunnel::entropy_of(flow_hash));
    udp.length = static_cast<std::uint16_t>(total - tunnel.udp_offset);
  } else if (!tunnel.outer_v4) {
    header_at<wire::Ipv6>(outer).set_flow_label(tunnel::flow_label(tunnel::entropy_of(flow_hash)));
  }
}

/// What the outer header has from the packet inside, where that is not plain.
inline std::string from_inner_text(const NexthopEntry& tunnel, const InnerIp& inner) {
  if (inner.l3 == nullptr || !tunnel.notable.in(inner.l3, inner.v4)) return {};
  std::string text = "; from inside: " +
                     traffic_class_text(traffic_class(inner.l3, inner.v4), tunnel.copies_dscp());
  if (tunnel.copies_ttl) text += ", TTL " + std::to_string(copied_ttl(inner.l3, inner.v4));
  return text;
}

/// Gives the outer IPv4 packet, which may be cut on its way, a number of its own (RFC 6864 §4.2).
template <class Tracer>
[[gnu::noinline]] void identify(StageContext<Tracer>& ctx, std::uint8_t* outer) {
  if (ctx.cutting == nullptr) return;
  auto& ip = header_at<wire::Ipv4>(outer);
  ip.identification = ctx.cutting->identifications.next16();
  ip.complete_checksum();
}

/// Tells control of an outer packet. Over IPv4 it has a number that nobody can guess, so that who
/// quotes the packet has seen it; with DF it may be any (RFC 6864 §4.1).
template <class Tracer>
[[gnu::noinline]] void tell_of(StageContext<Tracer>& ctx, const PacketContext& p,
                               std::uint8_t* outer, std::uint16_t total) {
  if (ctx.sent == nullptr) return;
  if (p.nexthop->outer_v4) identify(ctx, outer);
  const auto* const end = p.packet.data() + p.packet.contiguous_bytes();
  ctx.sent->add(p.nexthop->id, total, outer,
                std::min<std::size_t>(static_cast<std::size_t>(end - outer), total));
}

/// What goes into the tunnel: an IP packet, for which the header has an inner Ethernet header where
/// the kind wants one, a frame with its own, or what begins with an NSH header.
enum class Inside : std::uint8_t { packet, frame, service };

/// The IP packet in `payload` of which the outer header is to hear, if there is one.
template <Inside inside>
[[gnu::always_inline]] inline InnerIp heard_of(const PacketContext& p, std::uint8_t* payload) {
  if constexpr (inside == Inside::packet) return {payload, p.v4};
  if constexpr (inside == Inside::service) return find_ip_behind(payload, p.end);
  return {};
}

template <Inside inside = Inside::packet, class Tracer>
[[gnu::always_inline]] inline Next encap_one(StageContext<Tracer>& ctx, PacketContext& p) {
  constexpr bool frame = inside == Inside::frame;
  const NexthopEntry& tunnel = *p.nexthop;
  // The tunnel has come to carry bare packets after the frame was made for it.
  if (frame && tunnel.inner_ethernet_offset == 0) return drop(p, DropReason::nexthop_missing);
  std::uint8_t* payload = frame ? p.l2 : p.l3;
  const std::size_t header_bytes = frame ? tunnel.inner_ethernet_offset : tunnel.header_bytes;
  const auto total = static_cast<std::uint16_t>(header_bytes + (frame ? p.bytes : p.l3_bytes));
  const std::uint64_t hash = frame ? 0 : open_hash(ctx.tables, p);
  if (!copy_header(tunnel, p, payload, header_bytes)) [[unlikely]] {
    std::uint8_t* const roomy = p.packet.make_room(payload, header_bytes + sizeof(wire::Ethernet));
    if (roomy == nullptr) return drop(p, DropReason::headroom_short);
    p.end += roomy - payload;
    payload = roomy;
    (void)copy_header(tunnel, p, payload, header_bytes);
  }
  std::uint8_t* const outer = payload - header_bytes;
  if constexpr (inside == Inside::packet)
    announce_inside(tunnel, outer, payload, p.vrf->router, p.v4);
  if (!tunnel.on_ethernet()) [[likely]]
    complete_header(tunnel, outer, total, hash);
  const InnerIp heard = heard_of<inside>(p, payload);
  if ((inside == Inside::packet || heard.l3 != nullptr) && tunnel.notable.in(heard.l3, heard.v4))
      [[unlikely]]
    propagate_to_outer(tunnel, outer, heard.l3, heard.v4);
  if (tunnel.udp_checksum) {
    complete_udp_checksum(p.packet, outer, header_at<wire::Udp>(outer + tunnel.udp_offset),
                          static_cast<std::uint16_t>(total - tunnel.udp_offset), payload);
  }
  if (tunnel.outer_fragmentation && tunnel.outer_v4) identify(ctx, outer);
  if (total > tunnel.watch_bytes) [[unlikely]]
    tell_of(ctx, p, outer, total);
  ctx.counters.nexthops[tunnel.id.index()].add(total);
  if constexpr (Tracer::enabled)
    ctx.tracer.note(encap_name, p, [&] {
      return std::to_string(header_bytes) + " bytes of outer header, " + std::to_string(total) +
             " bytes in all" + from_inner_text(tunnel, heard);
    });
  p.l2 = nullptr;
  p.l3 = outer;
  p.l3_bytes = total;
  p.v4 = tunnel.outer_v4;
  return Next::forward;
}

}  // namespace weft::stage
