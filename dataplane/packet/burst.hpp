#pragma once
/// A burst on its way through the stages: what the stages know of each packet, and which packets
/// are still on their way.

#include <array>
#include <cstdint>

#include "packet/packet.hpp"
#include "tables/counters.hpp"
#include "tables/objects.hpp"
#include "tunnel/codec.hpp"

namespace weft {

inline constexpr unsigned max_burst = 64;

/// What the stages know of one packet; it lives as long as the burst.
///
///    field               written by          read by
///    packet, l2, length  source, decap       all
///    vrf, mac, vif_entry source, decap       parse, decap, resolve, encap
///    l3, l3_bytes, …     parse, encap        decap and later
///    flow_hash           flow                encap
///    nexthop, adjacency  decap, resolve      rewrite, encap, output
///    reason, punt, mtu   whoever ends it     exits
struct PacketContext {
  Packet packet;
  std::uint8_t* l2 =
      nullptr;  ///< Ethernet header; nullptr where there is none (injected, IP payload)
  std::uint8_t* l3 = nullptr;   ///< IP header
  std::uint8_t* end = nullptr;  ///< end of the contiguous bytes
  const VrfEntry* vrf = nullptr;
  const MacAddress* mac = nullptr;      ///< the destination that frames must have
  const VifEntry* vif_entry = nullptr;  ///< set when it came straight from a VIF
  const NexthopEntry* nexthop = nullptr;
  const AdjacencyEntry* adjacency = nullptr;
  std::uint32_t bytes = 0;  ///< from l2 (or l3 where there is no l2) to the end of the packet
  std::uint32_t flow_hash = 0;
  std::uint32_t l4_ports = 0;  ///< both ports as they lie in the packet; 0: fragment or none
  std::uint32_t fib_result = 0;
  std::uint16_t l3_bytes = 0;   ///< the IP packet, header included
  std::uint16_t l4_offset = 0;  ///< from l3
  std::uint16_t mtu_bytes = 0;
  PortId port;
  VifId vif;
  DecapId decap;
  std::uint8_t protocol = 0;
  bool v4 = true;
  bool fragment = false;
  bool originated = false;      ///< by this router: TTL stays, no ICMP error about it
  bool whole_frame = false;     ///< encapsulate the Ethernet frame as it is
  bool check_finished = false;  ///< the port may hand over unfinished checksums
  std::uint8_t tunnels = 0;     ///< tunnels that were taken off
  DropReason reason = DropReason::none;
  PuntClass punt = PuntClass::local;
};

/// Where a stage sends a packet.
enum class Next : std::uint8_t {
  forward,      ///< to the next stage
  again,        ///< decapsulated: to parse once more
  drop,         ///< for `reason`
  drop_notify,  ///< for `reason`, and the sender should hear of it
  punt,         ///< to control, as class `punt`
  hold,         ///< until the neighbour is known
};

struct Burst {
  std::array<PacketContext, max_burst> packets;
  std::array<std::uint8_t, max_burst> live;  ///< indices of packets on their way
  unsigned count = 0;                        ///< how many of them

  /// Appends a packet; the caller fills its context in.
  PacketContext& add(Packet packet) {
    PacketContext& p = packets[count];
    p = PacketContext{};
    p.packet = packet;
    live[count] = static_cast<std::uint8_t>(count);
    ++count;
    return p;
  }
};

/// Where packets leave the stages. The worker loop empties it after each burst; explain looks at
/// it.
struct Exits {
  struct List {
    std::array<Packet, max_burst> packets;
    unsigned count = 0;
    void add(Packet p) { packets[count++] = p; }
  };
  std::array<List, max_ports> tx;
  std::uint32_t tx_ports = 0;  ///< bit set: tx[i] is not empty
  List dropped;
  List punted;  ///< class and reason stand in the metadata
  List held;
};

}  // namespace weft
