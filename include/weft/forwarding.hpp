#pragma once
/// The one door from control to the data plane.
///
/// Threads: every call comes from the control thread. No call blocks on a worker.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "weft/counters.hpp"
#include "weft/events.hpp"
#include "weft/flow.hpp"
#include "weft/mss_clamp.hpp"
#include "weft/nexthop.hpp"
#include "weft/policy.hpp"
#include "weft/result.hpp"

namespace weft {

/// What a port is for. A VIF port belongs to one VIF; a fabric port to the underlay VRF.
struct Port {
  MacAddress mac;
  std::uint16_t mtu_bytes = 1500;
  VifId vif;                         ///< valid for a VIF's port
  bool may_leave_checksums = false;  ///< the device hands over unfinished TCP/UDP checksums
  bool bfd = false;                  ///< BFD that it receives is the router's
  friend bool operator==(const Port&, const Port&) = default;
};

struct Vif {
  PortId port;
  VrfId vrf;
  MacAddress mac;                    ///< of the VM
  std::vector<IpAddress> addresses;  ///< from which alone it may send
  bool anti_spoofing = true;
  bool host = false;     ///< of this host's kernel: its packets are the router's own, TTL stays
  bool flows = false;    ///< sessions are opened for what it sends or gets, if its VRF keeps flows
  PolicyId policy{};     ///< what it may send and get; invalid: anything. Its VRF must keep flows
  MssClamp mss_clamp{};  ///< of the connections that it opens or takes
  friend bool operator==(const Vif&, const Vif&) = default;
};

struct Vrf {
  MacAddress router_mac;  ///< what VMs and remote routers address frames to
  bool flows = false;     ///< flows of what arrives in it are kept
  friend bool operator==(const Vrf&, const Vrf&) = default;
};

/// Changes. Put creates the object or replaces it under its id; a packet sees each object all-old
/// or all-new. `object` empty means delete.
template <class Identifier, class Object>
struct Change {
  Identifier id;
  std::optional<Object> object;
};
using PortChange = Change<PortId, Port>;
using VrfChange = Change<VrfId, Vrf>;
using VifChange = Change<VifId, Vif>;
using AdjacencyChange = Change<AdjacencyId, Adjacency>;
using NexthopChange = Change<NexthopId, Nexthop>;
using DecapChange = Change<DecapId, Decap>;
using PolicyChange = Change<PolicyId, std::shared_ptr<const CompiledPolicy>>;
/// A route with an invalid nexthop is a withdrawal.
using RouteChange = Route;
/// Outer destinations that decapsulation and ICMP accept as the router's own, VRF 0. Replaces all.
struct LocalAddresses {
  std::vector<IpAddress> addresses;
};

struct Batch {
  std::vector<PortChange> ports;
  std::vector<VrfChange> vrfs;
  std::vector<PolicyChange> policies;
  std::vector<VifChange> vifs;
  std::vector<AdjacencyChange> adjacencies;
  std::vector<NexthopChange> nexthops;
  std::vector<DecapChange> decaps;
  std::vector<RouteChange> routes;
  std::optional<LocalAddresses> local_addresses;

  [[nodiscard]] bool empty() const {
    return ports.empty() && vrfs.empty() && policies.empty() && vifs.empty() &&
           adjacencies.empty() && nexthops.empty() && decaps.empty() && routes.empty() &&
           !local_addresses;
  }
};

/// A frame that control sends.
struct Injection {
  /// Out of a port as it is: `frame` starts with the Ethernet header.
  struct ToPort {
    PortId port;
  };
  /// Routed in a VRF as if the router had originated it: `frame` starts with the IP header.
  struct Routed {
    VrfId vrf;
  };
  /// An Ethernet frame through a tunnel next hop.
  struct IntoTunnel {
    NexthopId nexthop;
  };
  std::variant<ToPort, Routed, IntoTunnel> target;
  std::span<const std::uint8_t> frame;
};

struct ExplainRequest {
  PortId port;  ///< where the packet would arrive
  std::span<const std::uint8_t> frame;
};

/// A program for the classic BPF machine, as libpcap compiles it from tcpdump's expressions: each
/// word is one instruction, code | jt << 16 | jf << 24 | k << 32. Empty takes every frame.
struct PacketFilter {
  std::vector<std::uint64_t> instructions;
};

/// Follow the next `packets` frames that arrive at one of `ports` (none: at any) and match, through
/// the stages that forward them.
struct TraceRequest {
  std::vector<PortId> ports;
  PacketFilter filter;
  std::uint32_t packets = 1;
};

/// Copy frames that pass one of `ports` (none: any) and match: as they arrive, as they leave, as
/// they arrived before they were dropped. `reason` none: dropped for any reason.
struct CaptureRequest {
  std::vector<PortId> ports;
  PacketFilter filter;
  bool in = true;
  bool out = true;
  bool dropped = false;
  DropReason reason = DropReason::none;
  std::uint32_t snap_bytes = 16384;  ///< of each frame
};

inline constexpr std::size_t max_observers = 8;

/// A trace or capture. `taken`: frames that matched; `lost`: of these, what control did not hear
/// of, since it (or who reads from it) is slower than they come.
struct ObserverStatus {
  std::uint64_t taken = 0;
  std::uint64_t lost = 0;
};

/// A device to attach.
struct PortRequest {
  std::string name;
  std::string device;             ///< `af_packet:IF`, `tap:IF@NETNS`, …
  std::optional<MacAddress> mac;  ///< for devices whose far end is ours to name (tap)
  std::uint16_t mtu_bytes = 1500;
  /// Of its frames on the wire (IEEE 802.1Q), which is not counted into the MTU; 0: they have no
  /// tag. Several ports may have one device, each with a VLAN of its own, one of them without.
  std::uint16_t vlan = 0;
  bool shared_queues = false;  ///< one queue pair for all workers instead of one each
  std::vector<IpAddress>
      addresses{};  ///< the router's own, which the kernel must not hold there too
  /// The tap by which the kernel gets what is for it of this port; it must take nothing from the
  /// port's interface itself. Empty: the kernel gets nothing.
  std::string host{};
  std::vector<IpPrefix> kernel_addresses{};  ///< for a tap: what its kernel's end is given
  std::vector<IpAddress> kernel_gateways{};  ///< and the default routes there
};

struct PortStatus {
  PortId id;
  std::string name;
  std::string device;
  MacAddress mac;
  std::uint16_t mtu_bytes = 0;
  std::uint16_t rx_queues = 0;
  bool link_up = false;
  bool may_leave_checksums = false;
};

struct TableSizes {
  std::uint64_t fib_bytes = 0;
  std::uint64_t routes = 0;
  std::uint64_t nexthops = 0;
  std::uint64_t adjacencies = 0;
  std::uint64_t decaps = 0;
  std::uint64_t deferred = 0;  ///< objects that wait for the workers to pass a quiescent point
};

class ForwardingPlane {
 public:
  virtual ~ForwardingPlane() = default;

  /// Validates and allocates all of `batch`, then publishes it in dependency order; on error
  /// nothing has changed and the error names the object. Applying a batch again changes nothing.
  virtual Result<Generation> apply(const Batch& batch) = 0;
  /// What a PolicyChange takes. From any thread: with many rules it takes long. The error names the
  /// rule and what is wrong with it.
  [[nodiscard]] virtual Result<std::shared_ptr<const CompiledPolicy>> compile(
      const Policy& policy) const = 0;

  /// At most max_observers at once, traces and captures together. What they see comes by
  /// EventSink::on_trace and on_capture until stop_observer(), which takes effect at once.
  virtual Result<ObserverId> start_trace(const TraceRequest& request) = 0;
  virtual Result<ObserverId> start_capture(const CaptureRequest& request) = 0;
  virtual ObserverStatus stop_observer(ObserverId id) = 0;
  [[nodiscard]] virtual ObserverStatus observer_status(ObserverId id) const = 0;

  virtual Result<PortStatus> open_port(const PortRequest& request) = 0;
  /// Takes a port out of the workers' hands; its device goes once they have let go of it, in
  /// reclaim(). What refers to the port must have been deleted by a batch before.
  virtual Status close_port(PortId id) = 0;
  [[nodiscard]] virtual std::vector<PortStatus> ports() const = 0;

  /// Whether the port can send; false: there is no such port.
  [[nodiscard]] virtual bool link_up(PortId id) const = 0;

  /// A BFD session, kept by a worker; its port must say `bfd`. What becomes of it is told by
  /// EventSink::on_bfd.
  virtual Result<BfdId> start_bfd(const BfdRequest& request) = 0;
  /// The neighbour is told that it is meant, and the session ends a detection time later.
  virtual void stop_bfd(BfdId id) = 0;
  /// Of all sessions that run.
  [[nodiscard]] virtual std::vector<BfdStatus> bfd() const = 0;

  /// Hands the frame to a worker; false (and counted) when the queue to it is full.
  virtual bool inject(const Injection& injection) = 0;
  [[nodiscard]] virtual ExplainReport explain(const ExplainRequest& request) = 0;

  [[nodiscard]] virtual CountersSnapshot counters() const = 0;
  [[nodiscard]] virtual PacketCount nexthop_counters(NexthopId id) const = 0;
  [[nodiscard]] virtual PacketCount decap_counters(DecapId id) const = 0;
  [[nodiscard]] virtual TableSizes table_sizes() const = 0;

  /// Looks at the next `count` sessions and answers those that match; moves `cursor`. Sessions that
  /// come and go meanwhile may be missed, none is told twice but one that was closed and opened.
  virtual std::vector<FlowRecord> flows(const FlowFilter& filter, FlowCursor& cursor,
                                        std::size_t count) = 0;
  /// The same, and closes them; answers how many.
  virtual std::size_t clear_flows(const FlowFilter& filter, FlowCursor& cursor,
                                  std::size_t count) = 0;
  [[nodiscard]] virtual FlowCounters flow_counters(IpFamily family) const = 0;

  /// A drop that control itself decided, so that every drop is in one table.
  virtual void count_drop(DropReason reason) = 0;

  /// Readable when events wait; drain_events() delivers a bounded number of them.
  [[nodiscard]] virtual int event_descriptor() const = 0;
  virtual void drain_events(EventSink& sink) = 0;
  /// A moment, for grace_over(): true once every worker has passed a quiescent point since, so that
  /// none acts on anything it had found before.
  [[nodiscard]] virtual std::uint64_t begin_grace() = 0;
  [[nodiscard]] virtual bool grace_over(std::uint64_t moment) = 0;
  /// Frees what every worker has let go of. Call about every 10 ms while table_sizes().deferred.
  virtual void reclaim() = 0;
};

}  // namespace weft
