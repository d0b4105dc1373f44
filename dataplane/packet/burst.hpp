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
  admit,       ///< there is no flow of it yet, or what the flow says no longer holds
  unsearched,  ///< its flow was not looked for; it needs one only where a policy asks
};

/// What all packets of one port share.
struct Ingress {
  const VrfEntry* vrf = nullptr;    ///< nullptr: the port or its VRF is being deleted
  const MacAddress* mac = nullptr;  ///< the destination that frames must have
  const VifEntry* guard = nullptr;  ///< the VIF from whose own addresses alone they may come
  PortId port;
  VifId vif;
  bool host = false;               ///< this host's kernel sent them
  bool flows = false;              ///< what arrives here may belong to flows that are kept
  bool check_finished = false;     ///< the port may hand over unfinished checksums
  FlowCare care = FlowCare::none;  ///< of what no flow is looked for
};
inline constexpr Ingress nowhere;  ///< of packets of the router's own, which nobody judges

/// What the stages know of one packet; it lives as long as the burst. What all of them read stands
/// in the first cache line.
///
///    field               written by          read by
///    packet, l2, bytes   source, decap       all
///    in                  source              parse, exits
///    vrf                 source, decap       parse, decap, resolve, encap
///    l3, l3_bytes, …     parse, encap        decap and later
///    flow, care          source, flow        resolve, admit
///    entropy             flow, resolve       resolve, encap
///    route, home         resolve             resolve, exits
///    nexthop, adjacency  decap, resolve      rewrite, encap, output
///    reason, punt, mtu   whoever ends it     exits
struct alignas(64) PacketContext {
  /// Member by member: as an aggregate g++ 12 would clear all of it first.
  PacketContext() noexcept {}

  Packet packet;
  /// Ethernet header; nullptr where there is none (injected, IP payload)
  std::uint8_t* l2 = nullptr;
  const VrfEntry* vrf = nullptr;
  std::uint8_t* end = nullptr;   ///< end of the contiguous bytes
  const Ingress* in = &nowhere;  ///< of the outer packet, where tunnels were taken off
  std::uint32_t bytes = 0;       ///< from l2 (or l3 where there is no l2) to the end of the packet
  std::uint32_t l4_ports = 0;    ///< both ports as they lie in the packet; 0: fragment or none
  std::uint16_t l3_bytes = 0;    ///< the IP packet, header included
  std::uint16_t l4_offset = 0;   ///< from l3
  std::uint8_t protocol = 0;
  bool v4 = true;
  bool fragment = false;
  std::uint8_t tunnels = 0;   ///< tunnels that were taken off
  std::uint32_t flow = 0;     ///< its direction in the flow table; 0: none
  std::uint32_t entropy = 0;  ///< what the outer source port is chosen by; 0: not known yet

  std::uint8_t* l3 = nullptr;  ///< IP header
  const NexthopEntry* nexthop = nullptr;
  const AdjacencyEntry* adjacency = nullptr;
  const VrfEntry* home = nullptr;  ///< where the sender is known, when a route led into other VRFs
  bool originated = false;         ///< by this router or its host, or for its host: TTL stays
  FlowCare care = FlowCare::none;
  std::uint16_t mtu_bytes = 0;
  DropReason reason = DropReason::none;
  PuntClass punt = PuntClass::neighbour;
  DecapId decap;
  fib::Cursor route;  ///< the search for it
};
static_assert(sizeof(PacketContext) == 128);

/// Where a stage sends a packet.
enum class Next : std::uint8_t {
  forward,      ///< to the next stage
  again,        ///< decapsulated: to parse once more
  deliver,      ///< to the next stage, for this host: TTL stays
  drop,         ///< for `reason`
  drop_notify,  ///< for `reason`, and the sender should hear of it
  punt,         ///< to control, as class `punt`
  hold,         ///< until the neighbour is known
};

struct Burst {
  std::array<PacketContext, max_burst> packets;
  unsigned count = 0;

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
    std::array<rte_mbuf*, max_burst> packets;
    unsigned count = 0;
    void add(Packet p) { packets[count++] = p.mbuf(); }
  };
  std::array<List, max_ports> tx;
  std::uint32_t tx_ports = 0;  ///< bit set: tx[i] is not empty
  List dropped;
  List punted;  ///< class and reason stand in the metadata
  List held;
};

}  // namespace weft
