#pragma once
/// flow: which session does the packet belong to, and what was decided for it? A known flow gives
/// the packet its next hop and counts it; what is not known, or no longer holds, is left to admit,
/// behind resolve.

#include <optional>
#include <span>
#include <type_traits>

#include "stages/parse.hpp"
#include "stages/stage.hpp"

namespace weft::stage {

inline constexpr std::string_view flow_name = "flow";

template <class Key>
inline constexpr bool is_key4 = std::is_same_v<Key, FlowKey4>;

/// The VRF by which the packet's flow is known: where it arrived, wherever routes led it since.
[[gnu::always_inline]] inline const VrfEntry& arrival_vrf(const PacketContext& p) {
  return p.home != nullptr ? *p.home : *p.vrf;
}

template <class Key>
[[gnu::always_inline]] inline Key flow_key(const PacketContext& p, VrfId vrf, FlowPorts ports) {
  if constexpr (is_key4<Key>) {
    std::uint64_t addresses;
    std::memcpy(&addresses, &header_at<wire::Ipv4>(p.l3).source, sizeof addresses);
    return {addresses, ports, vrf, p.protocol};
  } else {
    return {&header_at<wire::Ipv6>(p.l3).source, ports, vrf, p.protocol};
  }
}

/// The bytes from the upper layer on that are readable and belong to the packet.
[[gnu::always_inline]] inline std::size_t readable_l4(const PacketContext& p) {
  const std::uint8_t* const end = std::min(p.end, p.l3 + p.l3_bytes);
  const std::uint8_t* const l4 = p.l3 + p.l4_offset;
  return end > l4 ? static_cast<std::size_t>(end - l4) : 0;
}

/// What the upper layer's first bytes say, of a whole packet or the first piece of one. Nothing:
/// packets of this kind have no flow.
inline std::optional<FlowPorts> ports_in(const PacketContext& p) {
  const std::uint8_t* const l4 = p.l3 + p.l4_offset;
  const std::size_t readable = readable_l4(p);
  switch (static_cast<wire::IpProtocol>(p.protocol)) {
    case wire::IpProtocol::tcp:
    case wire::IpProtocol::udp:
    case wire::IpProtocol::sctp: {
      FlowPorts ports;
      if (readable < sizeof ports) return std::nullopt;
      std::memcpy(&ports, l4, sizeof ports);
      return ports;
    }
    case wire::IpProtocol::icmp:
    case wire::IpProtocol::icmpv6: {
      const bool v4 = p.protocol == static_cast<std::uint8_t>(wire::IpProtocol::icmp);
      if (readable < sizeof(wire::Icmp) || v4 != p.v4 || !icmp_counterpart(l4[0], v4) ||
          l4[1] != 0) {
        return std::nullopt;
      }
      return icmp_ports(l4[0], static_cast<std::uint16_t>(l4[4] << 8 | l4[5]));
    }
  }
  // What stands behind a header that was not followed, nobody knows.
  if (!p.v4 && wire::is_extension_header(p.protocol)) return std::nullopt;
  return 0;
}

/// Which piece of which datagram a fragment is.
struct PieceOfDatagram {
  std::uint32_t identification = 0;
  bool first = false;
};
inline PieceOfDatagram piece_of(const PacketContext& p) {
  if (p.v4) {
    const auto& ip = header_at<wire::Ipv4>(p.l3);
    return {ip.identification.get(), !ip.later_fragment()};
  }
  const auto upper = wire::find_upper_layer(
      {p.l3, std::min<std::size_t>(static_cast<std::size_t>(p.end - p.l3), p.l3_bytes)});
  const auto& header = header_at<wire::FragmentHeader>(p.l3 + upper.fragment_offset);
  // A chain of headers in front of the upper layer is for who puts the datagram together.
  const bool plain = upper.complete && upper.protocol == upper.fragmentable;
  return {header.identification.get(), plain && header.place.get() >> 3 == 0};
}

/// The ports of packets that do not simply show them. A datagram's first piece tells them, the
/// others find what it has told.
template <class Key>
[[gnu::noinline]] std::optional<FlowPorts> uncommon_ports(FlowTables& flows, PacketContext p,
                                                          bool learn, std::uint32_t now) {
  if (!p.fragment) return ports_in(p);
  const PieceOfDatagram piece = piece_of(p);
  const Key datagram = flow_key<Key>(p, arrival_vrf(p).id, 0);
  if (!piece.first) return flows.fragments.ports(datagram, piece.identification, now);
  const std::optional<FlowPorts> ports = ports_in(p);
  if (ports && learn) flows.fragments.learn(datagram, piece.identification, *ports, now);
  return ports;
}

[[gnu::always_inline]] inline bool shows_tcp_flags(const PacketContext& p) {
  return p.protocol == static_cast<std::uint8_t>(wire::IpProtocol::tcp) && p.l4_ports != 0 &&
         readable_l4(p) > offsetof(wire::Tcp, flags);
}
[[gnu::always_inline]] inline std::uint8_t tcp_flags(const PacketContext& p) {
  return header_at<wire::Tcp>(p.l3 + p.l4_offset).flags;
}

/// Whether a packet opens a connection between the ports of one that is closing: it belongs to
/// another session then (RFC 9293 §3.10.7.4 on TIME-WAIT).
template <class Key>
inline bool begins_anew(const FlowTable<Key>& table, std::uint32_t direction,
                        const PacketContext& p) {
  using namespace wire::tcp_flag;
  return shows_tcp_flags(p) && (tcp_flags(p) & (syn | ack | fin | rst)) == syn &&
         table.state(direction / 2) == FlowState::closing;
}

/// What a worker counts with, at hand for a burst.
struct FlowTally {
  explicit FlowTally(FlowHands* flow_hands)
      : hands(flow_hands),
        counts(hands != nullptr),
        worker(counts ? hands->number() : 0),
        now(counts ? hands->now() : 0) {}

  /// One packet more in `direction`. False: it is none of this session but begins another.
  template <class Key>
  [[gnu::always_inline]] bool count(FlowTable<Key>& table, FlowEntry<Key>& entry,
                                    std::uint32_t direction, const PacketContext& p) const {
    if (shows_tcp_flags(p) && entry.is_news(tcp_flags(p))) [[unlikely]] {
      if (begins_anew(table, direction, p)) return false;
      if (counts) entry.see_tcp_flags(tcp_flags(p));
    }
    if (!counts) return true;
    if (entry.owner.load(std::memory_order_relaxed) == worker) [[likely]] {
      entry.packets.add(1);
      entry.bytes.add(p.l3_bytes);
    } else {
      table.count_foreign(hands->of<Key>(), direction, p.l3_bytes);
    }
    entry.last_seen.set(now);
    return true;
  }

  FlowHands* hands;
  bool counts;  ///< false: packets are only looked at
  std::uint8_t worker;
  FlowTick now;
};

/// The ports of any packet; nothing: it has no flow.
template <class Key>
inline std::optional<FlowPorts> flow_ports(FlowTables& flows, const FlowTally& tally,
                                           const PacketContext& p) {
  if (p.l4_ports != 0) return p.l4_ports;
  return uncommon_ports<Key>(flows, p, tally.counts, tally.now >> 10);
}

/// A packet on its way through the flow table.
template <class Key>
struct FlowProbe {
  std::uint64_t hash;
  PacketContext* packet;
  Key key;
  std::uint32_t direction;
};

/// What the flow says, if there is one and it holds.
template <class Key, class Tracer>
[[gnu::always_inline]] inline void settle_flow(StageContext<Tracer>& ctx, FlowTable<Key>& table,
                                               const FlowTally& tally, FlowStamp stamp,
                                               const FlowProbe<Key>& probe) {
  PacketContext& p = *probe.packet;
  std::uint32_t direction = probe.direction;
  FlowEntry<Key>* entry = &table.entry(direction);
  if (direction != 0 && !(entry->key == probe.key)) [[unlikely]] {
    direction = table.find(probe.key, probe.hash);
    entry = &table.entry(direction);
  }
  p.flow = direction;
  p.care = FlowCare::admit;
  // Entry 0 is nobody's, and its stamp never right.
  if (entry->stamp.load(std::memory_order_acquire) != stamp ||
      entry->ingress.get() != p.in->vif.raw()) [[unlikely]] {
    return;
  }
  const auto wanted = NexthopId::from_raw(entry->nexthop.get());
  const NexthopEntry* nexthop = p.nexthop;
  if (nexthop == nullptr) [[likely]] {
    nexthop = ctx.tables.nexthops.get(wanted);
    if (nexthop == nullptr) return;
  } else if (nexthop->id != wanted) {
    return;  // decapsulation sends it elsewhere than its flow was let go
  }
  // What goes straight to a VIF asks no VRF, and its flow names none: no other packet finds its way
  // by that.
  if (entry->vrf.get() != p.vrf->id.raw() && p.nexthop == nullptr) [[unlikely]] {
    const VrfEntry* vrf = ctx.tables.vrfs.get(VrfId::from_raw(entry->vrf.get()));
    if (vrf == nullptr) return;
    p.home = p.vrf;
    p.vrf = vrf;
  }
  if (!tally.count(table, *entry, direction, p)) [[unlikely]] {
    if (p.home != nullptr) p.vrf = std::exchange(p.home, nullptr);  // its route is yet to be found
    return;
  }
  p.nexthop = nexthop;
  p.care = FlowCare::none;
  if constexpr (Tracer::enabled)
    ctx.tracer.note(flow_name, p, [&] {
      return "known, session " + std::to_string(table.session_of(direction).id.get()) +
             (FlowTable<Key>::is_forward(direction) ? ", forward: it stands"
                                                    : ", reverse: it stands");
    });
}

/// Before the routes of a burst are searched: the generations by which its flows are judged, so
/// that what changes in the meantime is found out by the next packet.
template <class Tracer>
[[gnu::always_inline]] inline FlowStamp begin_search(StageContext<Tracer>& ctx) {
  const FlowStamp stamp = ctx.tables.flows->stamp.load(std::memory_order_acquire);
  if (ctx.flows != nullptr) ctx.flows->begin_search(stamp);
  return stamp;
}

/// The packets of one family; answers how many are of the other. Each step for all of them before
/// the next: what a packet needs from memory is on its way while others are looked at.
template <class Key, class Tracer>
std::size_t find_flows_of(StageContext<Tracer>& ctx, std::span<PacketContext> packets) {
  FlowTables& flows = *ctx.tables.flows;
  FlowTable<Key>& table = flows.of<Key>();
  const FlowStamp stamp = begin_search(ctx);
  const FlowTally tally(ctx.flows);
  const FlowIndex::Searcher searcher = table.index().searcher();
  const tunnel::HashSeed seed = ctx.tables.hash_seed;
  FlowProbe<Key> probes[max_burst];
  FlowProbe<Key>* end = probes;
  std::size_t others = 0;
  for (PacketContext& p : packets) {
    if (p.v4 != is_key4<Key>) [[unlikely]] {
      ++others;
      continue;
    }
    if (!p.vrf->flows) continue;
    FlowPorts ports = p.l4_ports;
    if (ports == 0) [[unlikely]] {
      const auto uncommon = flow_ports<Key>(flows, tally, p);
      if (!uncommon) {
        p.care = FlowCare::unsearched;
        continue;
      }
      ports = *uncommon;
    }
    const Key key = flow_key<Key>(p, p.vrf->id, ports);
    const std::uint64_t word = key.word(seed);
    const std::uint64_t hash = flow_hash(key, word, seed);
    searcher.prefetch(hash);
    if (p.l4_ports != 0) [[likely]]
      p.entropy = tunnel::finish(word);
    end->hash = hash;
    end->packet = &p;
    end->key = key;
    ++end;
  }
  for (FlowProbe<Key>* probe = probes; probe != end; ++probe) {
    probe->direction = searcher.candidate(probe->hash);
    __builtin_prefetch(&table.entry(probe->direction));
  }
  for (FlowProbe<Key>* probe = probes; probe != end; ++probe) {
    settle_flow(ctx, table, tally, stamp, *probe);
  }
  return others;
}

/// For packets of one port, of which `p.in->flows` says that flows may be kept.
template <class Tracer>
[[gnu::always_inline]] inline void find_flows(StageContext<Tracer>& ctx,
                                              std::span<PacketContext> packets) {
  if (find_flows_of<FlowKey4>(ctx, packets) != 0) find_flows_of<FlowKey6>(ctx, packets);
}

}  // namespace weft::stage
