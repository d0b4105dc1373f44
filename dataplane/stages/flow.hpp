#pragma once
/// flow: which session does the packet belong to, and what was decided for it? A known flow gives
/// the packet its next hop and counts it; what is not known, or no longer holds, is left to admit,
/// behind resolve. The search goes step by step with the packets of a burst, so that what one needs
/// from memory is on its way while others are looked at.

#include <optional>
#include <span>
#include <type_traits>

#include "stages/entropy.hpp"
#include "stages/parse.hpp"
#include "stages/stage.hpp"

namespace weft::stage {

inline constexpr std::string_view flow_name = "flow";

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
        worker(counts ? hands->number() : no_worker),
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
      count_plain(entry, p);
      return true;
    }
    table.count_foreign(hands->of<Key>(), direction, p.l3_bytes);
    entry.last_seen.set(now);
    return true;
  }

  /// The same in two steps for a packet that is plain: whether it says nothing that changes its
  /// session, whose direction is this worker's; and the counting.
  template <class Key>
  [[nodiscard, gnu::always_inline]] bool is_plain(const FlowEntry<Key>& entry,
                                                  const ParsedPacket& p) const {
    constexpr std::size_t l4 = is_key4<Key> ? sizeof(wire::Ipv4) : sizeof(wire::Ipv6);
    return entry.owner.load(std::memory_order_relaxed) == worker &&
           (p.protocol != static_cast<std::uint8_t>(wire::IpProtocol::tcp) ||
            !entry.is_news(header_at<wire::Tcp>(p.l3 + l4).flags));
  }
  template <class Key>
  [[gnu::always_inline]] void count_plain(FlowEntry<Key>& entry, const ParsedPacket& p) const {
    entry.packets.add(1);
    entry.bytes.add(p.l3_bytes);
    entry.last_seen.set(now);
  }

  static constexpr unsigned no_worker = 256;
  FlowHands* hands;
  bool counts;      ///< false: packets are only looked at
  unsigned worker;  ///< or no_worker
  FlowTick now;
};

/// The ports of any packet; nothing: it has no flow.
template <class Key>
inline std::optional<FlowPorts> flow_ports(FlowTables& flows, const FlowTally& tally,
                                           const PacketContext& p) {
  if (p.l4_ports != 0) return p.l4_ports;
  return uncommon_ports<Key>(flows, p, tally.counts, tally.now >> 10);
}

/// What the flow says, if there is one and it holds. `direction`: the one with the packet's key.
template <class Key, class Tracer>
void settle_flow(StageContext<Tracer>& ctx, const FlowTally& tally, FlowStamp stamp,
                 std::uint32_t direction, PacketContext& p) {
  FlowTable<Key>& table = ctx.tables.flows->template of<Key>();
  FlowEntry<Key>& entry = table.entry(direction);
  p.flow = direction;
  p.care = FlowCare::admit;
  // Entry 0 is nobody's, and its stamp never right.
  if (entry.stamp.load(std::memory_order_acquire) != stamp ||
      entry.ingress.get() != p.in->vif.raw()) {
    return;
  }
  const auto wanted = NexthopId::from_raw(entry.nexthop.get());
  const NexthopEntry* nexthop = p.nexthop;
  if (nexthop == nullptr) {
    nexthop = ctx.tables.nexthops.get(wanted);
    if (nexthop == nullptr) return;
  } else if (nexthop->id != wanted) {
    return;  // decapsulation sends it elsewhere than its flow was let go
  }
  // What goes straight to a VIF asks no VRF, and its flow names none: no other packet finds its way
  // by that.
  if (entry.vrf.get() != p.vrf->id.raw() && p.nexthop == nullptr) {
    const VrfEntry* vrf = ctx.tables.vrfs.get(VrfId::from_raw(entry.vrf.get()));
    if (vrf == nullptr) return;
    p.home = p.vrf;
    p.vrf = vrf;
  }
  if (!tally.count(table, entry, direction, p)) {
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

/// The search for the flows of a burst, as far as it needs no more of a packet than lies open.
class FlowSearch {
 public:
  FlowSearch(const Tables& tables, const Ingress& ingress)
      : wanted_(ingress.flows),
        seed_(tables.hash_seed),
        v4_(tables.flows->v4.searcher()),
        v6_(tables.flows->v6.searcher()) {}

  /// Whether any flows are kept of what the port receives.
  [[nodiscard]] bool wanted() const { return wanted_; }

  /// The hash by which a flow is found; asks for where that leads. `l3` and what follows: see
  /// flow_key().
  template <class Key>
  [[nodiscard, gnu::always_inline]] std::uint64_t begin(const std::uint8_t* l3, FlowPorts ports,
                                                        VrfId vrf, std::uint8_t protocol) const {
    const std::uint64_t hash = flow_key<Key>(l3, ports, vrf, protocol).hash(seed_);
    if constexpr (is_key4<Key>) {
      v4_.prefetch(hash);
    } else {
      v6_.prefetch(hash);
    }
    return hash;
  }
  /// The same for any packet; says what care its flow needs.
  template <class Key>
  void begin(ParsedPacket& p) const {
    if (!wanted_ || !p.vrf->flows) return;
    p.care = FlowCare::search;
    if (p.l4_ports == 0) return;
    p.care = FlowCare::admit;
    p.hash = begin<Key>(p.l3, p.l4_ports, p.vrf->id, p.protocol);
  }

  /// The direction that is most likely the one with this hash, 0: none. Its entry is asked for.
  template <class Key>
  [[nodiscard, gnu::always_inline]] std::uint32_t candidate(std::uint64_t hash) const {
    if constexpr (is_key4<Key>) {
      return v4_.candidate(hash);
    } else {
      return v6_.candidate(hash);
    }
  }

 private:
  bool wanted_;
  tunnel::HashSeed seed_;
  FlowTable<FlowKey4>::Searcher v4_;
  FlowTable<FlowKey6>::Searcher v6_;
};

/// The flow of any packet. `candidate`: as far as the search has got with its burst.
template <class Key, class Tracer>
void find_flow_of(StageContext<Tracer>& ctx, FlowStamp stamp, std::uint32_t candidate,
                  PacketContext& p) {
  FlowTables& flows = *ctx.tables.flows;
  const FlowTable<Key>& table = flows.of<Key>();
  const FlowTally tally(ctx.flows);
  const auto ports = flow_ports<Key>(flows, tally, p);
  if (!ports) {
    p.care = FlowCare::unsearched;
    return;
  }
  const Key key = flow_key<Key>(p, p.vrf->id, *ports);
  const bool settled =
      p.care == FlowCare::admit && (candidate == 0 || table.entry(candidate).key == key);
  const std::uint32_t direction = settled ? candidate : table.find(key, table.hash(key));
  settle_flow<Key>(ctx, tally, stamp, direction, p);
}

template <class Tracer>
void find_flow(StageContext<Tracer>& ctx, FlowStamp stamp, std::uint32_t candidate,
               PacketContext& p) {
  if (p.care != FlowCare::admit && p.care != FlowCare::search) return;
  return p.v4 ? find_flow_of<FlowKey4>(ctx, stamp, candidate, p)
              : find_flow_of<FlowKey6>(ctx, stamp, candidate, p);
}

}  // namespace weft::stage
