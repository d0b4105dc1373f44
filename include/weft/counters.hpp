#pragma once
/// Snapshots of counters, summed over the workers.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weft/drop_reason.hpp"
#include "weft/events.hpp"
#include "weft/ids.hpp"

namespace weft {

struct PacketCount {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  PacketCount& operator+=(const PacketCount& other) {
    packets += other.packets;
    bytes += other.bytes;
    return *this;
  }
  PacketCount& operator-=(const PacketCount& other) {
    packets -= other.packets;
    bytes -= other.bytes;
    return *this;
  }
};

struct PortCounters {
  PortId port;
  PacketCount rx;
  PacketCount tx;
  std::uint64_t unfinished_checksums = 0;  ///< packets dropped for DropReason::checksum_unfinished
  std::uint64_t rx_no_buffer =
      0;  ///< packets that the device lost, for DropReason::buffer_exhausted
};

/// Packet buffers; those that devices wait with for packets are in use.
struct BufferCount {
  std::uint64_t in_use = 0;
  std::uint64_t total = 0;
};

/// What one stage cost in the bursts that were measured, a sample of all.
struct StageCount {
  std::string_view stage;
  std::uint64_t packets = 0;  ///< that entered it
  std::uint64_t cycles = 0;   ///< TSC cycles
};

/// What one worker did since it started.
struct WorkerStatus {
  unsigned lcore = 0;
  std::uint64_t loops = 0;          ///< turns of the worker loop
  std::uint64_t busy_loops = 0;     ///< turns that found packets
  std::uint64_t packets = 0;        ///< packets taken from ports
  std::uint64_t busy_cycles = 0;    ///< TSC cycles of turns that found packets
  std::uint64_t total_cycles = 0;   ///< TSC cycles since start
  std::uint64_t sleeps = 0;         ///< times it went to wait on descriptors
  std::uint64_t handed_off = 0;     ///< of `packets`: given to the workers of their flows
  std::uint64_t taken_over = 0;     ///< packets that other workers gave it
  std::uint32_t held_packets = 0;   ///< waiting for a neighbour now
  std::vector<std::string> queues;  ///< receive queues that it polls, "port/queue"
  std::vector<StageCount> stages;   ///< in the order of the pipeline
};

/// What is done to packets for the sake of their size.
enum class SizeEvent : std::uint8_t {
  mss_lowered,
  fragmented,
  outer_fragmented,
  fragments_made,
  reassembled,
  fragments_joined,
};
struct SizeEventInfo {
  std::string_view name;  ///< of its counter
  std::string_view explanation;
};
inline constexpr std::array size_events{
    SizeEventInfo{"mss_lowered", "TCP packets whose MSS was lowered"},
    SizeEventInfo{"fragmented", "Packets that were cut in front of a tunnel or VIF"},
    SizeEventInfo{"outer_fragmented", "Packets that were cut in their tunnel"},
    SizeEventInfo{"fragments_made", "Pieces that these were cut into"},
    SizeEventInfo{"reassembled", "Tunnel packets that were put together"},
    SizeEventInfo{"fragments_joined", "Pieces that these arrived in"},
};
inline constexpr std::size_t size_event_count = size_events.size();

struct PuntCounters {
  std::uint64_t accepted = 0;
  std::uint64_t limited = 0;
};

struct CountersSnapshot {
  std::array<std::uint64_t, drop_reason_count> drops{};
  std::array<PuntCounters, punt_class_count> punts{};
  std::array<std::uint64_t, size_event_count> sizes{};
  std::vector<PortCounters> ports;
  std::vector<WorkerStatus> workers;
  BufferCount buffers;
};

}  // namespace weft
