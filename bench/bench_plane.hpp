#pragma once
/// Tables and bursts for the stage and pipeline benchmarks: one VIF, one fabric port, tunnels and
/// routes as a node has them, and packets of 60 bytes.

#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "bench_eal.hpp"
#include "policy/compiled_policy.hpp"
#include "stages/pipeline.hpp"
#include "tables/forwarding_state.hpp"
#include "tunnel_way.hpp"

namespace weft::bench {

inline constexpr PortId fabric{0};
inline constexpr PortId vm_port{1};
inline constexpr std::uint32_t vm = 0x0a010001;       // 10.1.0.1
inline constexpr std::uint32_t far_vms = 0x0a020000;  // 10.2.0.0/16

enum class Work { encap, decap, route };

struct PlaneOptions {
  unsigned tunnels = 1;
  TunnelWay way{};
  bool flows = false;                               ///< VIFs and VRFs keep them
  unsigned rules = 0;                               ///< of the VIF, each way; 0: it has no policy
  std::size_t sessions = FlowSettings{}.sessions4;  ///< of IPv4, that fit
  tunnel::HashSeed seed{};
};

/// So many rules of which the last lets the bench's packets through.
inline PolicyRules many_rules(unsigned count) {
  std::mt19937 random(count);
  PolicyRules all;
  while (all.rules.size() + 1 < count) {
    PolicyRule rule;
    rule.protocol = random() % 2 != 0 ? 6 : 17;
    const auto network = static_cast<std::uint32_t>(0x0a000000 | (random() & 0x3ffff));
    const auto length = static_cast<std::uint8_t>(17 + random() % 16);
    rule.destinations = {IpPrefix{Ipv4Address{network}, length}.masked()};
    const auto first = static_cast<std::uint16_t>(random() % 60000);
    rule.destination_ports = {{first, static_cast<std::uint16_t>(first + random() % 100)}};
    all.rules.push_back(rule);
  }
  all.rules.push_back({});
  return all;
}

/// VRF 1 + i holds VNI (or label, or key) 100 + i; its routes to 10.2.0.0/16 and address6() of it
/// lead into a tunnel.
class Plane {
 public:
  explicit Plane(const PlaneOptions& options = {})
      : state_(rcu_, options.seed, sizes(options), static_cast<std::uint64_t>(tsc_ghz() * 1e9)),
        hands_(*state_.tables().flows, rcu_, 0),
        tunnels_(options.tunnels),
        way_(options.way) {
    const bool flows = options.flows;
    Batch batch;
    Vif vif{vm_port, VrfId(1), vm_mac, {Ipv4Address{vm}, address6(vm)}, true, false, flows};
    if (options.rules != 0) {
      pool();  // rules need DPDK's memory
      static unsigned compiled_before = 0;
      const PolicyRules rules = many_rules(options.rules);
      auto compiled = compile({rules, rules}, "bench" + std::to_string(compiled_before++));
      if (!compiled) std::abort();
      batch.policies.push_back({PolicyId(0), std::shared_ptr<const CompiledPolicy>(*compiled)});
      vif.policy = PolicyId(0);
    }
    batch.vrfs.push_back({underlay_vrf, Vrf{{}, flows}});
    batch.ports.push_back({fabric, Port{port_mac, 1500, VifId{}, false}});
    batch.ports.push_back({vm_port, Port{port_mac, 1500, VifId(0), false}});
    batch.vifs.push_back({VifId(0), vif});
    batch.adjacencies.push_back(
        {AdjacencyId(0), Adjacency{fabric, Ipv4Address{remote}, port_mac, vm_mac}});
    batch.adjacencies.push_back(
        {AdjacencyId(1), Adjacency{vm_port, Ipv4Address{vm}, router_mac, vm_mac}});
    batch.nexthops.push_back({NexthopId(0), nexthop::Interface{AdjacencyId(1)}});
    batch.nexthops.push_back({NexthopId(1), nexthop::Interface{AdjacencyId(0)}});
    batch.routes.push_back({underlay_vrf, {Ipv4Address{far_vms}, 16}, NexthopId(1)});
    batch.local_addresses = LocalAddresses{{ends::here(way_)}};
    for (unsigned i = 0; i < tunnels_; ++i) {
      const VrfId vrf(1 + i);
      const TunnelProfile profile = profile_of(way_, i);
      batch.vrfs.push_back({vrf, Vrf{router_mac, flows}});
      batch.nexthops.push_back({NexthopId(2 + 2 * i), nexthop::Tunnel{profile, AdjacencyId(0)}});
      batch.nexthops.push_back({NexthopId(3 + 2 * i), nexthop::Lookup{vrf}});
      batch.decaps.push_back({DecapId(i), decap_of(way_, i, NexthopId(3 + 2 * i))});
      batch.routes.push_back({vrf, {Ipv4Address{far_vms}, 16}, NexthopId(2 + 2 * i)});
      batch.routes.push_back({vrf, {Ipv4Address{vm}, 32}, NexthopId(0)});
      batch.routes.push_back({vrf, {address6(far_vms), 112}, NexthopId(2 + 2 * i)});
      batch.routes.push_back({vrf, {address6(vm), 128}, NexthopId(0)});
    }
    if (!state_.apply(batch)) std::abort();
  }

  [[nodiscard]] const Tables& tables() const { return state_.tables(); }
  [[nodiscard]] unsigned tunnels() const { return tunnels_; }
  [[nodiscard]] const TunnelWay& way() const { return way_; }
  [[nodiscard]] FlowHands* hands() const { return &hands_; }
  [[nodiscard]] FlowTables& flows() const { return *state_.tables().flows; }

 private:
  static FlowSettings sizes(const PlaneOptions& options) {
    FlowSettings settings;
    settings.sessions4 = options.sessions;
    return settings;
  }

  Rcu rcu_{1};
  ForwardingState state_;
  mutable FlowHands hands_;  // a worker's, as all that counts
  unsigned tunnels_;
  TunnelWay way_;
};

/// The flow that a packet of so big a number belongs to, as a VM sends it; 2^27 differ.
inline Flow flow_of(std::uint32_t number) {
  const auto port = static_cast<std::uint16_t>(1000 + number % 32 + (number >> 16) * 32);
  return {vm, far_vms + (number & 0xffff), port, 2000};
}
/// The same as packets of the other direction have it.
inline Flow answer_to(const Flow& flow) {
  return {flow.destination, flow.source, flow.destination_port, flow.source_port};
}

/// `inner` as the fabric sends it, through one of so many tunnels.
inline Bytes tunnelled(const Bytes& inner, std::uint32_t number, unsigned tunnels = 1,
                       const TunnelWay& way = {}) {
  return tunnelled(way, number % tunnels, inner,
                   static_cast<std::uint16_t>(49152 + number % 16384));
}

/// A packet of flow_of(number); to be decapsulated is its answer.
inline Bytes frame_of(Work work, IpFamily family, std::uint32_t number, unsigned tunnels = 1,
                      const TunnelWay& way = {}) {
  const Macs macs{work == Work::route ? port_mac : router_mac, vm_mac};
  const Flow flow = work == Work::decap ? answer_to(flow_of(number)) : flow_of(number);
  const Bytes frame = family == IpFamily::v4 ? small_frame(macs, flow) : udp_frame6(macs, flow);
  return work == Work::decap ? tunnelled(frame, number, tunnels, way) : frame;
}
inline Ingress ingress_of(const Plane& plane, Work work) {
  return weft::ingress_of(plane.tables(), work == Work::encap ? vm_port.index() : fabric.index());
}

/// A burst of 32 that can be sent through the stages again and again: each round undoes what they
/// did.
class Bursts {
 public:
  static constexpr unsigned size = 32;
  static constexpr unsigned packets_a_round = size;

  Bursts(const Plane& plane, Work work, IpFamily family = IpFamily::v4)
      : ingress_(ingress_of(plane, work)) {
    for (std::uint16_t i = 0; i < size; ++i) {
      originals_[i] = frame_of(work, family, i, plane.tunnels(), plane.way());
    }
  }

  /// `run(ingress, packets)` for the burst.
  template <class Run>
  void round(Run&& run) {
    for (unsigned i = 0; i < size; ++i) packets_.lay(i, originals_[i]);
    run(ingress_, packets_.first());
  }

 private:
  Ingress ingress_;
  Slots<size> packets_;
  std::array<Bytes, size> originals_;
};

}  // namespace weft::bench
