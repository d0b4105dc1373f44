#pragma once
/// decap: packets of the underlay that are addressed to us and belong to a tunnel lose their outer
/// headers; what is inside goes to parse again. Accepted is only what a decap profile names.

#include "stages/parse.hpp"
#include "stages/stage.hpp"
#include "tunnel/registry.hpp"

namespace weft::stage {

inline constexpr std::string_view decap_name = "decap";
inline constexpr unsigned max_tunnels = 4;

/// The kind of tunnel that the packet's outer headers announce, or none.
[[gnu::always_inline]] inline TunnelKind tunnel_kind(const Tables& tables, const PacketContext& p) {
  if (p.protocol != static_cast<std::uint8_t>(wire::IpProtocol::udp) || p.l4_ports == 0 ||
      p.vrf->id != underlay_vrf) {
    return TunnelKind::none;
  }
  const auto port = __builtin_bswap16(static_cast<std::uint16_t>(p.l4_ports >> 16));
  return tables.udp_kinds[port].load(std::memory_order_relaxed);
}

[[gnu::always_inline]] inline std::uint32_t raw_destination4(const PacketContext& p) {
  std::uint32_t raw;
  std::memcpy(&raw, &header_at<wire::Ipv4>(p.l3).destination, sizeof raw);
  return raw;
}

[[gnu::always_inline]] inline bool to_local_address(const Tables& tables, const PacketContext& p) {
  const LocalAddressSet& local = *tables.local_addresses.load(std::memory_order_acquire);
  if (p.v4) return local.contains(raw_destination4(p));
  return local.contains(header_at<wire::Ipv6>(p.l3).destination);
}

[[gnu::always_inline]] inline bool source_accepted(const DecapEntry& entry,
                                                   const PacketContext& p) {
  return p.v4 ? entry.accepts(header_at<wire::Ipv4>(p.l3).source.get())
              : entry.accepts(header_at<wire::Ipv6>(p.l3).source);
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
  VrfId vrf = nexthop->vrf;
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

template <class Tracer>
[[gnu::always_inline]] inline Next decap_one(StageContext<Tracer>& ctx, PacketContext& p) {
  const TunnelKind kind = tunnel_kind(ctx.tables, p);
  if (kind == TunnelKind::none || !to_local_address(ctx.tables, p)) return Next::forward;
  if (p.tunnels >= max_tunnels) return drop(p, DropReason::tunnel_nesting);

  std::uint8_t* l4 = p.l3 + p.l4_offset;
  const std::uint32_t l4_bytes = p.l3_bytes - p.l4_offset;
  if (l4_bytes < sizeof(wire::Udp) || p.end - l4 < static_cast<std::ptrdiff_t>(sizeof(wire::Udp))) {
    return drop(p, DropReason::outer_udp_length);
  }
  const auto& udp = header_at<wire::Udp>(l4);
  if (udp.length.get() != l4_bytes) return drop(p, DropReason::outer_udp_length);

  std::uint8_t* tunnel_header = l4 + sizeof(wire::Udp);
  std::uint8_t* packet_end = p.l3 + p.l3_bytes;
  const auto readable = static_cast<std::size_t>(std::min(p.end, packet_end) - tunnel_header);
  const tunnel::ParsedHeader header = tunnel::parse_header(kind, {tunnel_header, readable});
  if (header.reason != DropReason::none) return drop(p, header.reason);

  const std::uint64_t key = decap_key(kind, udp.destination_port.get(), header.vni);
  const DecapEntry* entry =
      p.v4 ? ctx.tables.decaps.find(key, raw_destination4(p))
           : ctx.tables.decaps.find(key, header_at<wire::Ipv6>(p.l3).destination);
  if (entry == nullptr) return drop(p, DropReason::decap_unknown_vni);
  if (!source_accepted(*entry, p)) return drop(p, DropReason::decap_source_unlisted);
  if (const DropReason r = check_outer_udp(*entry, p, udp, l4_bytes); r != DropReason::none) {
    return drop(p, r);
  }
  ctx.counters.decaps[entry->id.index()].add(p.l3_bytes);

  p.decap = entry->id;
  if constexpr (Tracer::enabled)
    ctx.tracer.note(decap_name, p, [&] {
      return std::string(describe(kind).name) + " VNI " + std::to_string(header.vni) + " to " +
             to_string(entry->decap.local) + ": decap " + std::to_string(entry->id.index());
    });
  ++p.tunnels;
  std::uint8_t* inner = tunnel_header + header.bytes;
  p.bytes = static_cast<std::uint32_t>(packet_end - inner);
  p.end = std::min(p.end, packet_end);
  p.l2 = header.payload == tunnel::Payload::ethernet ? inner : nullptr;
  p.l3 = header.payload == tunnel::Payload::ethernet ? nullptr : inner;
  return enter(ctx, p, *entry);
}

}  // namespace weft::stage
