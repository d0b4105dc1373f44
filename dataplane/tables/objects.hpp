#pragma once
/// What the workers read: control's values compiled into immutable objects.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "tables/fib.hpp"
#include "tunnel/entropy.hpp"
#include "tunnel/header_template.hpp"
#include "tunnel/propagation.hpp"
#include "weft/forwarding.hpp"
#include "wire/ethernet.hpp"

namespace weft {

struct PortEntry {
  PortId id;
  Port port;
};

struct VrfEntry {
  VrfId id;
  wire::IpEthernetTails router;  ///< of frames from the router
  fib::Fib4* fib4 = nullptr;
  fib::Fib6* fib6 = nullptr;
  bool flows = false;  ///< flows of what arrives in it are kept

  [[nodiscard]] const MacAddress& router_mac() const { return router.ipv4.source; }
};

struct PolicyEntry {
  PolicyId id;
  std::shared_ptr<const CompiledPolicy> policy;
};

struct VifEntry {
  VifId id;
  PortId port;
  VrfId vrf;
  MacAddress mac;
  bool anti_spoofing = true;
  bool host = false;   ///< of this host's kernel
  bool flows = false;  ///< of what it sends or gets, if its VRF keeps flows
  MssClamp mss_clamp;
  PolicyId policy;                        ///< invalid: it may send and get anything
  std::vector<std::uint32_t> addresses4;  ///< as they lie in the packet
  std::vector<Ipv6Address> addresses6;

  [[nodiscard]] bool owns(std::uint32_t raw) const {
    for (const std::uint32_t a : addresses4) {
      if (a == raw) return true;
    }
    return false;
  }
  [[nodiscard]] bool owns(const Ipv6Address& address) const {
    for (const Ipv6Address& a : addresses6) {
      if (a == address) return true;
    }
    return false;
  }
};

/// One cache line.
struct alignas(64) AdjacencyEntry {
  MacAddress destination;
  std::uint16_t mtu_bytes = 0;
  wire::IpEthernetTails tails;  ///< of frames to `destination`
  bool resolved = false;
  PortId port;
  AdjacencyId id;
  IpAddress neighbour;
  std::uint16_t buckets = 0;  ///< a power of two; 0: it is a neighbour
  std::unique_ptr<const AdjacencyId[]> ways;

  /// Of several neighbours the one for a flow. Null: it is being taken away.
  template <class Adjacencies>
  [[nodiscard]] const AdjacencyEntry* way(const Adjacencies& all, std::uint64_t flow_hash) const {
    return all.get(ways[bucket_of(flow_hash)]);
  }
  [[nodiscard]] std::uint32_t bucket_of(std::uint64_t flow_hash) const {
    return tunnel::way_of(flow_hash) & (buckets - 1U);
  }
  /// The Ethernet header of an IP packet, at `l2`.
  [[gnu::always_inline]] void write_header(std::uint8_t* l2, bool v4) const {
    // And two bytes behind it, which the tail overwrites.
    std::memcpy(l2, reinterpret_cast<const std::uint8_t*>(this), sizeof(std::uint64_t));
    tails.write(l2 + sizeof destination, v4);
  }
};
static_assert(sizeof(AdjacencyEntry) == 64 && offsetof(AdjacencyEntry, destination) == 0);

/// Those that lead out by an adjacency come first, those that lead on to another next hop last.
enum class NexthopKind : std::uint8_t { interface, tunnel, discard, receive, glean, lookup, ecmp };
constexpr bool has_adjacency(NexthopKind kind) { return kind <= NexthopKind::tunnel; }
constexpr bool leads_on(NexthopKind kind) { return kind >= NexthopKind::lookup; }

/// A line of facts and, behind it, what is particular to the kind. Tunnel: the outer header,
/// right-aligned in `copy_bytes`; it is copied in whole lines that end where the inner packet
/// begins. Ecmp: the buckets, and then each member once.
struct alignas(64) NexthopEntry {
  static constexpr std::uint16_t unwatched = 0xffff;
  NexthopKind kind = NexthopKind::discard;
  bool outer_v4 = true;
  bool udp_checksum = false;
  bool outer_fragmentation = false;  ///< tunnel: its packets may be cut
  /// Leads out by nothing but a copy of at most 128 bytes and what complete_header() patches.
  bool plain = false;
  bool holds_nsh = false;  ///< what goes into the tunnel has an NSH header of its own
  std::uint8_t copied_class =
      0;  ///< bits of the traffic class that the outer header has from inside
  bool copies_ttl = false;
  NexthopId id;
  AdjacencyId adjacency;                    ///< interface, tunnel; receive: of the host, if any
  std::uint32_t leads_to = VrfId{}.raw();   ///< lookup: raw id of the VRF; glean: of the port
  std::uint16_t header_bytes = 0;           ///< tunnel; else 0
  std::uint16_t copy_bytes = 0;             ///< 64, 128 or 384
  std::uint16_t udp_offset = 0;             ///< within the header; 0: none
  std::uint16_t inner_ethernet_offset = 0;  ///< within the header; 0: none
  std::uint16_t buckets = 0;                ///< ecmp; a power of two
  std::uint16_t members = 0;                ///< ecmp
  std::uint32_t ip_checksum_sum = 0;
  tunnel::SourcePorts source_ports;
  std::uint16_t version_offset = 0;  ///< within the header, of two bytes; 0: none
  be16 version4;                     ///< what they are in front of IPv4
  be16 version6;
  tunnel::Notable notable;  ///< in the packet inside: the outer header has it from there
  be16 ether_type;          ///< of a tunnel without an outer IP header; else 0
  MssClamp mss_clamp;       ///< tunnel
  std::uint16_t path_mtu_bytes = 0xffff;  ///< tunnel; see nexthop::Tunnel
  std::uint16_t watch_bytes = unwatched;  ///< tunnel; larger packets are told of

  /// Largest packet that leaves by it.
  [[nodiscard]] unsigned mtu_by(const AdjacencyEntry& way) const {
    return std::min(way.mtu_bytes, path_mtu_bytes);
  }
  /// Largest one that may go into it, header included: in pieces of the outer packet it must fit
  /// that.
  [[nodiscard]] unsigned most_by(const AdjacencyEntry& way) const {
    return outer_fragmentation ? 0xffff : mtu_by(way);
  }

  [[nodiscard]] VrfId vrf() const { return VrfId::from_raw(leads_to); }
  [[nodiscard]] PortId port() const { return PortId::from_raw(leads_to); }
  [[nodiscard]] bool on_ethernet() const { return ether_type.get() != 0; }
  [[nodiscard]] bool copies_dscp() const { return copied_class != tunnel::ecn_mask; }
  [[nodiscard]] const std::uint8_t* header() const {
    return reinterpret_cast<const std::uint8_t*>(this + 1);
  }
  [[nodiscard]] std::uint32_t bucket_of(std::uint32_t hash) const { return hash & (buckets - 1U); }
  [[nodiscard]] NexthopId member_in(std::uint32_t bucket) const { return ids()[bucket]; }
  [[nodiscard]] std::span<const NexthopId> all_members() const {
    return {ids() + buckets, members};
  }
  [[nodiscard]] bool has_member(NexthopId member) const {
    const auto all = all_members();
    return std::find(all.begin(), all.end(), member) != all.end();
  }
  struct Delete {
    void operator()(const NexthopEntry* entry) const {
      ::operator delete (const_cast<NexthopEntry*>(entry), std::align_val_t{64});
    }
  };
  using Owner = std::unique_ptr<const NexthopEntry, Delete>;
  static Owner compile(NexthopId id, const Nexthop& nexthop);

 private:
  [[nodiscard]] const NexthopId* ids() const {
    return reinterpret_cast<const NexthopId*>(this + 1);
  }
};
static_assert(sizeof(NexthopEntry) == 64);

/// Tunnel kind, UDP destination port and VNI (or label, or key) as one number.
constexpr std::uint64_t decap_key(TunnelKind kind, std::uint16_t port, std::uint32_t vni) {
  return static_cast<std::uint64_t>(kind) << 56 | static_cast<std::uint64_t>(port) << 32 | vni;
}

/// What is asked of a decap for each packet.
struct DecapTraits {
  DecapId id;
  tunnel::Notable notable;  ///< in the outer header: the inner one is to hear of it

  [[nodiscard]] bool copies_dscp() const { return notable.all(); }
};

struct DecapEntry : DecapTraits {
  std::uint32_t local4 = 0;  ///< as it lies in the packet; 0: IPv6
  std::uint64_t key = 0;
  /// The first of ranges4: its begin and how far it reaches; most decaps have one.
  std::uint32_t first_source4 = 0;
  std::uint32_t first_span4 = 0;
  bool asks = false;  ///< it looks at each header before it takes it, or for marks
  Decap decap;
  /// Sources as inclusive ranges, sorted; IPv4 in host order.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges4;
  std::vector<std::pair<Ipv6Address, Ipv6Address>> ranges6;

  DecapEntry(DecapId entry_id, const Decap& value);
  [[nodiscard]] bool has_local(std::uint32_t raw) const { return local4 == raw; }
  [[nodiscard]] bool has_local(const Ipv6Address& address) const {
    return !decap.local.is_v4() && decap.local.v6() == address;
  }
  [[nodiscard]] bool accepts(std::uint32_t source) const {
    if (source - first_source4 <= first_span4) [[likely]]
      return !ranges4.empty();
    return accepts_one_of(source);
  }
  [[nodiscard]] bool accepts(const Ipv6Address& source) const;
  /// For whom a packet with that tunnel header counts: a mark's id, or the entry's.
  [[nodiscard]] DecapId id_of(const std::uint8_t* header) const;
  /// nullptr: `by` is the id of the entry itself.
  [[nodiscard]] const DecapMark* mark(DecapId by) const;

 private:
  [[nodiscard]] bool accepts_one_of(std::uint32_t source) const;
};

/// Outer destinations that are the router's own.
struct LocalAddressSet {
  std::vector<std::uint32_t> addresses4;  ///< as they lie in the packet
  std::vector<Ipv6Address> addresses6;

  [[nodiscard]] bool contains(std::uint32_t raw) const {
    for (const std::uint32_t a : addresses4) {
      if (a == raw) return true;
    }
    return false;
  }
  [[nodiscard]] bool contains(const Ipv6Address& address) const {
    for (const Ipv6Address& a : addresses6) {
      if (a == address) return true;
    }
    return false;
  }
};

}  // namespace weft
