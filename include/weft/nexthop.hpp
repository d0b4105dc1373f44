#pragma once
/// Next hops and adjacencies as values. The data plane compiles them into immutable objects.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "weft/address.hpp"
#include "weft/ids.hpp"
#include "weft/tunnel.hpp"

namespace weft {

/// A neighbour on a port. Without `destination` the neighbour's MAC is not known yet: packets wait
/// in a bounded queue and control is asked to resolve `neighbour`.
///
/// Or equal ways to several neighbours, where there are `buckets`: a packet goes on with the
/// adjacency in the bucket that its flow's hash names. Buckets are a power of two and lead to
/// neighbours; the other fields say nothing then. Whoever is lost leaves the buckets, and nothing
/// that rests on this adjacency changes.
struct Adjacency {
  PortId port;
  IpAddress neighbour;
  MacAddress source;
  std::optional<MacAddress> destination;
  std::uint16_t mtu_bytes = 1500;  ///< largest IP packet that the way out takes
  std::vector<AdjacencyId> buckets{};
  friend bool operator==(const Adjacency&, const Adjacency&) = default;
};

namespace nexthop {

/// Drop; the sender hears ICMP unreachable.
struct Discard {
  friend bool operator==(const Discard&, const Discard&) = default;
};
/// An address of the router itself: hand the packet to the control thread or, where there is an
/// adjacency, to the kernel of this host behind it, as it came.
struct Receive {
  AdjacencyId adjacency;
  friend bool operator==(const Receive&, const Receive&) = default;
};
/// Send to a neighbour as it is.
struct Interface {
  AdjacencyId adjacency;
  friend bool operator==(const Interface&, const Interface&) = default;
};
/// Encapsulate, then send to the underlay neighbour. An invalid adjacency means that the underlay
/// has no route to the remote.
struct Tunnel {
  TunnelProfile profile;
  AdjacencyId adjacency;
  /// Largest outer packet that the path to the remote takes, where it is known; the adjacency's
  /// MTU holds, too.
  std::uint16_t path_mtu_bytes = 0xffff;
  /// Control hears of outer packets that are larger, by EventSink::on_sent; nothing: of none.
  std::optional<std::uint16_t> watch_bytes{};
  friend bool operator==(const Tunnel&, const Tunnel&) = default;
};
/// A connected subnet of `port`: the destination itself is a neighbour that must be resolved.
struct Glean {
  PortId port;
  friend bool operator==(const Glean&, const Glean&) = default;
};
/// Look the destination up in another VRF.
struct Lookup {
  VrfId vrf;
  friend bool operator==(const Lookup&, const Lookup&) = default;
};
/// Equal ways: a packet goes on with the next hop in the bucket that its flow's hash names. Buckets
/// are a power of two and lead to interfaces and tunnels. Control lays the members over them, such
/// that few move when the members change; a session keeps its member as long as that is one.
struct Ecmp {
  std::vector<NexthopId> buckets;
  friend bool operator==(const Ecmp&, const Ecmp&) = default;
};

}  // namespace nexthop

inline constexpr std::size_t max_ecmp_buckets = 1024;
inline constexpr std::size_t max_adjacency_buckets = 256;

using Nexthop = std::variant<nexthop::Discard, nexthop::Receive, nexthop::Interface,
                             nexthop::Tunnel, nexthop::Glean, nexthop::Lookup, nexthop::Ecmp>;

constexpr std::string_view kind_name(const Nexthop& nh) {
  constexpr std::string_view names[] = {"discard", "receive", "interface", "tunnel",
                                        "glean",   "lookup",  "ecmp"};
  return names[nh.index()];
}

/// `prefix` in `vrf` leads to `nexthop`.
struct Route {
  VrfId vrf;
  IpPrefix prefix;
  NexthopId nexthop;
  friend bool operator==(const Route&, const Route&) = default;
};

}  // namespace weft
