#pragma once
/// Flows as values: how control wants them kept, and what it is told of them.

#include <cstdint>
#include <optional>
#include <string_view>

#include "weft/address.hpp"
#include "weft/ids.hpp"

namespace weft {

/// How long a flow without packets stays. A TCP connection is established once both sides have
/// acknowledged, and closing after a FIN of each side or any RST (RFC 5382 §5 on the least times).
struct FlowTimeouts {
  std::uint32_t tcp_opening_ms = 20'000;
  std::uint32_t tcp_established_ms = 7'440'000;
  std::uint32_t tcp_closing_ms = 10'000;
  std::uint32_t udp_one_way_ms = 30'000;
  std::uint32_t udp_answered_ms = 180'000;
  std::uint32_t icmp_ms = 20'000;
  std::uint32_t other_ms = 120'000;
  friend bool operator==(const FlowTimeouts&, const FlowTimeouts&) = default;
};

/// Sizes count sessions: a conversation with both its directions.
struct FlowSettings {
  std::size_t sessions4 = 1 << 20;
  std::size_t sessions6 = 1 << 18;
  std::uint32_t sessions_a_vif = 0;  ///< at most so many may concern one VIF; 0: any number
  FlowTimeouts timeouts;
  friend bool operator==(const FlowSettings&, const FlowSettings&) = default;
};
inline constexpr std::size_t max_sessions = std::size_t{16} << 20;  ///< of one family

enum class FlowState : std::uint8_t { one_way, answered, opening, established, closing };
constexpr std::string_view to_string(FlowState state) {
  constexpr std::string_view names[] = {"one-way", "answered", "opening", "established", "closing"};
  return names[static_cast<std::size_t>(state)];
}

/// One direction of a session.
struct FlowDirection {
  VrfId vrf;  ///< in which its packets arrive
  IpAddress source;
  IpAddress destination;
  std::uint16_t source_port = 0;  ///< of ICMP echoes: the identifier
  std::uint16_t destination_port = 0;
  VifId ingress;      ///< where they arrive; invalid: from the fabric
  NexthopId nexthop;  ///< where they go; invalid: there were none yet
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;        ///< of IP packets as they arrive
  std::uint8_t tcp_flags = 0;     ///< all that were seen
  std::optional<unsigned> owner;  ///< the worker that counts it
};

struct FlowRecord {
  std::uint64_t id = 0;
  std::uint8_t protocol = 0;
  FlowState state = FlowState::one_way;
  VifId charged;              ///< the VIF within whose limit it counts
  std::uint64_t age_ms = 0;   ///< since the first packet
  std::uint64_t idle_ms = 0;  ///< since the last one
  FlowDirection forward;      ///< as the first packet went
  FlowDirection reverse;
};

/// Which sessions are meant: all that is given must hold, for either direction.
struct FlowFilter {
  std::optional<std::uint64_t> id;
  std::optional<VrfId> vrf;
  std::optional<VifId> vif;  ///< where packets of a direction arrive, or the VIF that is charged
  std::optional<IpPrefix> source;
  std::optional<IpPrefix> destination;
  std::optional<IpPrefix> address;  ///< of either end
  std::optional<std::uint8_t> protocol;
  std::optional<std::uint16_t> port;  ///< of either end
  std::optional<FlowState> state;
};

/// Where a walk through the sessions stands: begin with a default one.
struct FlowCursor {
  IpFamily family = IpFamily::v4;
  std::uint32_t session = 0;  ///< the last that was looked at
  bool end = false;
};

struct FlowCounters {
  std::uint64_t sessions = 0;  ///< that stand now
  std::uint64_t capacity = 0;
  std::uint64_t opened = 0;
  std::uint64_t expired = 0;         ///< by a timeout
  std::uint64_t evicted = 0;         ///< to make room
  std::uint64_t cleared = 0;         ///< by the operator, or since a policy denies them now
  std::uint64_t refused = 0;         ///< packets that found no room for a session
  std::uint64_t memory_bytes = 0;    ///< of a full table
  std::uint64_t hugepage_bytes = 0;  ///< of these, on hugepages that were set aside

  FlowCounters& operator+=(const FlowCounters& other) {
    sessions += other.sessions;
    capacity += other.capacity;
    opened += other.opened;
    expired += other.expired;
    evicted += other.evicted;
    cleared += other.cleared;
    refused += other.refused;
    memory_bytes += other.memory_bytes;
    hugepage_bytes += other.hugepage_bytes;
    return *this;
  }
};

}  // namespace weft
