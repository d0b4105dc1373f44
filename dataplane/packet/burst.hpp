#pragma once
/// A burst on its way through the stages: what the stages know of each packet, and where packets
/// leave.

#include <array>
#include <cstdint>

#include "packet/packet.hpp"
#include "tables/counters.hpp"
#include "tables/objects.hpp"
#include "tunnel/codec.hpp"

namespace weft {

inline constexpr unsigned max_burst = 64;

/// What is still to be done about a packet's flow.
enum class FlowCare : std::uint8_t {
  none,        ///< no flow is kept of it, or it has been counted in one
  search,      ///< its flow has to be looked for: what names it does not lie open
  admit,       ///< it was looked for; it may not be there, or what it says no longer hold
  unsearched,  ///< its flow was not looked for; it needs one only where a policy asks
};

/// What all packets of one port share.
struct Ingress {
  const VrfEntry* vrf = nullptr;    ///< nullptr: the port or its VRF is being deleted
  const MacAddress* mac = nullptr;  ///< the destination that frames must have
  const VifEntry* guard = nullptr;  ///< the VIF from whose own addresses alone they may come
  PortId port;
  VifId vif;
  bool host = false;                      ///< this host's kernel sent them
  bool flows = false;                     ///< what arrives here may belong to flows that are kept
  bool check_finished = false;            ///< the port may hand over unfinished checksums
  FlowCare care = FlowCare::none;         ///< of what no flow is looked for
  DropReason refused = DropReason::none;  ///< other than none: why none of them is for this port
};
inline constexpr Ingress nowhere;  ///< of packets of the router's own, which nobody judges

/// What many packets of a burst have in common.
struct PacketTraits {
  std::uint16_t l4_offset = 0;  ///< from l3
  bool v4 = true;
  bool fragment = false;
  std::uint8_t l2_bytes = 0;  ///< of the Ethernet header in front of l3; 0: there is none
  bool originated = false;    ///< by this router or its host, or for its host: TTL stays
  bool plain = false;         ///< in one piece, its L4 header at hand, TCP or UDP with ports
  FlowCare care = FlowCare::none;
};

/// What parse and decap find out about a packet: a cache line, all that is kept of it while the
/// flows and routes of its burst are searched.
struct alignas(64) ParsedPacket : PacketTraits {
  /// Member by member: as an aggregate g++ 12 would clear all of it first.
  ParsedPacket() noexcept {}

  Packet packet;
  std::uint8_t* l3 = nullptr;  ///< IP header
  const VrfEntry* vrf = nullptr;
  const NexthopEntry* nexthop = nullptr;
  std::uint64_t hash = 0;      ///< its flow's, as far as that lies open; 0: not known
  std::uint32_t l4_ports = 0;  ///< both ports as they lie in the packet; 0: fragment or none
  std::uint32_t bytes = 0;     ///< from l2 (or l3 where there is no l2) to the end of the packet
  DecapId decap;
  std::uint16_t l3_bytes = 0;  ///< the IP packet, header included
  std::uint8_t protocol = 0;
  std::uint8_t tunnels = 0;  ///< tunnels that were taken off
};
static_assert(sizeof(ParsedPacket) == 64);

/// All that the stages know of one packet; it lives as long as the packet is in them.
///
///    field               written by          read by
///    packet, l2, bytes   source, decap       all
///    in                  source              parse, exits
///    vrf                 source, decap       parse, decap, resolve, encap
///    l3, l3_bytes, …     parse, encap        decap and later
///    flow, care          source, flow        resolve, admit
///    hash                flow, resolve       resolve, encap
///    route, home         resolve             resolve, exits
///    nexthop, adjacency  decap, resolve      rewrite, encap, output
///    reason, punt, mtu   whoever ends it     exits
struct PacketContext : ParsedPacket {
  PacketContext() noexcept {}
  /// Of a packet that waited for the rest of its burst.
  PacketContext(const ParsedPacket& parsed, const Ingress& ingress)
      : ParsedPacket(parsed),
        l2(l2_bytes != 0 ? l3 - l2_bytes : nullptr),
        end(packet.data() + packet.contiguous_bytes()),
        in(&ingress) {}

  /// Ethernet header; nullptr where there is none (injected, IP payload)
  std::uint8_t* l2 = nullptr;
  std::uint8_t* end = nullptr;   ///< end of the contiguous bytes
  const Ingress* in = &nowhere;  ///< of the outer packet, where tunnels were taken off
  const AdjacencyEntry* adjacency = nullptr;
  const VrfEntry* home = nullptr;  ///< where the sender is known, when a route led into other VRFs
  fib::Cursor route;               ///< the search for it
  std::uint32_t flow = 0;          ///< its direction in the flow table; 0: none
  std::uint16_t mtu_bytes = 0;
  DropReason reason = DropReason::none;
  PuntClass punt = PuntClass::neighbour;
};
static_assert(sizeof(PacketContext) == 128);

/// Where a stage sends a packet.
enum class Next : std::uint8_t {
  forward,      ///< to the next stage
  again,        ///< decapsulated: to parse once more
  relay,        ///< decapsulated, but for its NSH header: with that to `nexthop`
  whole,        ///< put together from pieces: to parse once more
  kept,         ///< until the other pieces come
  deliver,      ///< to the next stage, for this host: TTL stays
  cut,          ///< to the next stages, in pieces
  drop,         ///< for `reason`
  drop_notify,  ///< for `reason`, and the sender should hear of it
  punt,         ///< to control, as class `punt`
  hold,         ///< until the neighbour is known
};

struct Burst {
  /// From other sources than ports.
  std::array<PacketContext, max_burst> packets;
  unsigned count = 0;

  /// From a port, and where the search for each one's flow and route has got.
  std::array<ParsedPacket, max_burst> parsed;
  std::array<std::uint32_t, max_burst> directions;  ///< in the flow table; 0: none
  std::array<fib::Cursor, max_burst> routes;

  /// Appends a packet; the caller fills in what is known of it.
  PacketContext& add(Packet packet) {
    PacketContext& p = packets[count++];
    p = PacketContext{};
    p.packet = packet;
    return p;
  }
};

/// Where packets leave the stages. The worker loop empties it after each burst; explain looks at
/// it.
struct Exits {
  struct List {
    std::array<rte_mbuf*, 2 * max_burst> packets;
    unsigned count = 0;
    void add(Packet p) { packets[count++] = p.mbuf(); }
  };
  struct Departures : List {
    std::uint64_t bytes = 0;  ///< of all its packets
  };
  std::array<Departures, max_ports> tx;
  std::uint32_t tx_ports = 0;  ///< bit set: tx[i] is not empty
  List dropped;
  List punted;  ///< class and reason stand in the metadata
  List held;
  unsigned more = 0;  ///< packets in the lists beyond those of the burst, at most max_burst
};

}  // namespace weft
