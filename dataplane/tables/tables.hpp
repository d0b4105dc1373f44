#pragma once
/// All that the stages read, in one place. Pointers taken from here live until the reader's next
/// quiescent point.

#include <atomic>
#include <cstdint>

#include "tables/counters.hpp"
#include "tables/decap_table.hpp"
#include "tables/flow_tables.hpp"
#include "tables/objects.hpp"
#include "tables/rcu.hpp"
#include "tables/stable_table.hpp"
#include "tunnel/entropy.hpp"

namespace weft {

inline constexpr std::size_t max_vrfs = 1 << 20;

struct Tables {
  Tables(Rcu& rcu, tunnel::HashSeed seed, const FlowSettings& settings, std::uint64_t tsc_hz,
         Pages flow_pages)
      : decaps(rcu, seed),
        hash_seed(seed),
        flows(std::make_unique<FlowTables>(seed, settings, tsc_hz, flow_pages)) {}

  StableTable<PortEntry> ports{max_ports};
  StableTable<VifEntry> vifs{max_objects};
  StableTable<VrfEntry> vrfs{max_vrfs};
  StableTable<PolicyEntry> policies{max_objects};
  StableTable<AdjacencyEntry> adjacencies{max_objects};
  StableTable<NexthopEntry> nexthops{max_objects};
  StableTable<DecapEntry> decaps_by_id{max_objects};  ///< under the ids of their marks, too
  DecapTable decaps;
  /// Tunnel kind by UDP destination port as it lies in the packet, TunnelKind::none for ports that
  /// no decap uses.
  ReservedArray<std::atomic<TunnelKind>> udp_kinds{65536};
  /// Kinds that decaps use, by the IP protocol that those ride on, other than UDP: a bit for each;
  /// by 0 those that ride on Ethernet.
  ReservedArray<std::atomic<std::uint16_t>> ip_kinds{256};
  std::atomic<const LocalAddressSet*> local_addresses{nullptr};
  std::atomic<Generation> generation{0};
  /// Routes or next hops are too many for the caches near a core.
  std::atomic<bool> far{false};
  /// Some VRF keeps flows. Stands before the first such VRF does.
  std::atomic<bool> keeps_flows{false};
  /// Some VIF has a policy. Stands before the first such VIF does.
  std::atomic<bool> judges{false};
  tunnel::HashSeed hash_seed;
  std::unique_ptr<FlowTables> flows;  ///< which workers write, too
};

}  // namespace weft
