#pragma once
/// Counters of one worker: it alone writes them, the control thread sums them.

#include <array>
#include <atomic>
#include <cstdint>

#include "tables/relaxed.hpp"
#include "tables/reserved_array.hpp"
#include "weft/counters.hpp"

namespace weft {

using Counter = Relaxed<std::uint64_t>;

struct PacketCounter {
  Counter packets;
  Counter bytes;
  [[gnu::always_inline]] void add(std::uint64_t packet_bytes) {
    packets.add(1);
    bytes.add(packet_bytes);
  }
  /// Of many packets.
  void add(std::uint64_t count, std::uint64_t packet_bytes) {
    packets.add(count);
    bytes.add(packet_bytes);
  }
  [[nodiscard]] PacketCount get() const { return {packets.get(), bytes.get()}; }
};

inline constexpr std::size_t max_ports = 32;         ///< RTE_MAX_ETHPORTS of Debian's DPDK
inline constexpr std::size_t max_objects = 1 << 22;  ///< next hops, adjacencies, decaps, each

struct WorkerCounters {
  std::array<Counter, drop_reason_count> drops;
  std::array<Counter, punt_class_count> punts_accepted;
  std::array<Counter, punt_class_count> punts_limited;
  std::array<Counter, size_event_count> sizes;
  std::array<PacketCounter, max_ports> rx;
  std::array<PacketCounter, max_ports> tx;
  std::array<Counter, max_ports> unfinished_checksums;
  ReservedArray<PacketCounter> nexthops{max_objects};  ///< tunnels: packets and bytes as they leave
  ReservedArray<PacketCounter> decaps{max_objects};    ///< outer packets and bytes

  void count(SizeEvent event, std::uint64_t times = 1) {
    sizes[static_cast<std::size_t>(event)].add(times);
  }
  void drop(DropReason reason) { drops[static_cast<std::size_t>(reason)].add(1); }
};

}  // namespace weft
