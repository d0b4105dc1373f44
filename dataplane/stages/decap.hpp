#pragma once
/// decap: packets of the underlay that are addressed to us and belong to a tunnel lose their outer
/// headers; what is inside goes to parse again. Accepted is only what a decap profile names.

#include "stages/parse.hpp"
#include "stages/propagate.hpp"
#include "stages/reassemble.hpp"
#include "stages/relay.hpp"
#include "stages/rewrite.hpp"
#include "stages/stage.hpp"
#include "tunnel/registry.hpp"

namespace weft::stage {

inline constexpr std::string_view decap_name = "decap";
inline constexpr unsigned max_tunnels = 4;

/// Counts what came by a tunnel. `outer_bytes`: the outer IP packet, header included.
template <class Tracer>
[[gnu::always_inline]] inline void count_decap(StageContext<Tracer>& ctx, const ParsedPacket& p,
                                               std::uint16_t outer_bytes) {
  ctx.counters.decaps[p.decap.index()].add(outer_bytes);
}

[[gnu::always_inline]] inline bool accepts_source(const DecapEntry& entry, const wire::Ipv4& ip) {
  return entry.accepts(ip.source.get());
}
[[gnu::always_inline]] inline bool accepts_source(const DecapEntry& entry, const wire::Ipv6& ip) {
  return entry.accepts(ip.source);
}
[[gnu::always_inline]] inline bool source_accepted(const DecapEntry& entry,
                                                   const PacketContext& p) {
  return p.v4 ? accepts_source(entry, header_at<wire::Ipv4>(p.l3))
              : accepts_source(entry, header_at<wire::Ipv6>(p.l3));
}

/// The outer UDP checksum, where there is one (RFC 768, RFC 6936 §5).
[[gnu::always_inline]] inline DropReason check_outer_udp(const DecapEntry& entry,
                                                         const PacketContext& p,
                                                         const wire::Udp& udp,
                                                         std::uint32_t l4_bytes) {
  if (udp.checksum.get() == 0) {
    return p.v4 || entry.decap.zero_udp_checksum6 ? DropReason::none
                                                  : DropReason::outer_udp_checksum_missing;
  }
  const auto& ip4 = header_at<wire::Ipv4>(p.l3);
  const auto& ip6 = header_at<wire::Ipv6>(p.l3);
  const std::uint64_t pseudo =
      p.v4 ? wire::pseudo_header_sum(&ip4.source, &ip4.destination, 4, p.protocol, l4_bytes)
           : wire::pseudo_header_sum(&ip6.source, &ip6.destination, 16, p.protocol, l4_bytes);
  const std::uint64_t sum = pseudo + p.packet.sum(p.l3 + p.l4_offset, l4_bytes);
  return wire::checksum_fold(sum) == 0xffff ? DropReason::none : DropReason::outer_udp_checksum;
}

/// Where the inside goes: into a VRF, or straight to a VIF.
template <class Tracer>
[[gnu::always_inline]] inline Next enter(StageContext<Tracer>& ctx, PacketContext& p,
                                         const DecapEntry& entry) {
  const Tables& tables = ctx.tables;
  const NexthopEntry* nexthop = tables.nexthops.get(entry.decap.nexthop);
  if (nexthop == nullptr) return drop(p, DropReason::nexthop_missing);
  VrfId vrf = nexthop->vrf();
  p.nexthop = nullptr;
  if (nexthop->kind != NexthopKind::lookup) {
    p.nexthop = nexthop;
    const AdjacencyEntry* adjacency = tables.adjacencies.get(nexthop->adjacency);
    const PortEntry* port = adjacency != nullptr ? tables.ports.get(adjacency->port) : nullptr;
    const VifEntry* vif = port != nullptr ? tables.vifs.get(port->port.vif) : nullptr;
    if (vif == nullptr) return drop(p, DropReason::port_missing);
    vrf = vif->vrf;
  }
  p.vrf = tables.vrfs.get(vrf);
  if (p.vrf == nullptr) return drop(p, DropReason::vrf_missing);
  return Next::again;
}

/// Tells an IP packet that came out of a tunnel what the outer header says. False: it cannot be
/// told, and must be dropped; it was let in, and counts.
template <class Tracer>
[[gnu::noinline]] bool tell_inside(StageContext<Tracer>& ctx, const PacketContext& p,
                                   const DecapEntry& entry, const std::uint8_t* outer) {
  const InnerIp inner = find_inner_ip(p);
  if (inner.l3 == nullptr) return true;
  const std::uint8_t before = traffic_class(inner.l3, inner.v4);
  const bool dscp = entry.copies_dscp();
  if (!propagate_to_inner(traffic_class(outer, p.v4), dscp, inner.l3, inner.v4)) {
    count_decap(ctx, p, p.l3_bytes);
    return false;
  }
  const std::uint8_t after = traffic_class(inner.l3, inner.v4);
  if (Tracer::enabled && after != before) {
    ctx.tracer.note(decap_name, p, [&] {
      return "from outside: " + traffic_class_text(after, dscp) + "; it was " +
             traffic_class_text(before, dscp);
    });
  }
  return true;
}

/// The tunnel header behind the outer UDP header at `l4`, whose port is of `kind`, and whose length
/// must be that of the rest of the IP packet, `l4_bytes`. `readable`: so many of them can be read.
[[gnu::always_inline]] inline tunnel::ParsedHeader read_header(TunnelKind& kind,
                                                               const std::uint8_t* l4,
                                                               std::uint32_t l4_bytes,
                                                               std::uint32_t readable) {
  if (readable < sizeof(wire::Udp) ||
      reinterpret_cast<const wire::Udp*>(l4)->length.get() != l4_bytes) {
    return {.reason = DropReason::outer_udp_length};
  }
  return tunnel::parse_behind_udp(kind, {l4 + sizeof(wire::Udp), readable - sizeof(wire::Udp)});
}

[[gnu::always_inline]] inline const DecapEntry* find_entry(const Tables& tables,
                                                           const wire::Ipv4& ip,
                                                           std::uint64_t key) {
  return tables.decaps.find(key, raw_destination(ip));
}
[[gnu::always_inline]] inline const DecapEntry* find_entry(const Tables& tables,
                                                           const wire::Ipv6& ip,
                                                           std::uint64_t key) {
  return tables.decaps.find(key, ip.destination);
}
[[gnu::always_inline]] inline const DecapEntry* find_entry(const Tables& tables,
                                                           const PacketContext& p,
                                                           std::uint64_t key) {
  return p.v4 ? find_entry(tables, header_at<wire::Ipv4>(p.l3), key)
              : find_entry(tables, header_at<wire::Ipv6>(p.l3), key);
}

/// No decap takes the packet, for `reason`: that is the end of those that are addressed to us.
template <tunnel::Carrier carrier>
[[gnu::noinline]] DropReason refused(const Tables& tables, const PacketContext& p,
                                     DropReason reason) {
  if (carrier != tunnel::Carrier::ethernet && !to_local_address(tables, p)) return DropReason::none;
  return p.tunnels >= max_tunnels ? DropReason::tunnel_nesting : reason;
}

/// Whether the checksum over what follows the outer IP header is right, where the tunnel header has
/// one.
[[gnu::noinline]] inline bool checksum_right(const PacketContext& p, std::uint32_t l4_bytes) {
  return wire::checksum_fold(p.packet.sum(p.l3 + p.l4_offset, l4_bytes)) == 0xffff;
}

/// Why a bare packet at `inner` is not what the tunnel header says.
[[gnu::always_inline]] inline DropReason check_version(tunnel::Payload payload,
                                                       const std::uint8_t* inner) {
  const unsigned version = *inner >> 4;
  if (payload == tunnel::Payload::ip) {
    return version == 4 || version == 6 ? DropReason::none : DropReason::tunnel_payload_unsupported;
  }
  return version == (payload == tunnel::Payload::ipv4 ? 4 : 6) ? DropReason::none
                                                               : DropReason::tunnel_header_invalid;
}

/// SRv6 End and End.X (RFC 8986 §4.1, §4.2): on to the next segment of a list that has been
/// checked, by the route to it or to one neighbour.
template <class Tracer>
[[gnu::noinline]] Next next_segment(StageContext<Tracer>& ctx, PacketContext& p,
                                    const DecapEntry& entry) {
  // Before anything changes (RFC 8986 §4.1, S05 to S08), so that the sender is told of the packet
  // that it sent.
  if (!p.originated && expires_here(p.l3, false)) {
    count_decap(ctx, p, p.l3_bytes);
    return drop_notify(p, DropReason::ttl_expired);
  }
  std::uint8_t* const l4 = p.l3 + p.l4_offset;
  auto& routing = header_at<wire::SegmentRouting>(l4);
  --routing.segments_left;
  std::memcpy(&header_at<wire::Ipv6>(p.l3).destination,
              l4 + sizeof routing + routing.segments_left * sizeof(Ipv6Address),
              sizeof(Ipv6Address));
  p.bytes = p.l3_bytes;
  p.l2 = nullptr;
  p.nexthop = nullptr;
  if (entry.decap.behaviour == SegmentBehaviour::end_x) {
    p.nexthop = ctx.tables.nexthops.get(entry.decap.nexthop);
    if (p.nexthop == nullptr) return drop(p, DropReason::nexthop_missing);
  }
  return Next::again;
}

/// Who has marked the packet, which counts under `id`.
inline std::string originator_text(const DecapEntry& entry, DecapId id) {
  const DecapMark* const mark = entry.mark(id);
  return mark != nullptr ? "; originator: " + mark->name : "";
}

/// Takes off the headers of a tunnel of `kind`, whose header stands behind what carries it.
template <tunnel::Carrier carrier, class Tracer>
[[gnu::always_inline]] inline Next take_off(StageContext<Tracer>& ctx, PacketContext& p,
                                            TunnelKind kind) {
  constexpr bool udp = carrier == tunnel::Carrier::udp;
  constexpr bool on_ip = carrier != tunnel::Carrier::ethernet;
  std::uint8_t* const outer = p.l3;
  std::uint8_t* const l4 = p.l3 + p.l4_offset;
  const std::uint32_t l4_bytes = p.l3_bytes - p.l4_offset;
  const auto readable = static_cast<std::uint32_t>(std::min(p.end, p.l3 + p.l3_bytes) - l4);
  const tunnel::ParsedHeader header =
      udp ? read_header(kind, l4, l4_bytes, readable)
          : tunnel::parse_any_header(kind, p.protocol, {l4, readable});
  const auto& outer_udp = header_at<wire::Udp>(l4);
  DropReason reason = header.reason;
  const DecapEntry* entry = nullptr;
  if (reason == DropReason::none) [[likely]] {
    // A decap's local address is one of ours, so what it takes needs no search among those.
    const std::uint16_t port = udp ? outer_udp.destination_port.get() : std::uint16_t{0};
    const std::uint64_t key = decap_key(kind, port, header.vni);
    entry = on_ip ? find_entry(ctx.tables, p, key) : ctx.tables.decaps.find(key, std::uint32_t{0});
    reason = DropReason::decap_unknown_vni;
  }
  if (entry == nullptr || p.tunnels >= max_tunnels) [[unlikely]] {
    reason = refused<carrier>(ctx.tables, PacketContext(p), reason);
    return reason == DropReason::none ? Next::forward : drop(p, reason);
  }
  if (on_ip && !source_accepted(*entry, p)) [[unlikely]]
    return drop(p, DropReason::decap_source_unlisted);
  if constexpr (udp) {
    const DropReason r = check_outer_udp(*entry, p, outer_udp, l4_bytes);
    if (r != DropReason::none) [[unlikely]]
      return drop(p, r);
  } else if (header.checksum && !checksum_right(p, l4_bytes)) {
    return drop(p, DropReason::tunnel_checksum);
  }
  DecapId id = entry->id;
  if (entry->asks || header.asks) [[unlikely]] {
    const std::size_t before = udp ? sizeof(wire::Udp) : 0;
    const DropReason r = tunnel::refusal(entry->decap, header, {l4 + before, readable - before});
    if (r != DropReason::none) return drop(p, r);
    id = entry->id_of(l4 + before);
  }
  p.decap = id;
  if constexpr (Tracer::enabled)
    ctx.tracer.note(decap_name, p, [&] {
      const TunnelKindInfo& info = describe(kind);
      const std::string network =
          info.network.empty() ? ""
                               : " " + std::string(info.network) + " " + std::to_string(header.vni);
      return std::string(info.name) + network +
             (on_ip ? " to " + to_string(entry->decap.local) : "") + ": decap " +
             std::to_string(entry->id.index()) + originator_text(*entry, id);
    });
  ++p.tunnels;
  if (carrier == tunnel::Carrier::ip && passes_on(entry->decap.behaviour)) {
    return next_segment(ctx, p, *entry);
  }
  std::uint8_t* const packet_end = p.l3 + p.l3_bytes;
  std::uint8_t* const inner = l4 + (udp ? sizeof(wire::Udp) : 0) + header.bytes;
  p.bytes = static_cast<std::uint32_t>(packet_end - inner);
  p.end = std::min(p.end, packet_end);
  p.l2 = inner;
  p.l3 = nullptr;
  if (header.payload != tunnel::Payload::ethernet) {
    std::swap(p.l2, p.l3);
    const DropReason r = inner != p.end ? check_version(header.payload, inner) : DropReason::none;
    if (r != DropReason::none) [[unlikely]]
      return drop(p, r);
  }
  if (on_ip && entry->notable.in(outer, p.v4) && !tell_inside(ctx, p, *entry, outer)) [[unlikely]]
    return drop(p, DropReason::outer_ce_inner_not_ect);
  if (entry->decap.relays) [[unlikely]] {
    const std::uint8_t* const in = l4 + (udp ? sizeof(wire::Udp) : 0);
    return next_on_path(ctx, p, *entry,
                        inner - header.bytes + tunnel::service_offset(kind, {in, header.bytes}));
  }
  return enter(ctx, p, *entry);
}

/// A fragment of what may be a tunnel's is kept, if it is for us.
template <class Tracer>
[[gnu::noinline]] Next take_fragment(StageContext<Tracer>& ctx, PacketContext& p) {
  return to_local_address(ctx.tables, p) ? reassemble(ctx, p) : Next::forward;
}

/// The same as take_off() for what is no UDP, if it is a tunnel at all.
template <class Tracer>
[[gnu::noinline]] Next take_off_ip(StageContext<Tracer>& ctx, PacketContext& p) {
  const std::uint16_t used = ctx.tables.ip_kinds[p.protocol].load(std::memory_order_relaxed);
  if (p.fragment) return take_fragment(ctx, p);
  const TunnelKind kind = tunnel::kind_on_ip(p.protocol, {p.l3 + p.l4_offset, readable_l4(p)});
  const bool wanted = (used >> static_cast<unsigned>(kind) & 1) != 0;
  return wanted ? take_off<tunnel::Carrier::ip>(ctx, p, kind) : Next::forward;
}

/// The same for what has no IP header, which is nothing else.
template <class Tracer>
[[gnu::noinline]] Next take_off_ethernet(StageContext<Tracer>& ctx, PacketContext& p) {
  const unsigned used = ctx.tables.ip_kinds[p.protocol].load(std::memory_order_relaxed);
  const TunnelKind kind =
      tunnel::kind_on_ethernet(header_at<wire::Ethernet>(p.l2).ether_type.get());
  if ((used >> static_cast<unsigned>(kind) & 1) == 0) {
    return drop(p, DropReason::ethertype_unsupported);
  }
  return take_off<tunnel::Carrier::ethernet>(ctx, p, kind);
}

/// Takes a tunnel off, if the packet came by one: Next::again. Who lets it count does so then.
template <class Tracer>
[[gnu::always_inline]] inline Next decap_one(StageContext<Tracer>& ctx, PacketContext& p) {
  const Tables& tables = ctx.tables;
  if (p.vrf->id != underlay_vrf) return Next::forward;
  if (p.protocol == static_cast<std::uint8_t>(wire::IpProtocol::udp)) {
    if (p.l4_ports == 0) return p.fragment ? take_fragment(ctx, p) : Next::forward;
    const TunnelKind kind = tables.udp_kinds[p.l4_ports >> 16].load(std::memory_order_relaxed);
    if (kind == TunnelKind::none) return Next::forward;
    return take_off<tunnel::Carrier::udp>(ctx, p, kind);
  }
  if (p.l4_offset == 0) [[unlikely]]
    return take_off_ethernet(ctx, p);
  if (tables.ip_kinds[p.protocol].load(std::memory_order_relaxed) == 0) return Next::forward;
  return take_off_ip(ctx, p);
}

}  // namespace weft::stage
