#pragma once
/// A forwarding plane that keeps what it is told: objects by id, frames, drops. It refuses batches
/// that refer to what is not there, take away what is in use or name an object twice, so a test
/// that passes has seen a state that the real one could be in.

#include <sys/eventfd.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "weft/forwarding.hpp"

namespace weft::test {

/// A compiled policy that still says what it was made of.
struct FakePolicy final : CompiledPolicy {
  explicit FakePolicy(Policy made_of) : policy(std::move(made_of)) {}
  Policy policy;
};
inline std::shared_ptr<const CompiledPolicy> fake_policy(Policy policy) {
  return std::make_shared<const FakePolicy>(std::move(policy));
}

class FakePlane final : public ForwardingPlane {
 public:
  struct Tables {
    std::map<PortId, Port> ports;
    std::map<VrfId, Vrf> vrfs;
    std::map<PolicyId, std::shared_ptr<const CompiledPolicy>> policies;
    std::map<VifId, Vif> vifs;
    std::map<AdjacencyId, Adjacency> adjacencies;
    std::map<NexthopId, Nexthop> nexthops;
    std::map<DecapId, Decap> decaps;
    std::map<std::pair<VrfId, IpPrefix>, NexthopId> routes;
    std::vector<IpAddress> local_addresses;
  };
  struct Sent {
    decltype(Injection::target) target;
    std::vector<std::uint8_t> frame;
  };

  Tables tables;
  std::vector<FlowRecord> sessions;
  mutable std::vector<Policy> compiled_policies;
  std::string uncompilable;  ///< not empty: why none can be, but what is closed
  FlowCounters flow_counts;
  FlowFilter flow_filter;      ///< of the last call
  unsigned flow_slices = 0;    ///< calls
  std::vector<Batch> batches;  ///< that were applied
  unsigned redundant = 0;      ///< changes that told nothing new
  std::vector<Sent> sent;
  std::map<DropReason, unsigned> drops;
  bool refuse = false;  ///< the next batches
  std::vector<PortStatus> opened;
  std::vector<PortRequest> requests;
  std::string unopenable;  ///< a device
  std::map<NexthopId, PacketCount> nexthop_counts;
  CountersSnapshot counters_now;
  ExplainReport explained;
  PortId explained_port;
  std::vector<std::uint8_t> explained_frame;
  std::vector<std::function<void(EventSink&)>> events;
  std::uint64_t deferred = 0;
  bool workers_stand_still = false;  ///< no grace period ends
  unsigned reclaims = 0;
  std::vector<TraceRequest> traces;
  std::vector<CaptureRequest> captures;
  std::map<ObserverId, ObserverStatus> observers;  ///< that run

  std::map<BfdId, BfdRequest> bfd_requests;  ///< all that there ever were
  std::vector<BfdStatus> bfd_sessions;
  std::uint32_t bfd_started = 0;
  std::string unstartable;  ///< not empty: why no BFD session can be

  FakePlane() : event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  FakePlane(const FakePlane&) = delete;
  FakePlane& operator=(const FakePlane&) = delete;
  ~FakePlane() override { close(event_); }

  Result<Generation> apply(const Batch& batch) override {
    if (refuse) return Error{"refused by the test"};
    Tables next = tables;
    unsigned same = 0;
    error_.clear();
    put(next.ports, batch.ports, same);
    put(next.vrfs, batch.vrfs, same);
    put(next.policies, batch.policies, same);
    put(next.vifs, batch.vifs, same);
    put(next.adjacencies, batch.adjacencies, same);
    put(next.nexthops, batch.nexthops, same);
    put(next.decaps, batch.decaps, same);
    std::set<std::pair<VrfId, IpPrefix>> seen;
    for (const auto& route : batch.routes) {
      const std::pair key(route.vrf, route.prefix);
      if (!seen.insert(key).second) error_ = "a route twice in a batch";
      if (route.prefix != route.prefix.masked()) error_ = "a route with host bits";
      if (!route.nexthop.valid()) {
        same += next.routes.erase(key) == 0;
      } else {
        const auto [at, fresh] = next.routes.try_emplace(key, route.nexthop);
        same += !fresh && at->second == route.nexthop;
        at->second = route.nexthop;
      }
    }
    if (batch.local_addresses) next.local_addresses = batch.local_addresses->addresses;
    check(next);
    if (!error_.empty()) return Error{error_};
    tables = std::move(next);
    batches.push_back(batch);
    redundant += same;
    return batches.size();
  }

  [[nodiscard]] Result<std::shared_ptr<const CompiledPolicy>> compile(
      const Policy& policy) const override {
    const std::lock_guard lock(compiling_);
    compiled_policies.push_back(policy);
    if (!uncompilable.empty() && policy != Policy{}) return Error{uncompilable};
    return fake_policy(policy);
  }

  Result<PortStatus> open_port(const PortRequest& request) override {
    if (request.device == unopenable) return Error{"no such device"};
    const PortId id(static_cast<std::uint32_t>(requests.size()));
    const MacAddress mac{{2, 0, 0, 0, 0x0f, static_cast<std::uint8_t>(id.index() + 1)}};
    requests.push_back(request);
    opened.push_back({id, request.name, request.device, mac, request.mtu_bytes, 1, true, false});
    return opened.back();
  }
  Status close_port(PortId id) override {
    if (std::erase_if(opened, [id](const PortStatus& port) { return port.id == id; }) == 0) {
      return Error{"no such port"};
    }
    return ok();
  }
  [[nodiscard]] bool link_up(PortId id) const override {
    return std::ranges::any_of(opened, [id](const auto& p) { return p.id == id && p.link_up; });
  }
  Result<BfdId> start_bfd(const BfdRequest& request) override {
    if (!unstartable.empty()) return Error{unstartable};
    BfdStatus status;
    status.id = BfdId(bfd_started++);
    bfd_requests[status.id] = request;
    bfd_sessions.push_back(status);
    return status.id;
  }
  void stop_bfd(BfdId id) override {
    std::erase_if(bfd_sessions, [id](const BfdStatus& status) { return status.id == id; });
  }
  [[nodiscard]] std::vector<BfdStatus> bfd() const override { return bfd_sessions; }
  [[nodiscard]] std::vector<PortStatus> ports() const override { return opened; }

  bool inject(const Injection& injection) override {
    sent.push_back({injection.target, {injection.frame.begin(), injection.frame.end()}});
    return true;
  }
  [[nodiscard]] ExplainReport explain(const ExplainRequest& request) override {
    explained_port = request.port;
    explained_frame.assign(request.frame.begin(), request.frame.end());
    return explained;
  }

  Result<ObserverId> start_trace(const TraceRequest& request) override {
    traces.push_back(request);
    return observe();
  }
  Result<ObserverId> start_capture(const CaptureRequest& request) override {
    captures.push_back(request);
    return observe();
  }
  ObserverStatus stop_observer(ObserverId id) override {
    const auto status = observer_status(id);
    observers.erase(id);
    return status;
  }
  [[nodiscard]] ObserverStatus observer_status(ObserverId id) const override {
    const auto found = observers.find(id);
    return found == observers.end() ? ObserverStatus{} : found->second;
  }

  [[nodiscard]] CountersSnapshot counters() const override { return counters_now; }
  [[nodiscard]] PacketCount nexthop_counters(NexthopId id) const override {
    const auto found = nexthop_counts.find(id);
    return found == nexthop_counts.end() ? PacketCount{} : found->second;
  }
  [[nodiscard]] PacketCount decap_counters(DecapId) const override { return {3, 300}; }
  [[nodiscard]] TableSizes table_sizes() const override {
    return {4096,
            tables.routes.size(),
            tables.nexthops.size(),
            tables.adjacencies.size(),
            tables.decaps.size(),
            deferred};
  }
  /// Answers `sessions` slice by slice, whatever the filter, which it keeps.
  std::vector<FlowRecord> flows(const FlowFilter& filter, FlowCursor& cursor,
                                std::size_t count) override {
    flow_filter = filter;
    ++flow_slices;
    std::vector<FlowRecord> slice;
    while (slice.size() < count && cursor.session < sessions.size()) {
      slice.push_back(sessions[cursor.session++]);
    }
    cursor.end = cursor.session == sessions.size();
    return slice;
  }
  std::size_t clear_flows(const FlowFilter& filter, FlowCursor& cursor,
                          std::size_t count) override {
    return flows(filter, cursor, count).size();
  }
  [[nodiscard]] FlowCounters flow_counters(IpFamily family) const override {
    return family == IpFamily::v4 ? flow_counts : FlowCounters{};
  }
  void count_drop(DropReason reason) override { ++drops[reason]; }

  [[nodiscard]] int event_descriptor() const override { return event_; }
  void drain_events(EventSink& sink) override {
    eventfd_t count = 0;
    eventfd_read(event_, &count);
    for (const auto& event : std::exchange(events, {})) event(sink);
  }
  void post(std::function<void(EventSink&)> event) {
    events.push_back(std::move(event));
    eventfd_write(event_, 1);
  }
  [[nodiscard]] std::uint64_t begin_grace() override { return ++graces_; }
  [[nodiscard]] bool grace_over(std::uint64_t) override { return !workers_stand_still; }
  void reclaim() override {
    ++reclaims;
    if (deferred > 0) --deferred;
  }

  /// What `prefix` leads to in `vrf`; fails the test's lookup when there is no such route.
  [[nodiscard]] const Nexthop& leads(VrfId vrf, const char* prefix) const {
    return tables.nexthops.at(tables.routes.at({vrf, *parse_prefix(prefix)}));
  }
  /// The policy that a VIF is under; null: none.
  [[nodiscard]] const Policy* policy_of(VifId vif) const {
    const auto id = tables.vifs.at(vif).policy;
    if (!id.valid()) return nullptr;
    return &dynamic_cast<const FakePolicy&>(*tables.policies.at(id)).policy;
  }
  [[nodiscard]] bool has_route(VrfId vrf, const char* prefix) const {
    return tables.routes.contains({vrf, *parse_prefix(prefix)});
  }

 private:
  Result<ObserverId> observe() {
    if (observers.size() >= max_observers) return Error{"too many observers"};
    const ObserverId id(static_cast<std::uint32_t>(traces.size() + captures.size()));
    observers[id] = {};
    return id;
  }
  template <class Table, class Changes>
  void put(Table& table, const Changes& changes, unsigned& same) {
    std::set<std::uint32_t> seen;
    for (const auto& [id, object] : changes) {
      if (!id.valid()) error_ = "an invalid id";
      if (!seen.insert(id.index()).second) error_ = "an object twice in a batch";
      if (!object) {
        same += table.erase(id) == 0;
        continue;
      }
      for (const auto& [other, value] : table) {
        if (other.index() == id.index() && other != id) error_ = "an index that is still in use";
      }
      const auto [at, fresh] = table.try_emplace(id, *object);
      same += !fresh && at->second == *object;
      at->second = *object;
    }
  }

  void want(bool there, const char* what) {
    if (!there) error_ = what;
  }
  void check(const Tables& t) {
    for (const auto& [id, port] : t.ports) {
      want(!port.vif.valid() || t.vifs.contains(port.vif), "a port of a missing vif");
    }
    for (const auto& [id, vif] : t.vifs) {
      want(t.ports.contains(vif.port) && t.vrfs.contains(vif.vrf),
           "a vif of a missing port or vrf");
      if (!vif.policy.valid() || !t.vrfs.contains(vif.vrf)) continue;
      want(t.policies.contains(vif.policy), "a vif under a missing policy");
      want(t.vrfs.at(vif.vrf).flows, "a vif under a policy in a vrf that keeps no flows");
    }
    for (const auto& [id, a] : t.adjacencies) {
      want(!a.buckets.empty() || t.ports.contains(a.port), "an adjacency on a missing port");
      for (const AdjacencyId way : a.buckets) {
        want(t.adjacencies.contains(way), "a way to a missing neighbour");
      }
    }
    for (const auto& [id, nexthop] : t.nexthops) {
      if (const auto* n = std::get_if<nexthop::Interface>(&nexthop)) {
        want(t.adjacencies.contains(n->adjacency), "an interface without adjacency");
      } else if (const auto* r = std::get_if<nexthop::Receive>(&nexthop)) {
        want(!r->adjacency.valid() || t.adjacencies.contains(r->adjacency),
             "the host without adjacency");
      } else if (const auto* u = std::get_if<nexthop::Tunnel>(&nexthop)) {
        want(!u->adjacency.valid() || t.adjacencies.contains(u->adjacency),
             "a tunnel by a missing adjacency");
      } else if (const auto* l = std::get_if<nexthop::Lookup>(&nexthop)) {
        want(t.vrfs.contains(l->vrf), "a lookup in a missing vrf");
      } else if (const auto* g = std::get_if<nexthop::Glean>(&nexthop)) {
        want(t.ports.contains(g->port), "a glean on a missing port");
      } else if (const auto* e = std::get_if<nexthop::Ecmp>(&nexthop)) {
        for (const NexthopId member : e->buckets) {
          want(t.nexthops.contains(member), "an ecmp next hop to a missing one");
        }
      }
    }
    for (const auto& [id, decap] : t.decaps) {
      want(decap.behaviour == SegmentBehaviour::end || t.nexthops.contains(decap.nexthop),
           "a decap to a missing next hop");
    }
    for (const auto& [key, nexthop] : t.routes) {
      want(t.vrfs.contains(key.first) && t.nexthops.contains(nexthop),
           "a route in a missing vrf or to a missing next hop");
    }
  }

  int event_;
  std::uint64_t graces_ = 0;
  std::string error_;
  mutable std::mutex compiling_;  ///< policies are compiled on another thread
};

}  // namespace weft::test
