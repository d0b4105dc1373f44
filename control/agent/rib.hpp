#pragma once
/// The routes of one VRF, all candidates of each prefix, in address order.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "agent/object.hpp"

namespace weft::agent {

/// Where a route comes from; of several for one prefix the first in this order is used.
enum class RouteSource : std::uint8_t {
  own,         ///< an address of the router
  moved,       ///< an address of a VIF that is elsewhere now
  vif,         ///< an address of a VIF
  configured,  ///< told by the file, the API or the channel
  connected,   ///< the subnet of a fabric port
  neighbour,   ///< a neighbour in such a subnet
  gateway,     ///< the default route through a port's gateway
};

struct RibEntry {
  RouteSource source = RouteSource::own;
  Owner owner = Owner::file;
  NexthopId nexthop;
  friend bool operator==(const RibEntry&, const RibEntry&) = default;
};

class Rib {
 public:
  /// Candidates of one prefix, best first, at most one of each source.
  using Slot = std::vector<RibEntry>;

  [[nodiscard]] const std::map<IpPrefix, Slot>& slots() const { return slots_; }
  [[nodiscard]] const Slot& at(const IpPrefix& prefix) const;
  /// Puts the candidates of `prefix` in place of the old; empty means none.
  void replace(const IpPrefix& prefix, Slot slot);

  struct Match {
    IpPrefix prefix;
    RibEntry entry;
  };
  /// The longest prefix that holds `address`; `without` leaves the candidates of a source aside.
  [[nodiscard]] std::optional<Match> match(const IpAddress& address,
                                           std::optional<RouteSource> without = {}) const;

 private:
  std::map<IpPrefix, Slot> slots_;
  std::array<std::array<std::uint32_t, 129>, 2> count_by_length_{};
};

}  // namespace weft::agent
