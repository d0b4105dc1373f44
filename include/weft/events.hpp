#pragma once
/// The reverse door: what the data plane tells control. Everything here is bounded and may be
/// dropped (and counted) under load; control never relies on hearing of a packet.

#include <cstdint>
#include <span>
#include <string_view>

#include "weft/address.hpp"
#include "weft/bfd.hpp"
#include "weft/drop_reason.hpp"
#include "weft/explain.hpp"
#include "weft/ids.hpp"
#include "weft/policy.hpp"

namespace weft {

enum class PuntClass : std::uint8_t {
  neighbour,   ///< ARP or ND
  local,       ///< addressed to the router itself
  icmp_error,  ///< dropped, and its sender should hear why
  liveness,    ///< BFD, which stays with the workers
};
inline constexpr unsigned punt_class_count = 4;
constexpr std::string_view class_name(PuntClass kind) {
  constexpr std::string_view names[] = {"neighbour", "local", "icmp_error", "liveness"};
  return names[static_cast<std::size_t>(kind)];
}

/// A packet that the workers hand to control.
struct PuntedPacket {
  PuntClass kind = PuntClass::local;
  DropReason reason = DropReason::none;  ///< for icmp_error: why it died
  VrfId vrf;
  VifId vif;                            ///< valid when it came from a VIF
  PortId port;                          ///< valid when it came from a port and not out of a tunnel
  DecapId decap;                        ///< valid when it came out of a tunnel
  std::uint16_t mtu_bytes = 0;          ///< for too_big: what would have fitted
  std::uint16_t l3_offset = 0;          ///< where ARP or IP starts within `frame`
  std::span<const std::uint8_t> frame;  ///< from the (inner) Ethernet header on
};

/// A packet waits for a neighbour of `port` that nobody has resolved.
struct NeighbourNeeded {
  PortId port;
  IpAddress address;
};

/// A packet that a trace followed.
struct TracedPacket {
  ObserverId trace;
  std::uint64_t time_ns = 0;  ///< since 1970
  unsigned worker = 0;        ///< its CPU
  PortId port;                ///< where it arrived
  const ExplainReport& report;
};

enum class CapturePoint : std::uint8_t { in, out, dropped };

struct CapturedFrame {
  ObserverId capture;
  std::uint64_t time_ns = 0;  ///< since 1970
  PortId port;                ///< where it arrived, or left; invalid: of the router's own
  CapturePoint point = CapturePoint::in;
  DropReason reason = DropReason::none;  ///< for dropped
  std::uint32_t frame_bytes = 0;         ///< of which `bytes` are the first
  std::span<const std::uint8_t> bytes;   ///< from the Ethernet header on
};

/// A packet that a policy has denied. Each worker tells of a few a second.
struct DeniedPacket {
  PolicyDecision by;
  VrfId vrf;  ///< where it arrived
  IpAddress source;
  IpAddress destination;
  std::uint8_t protocol = 0;
  std::uint16_t source_port = 0;  ///< of ICMP: type and code, in its two bytes; 0: not known
  std::uint16_t destination_port = 0;
  std::uint64_t untold = 0;  ///< denied by this worker and not told of, since it told of one
};

/// A packet that went into a tunnel, and is larger than what control watches for.
struct SentPacket {
  NexthopId tunnel;
  std::uint16_t bytes = 0;              ///< of the outer packet
  std::span<const std::uint8_t> start;  ///< its first bytes, at most SentPacket::most
  static constexpr std::size_t most = 128;
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void on_punt(const PuntedPacket& packet) = 0;
  virtual void on_neighbour_needed(const NeighbourNeeded& event) = 0;
  /// A BFD session is not in the state that was told last.
  virtual void on_bfd(const BfdStatus& status) = 0;
  virtual void on_denied(const DeniedPacket& packet) = 0;
  virtual void on_sent(const SentPacket& packet) = 0;
  virtual void on_trace(const TracedPacket& packet) = 0;
  virtual void on_capture(const CapturedFrame& frame) = 0;
};

}  // namespace weft
