#pragma once
/// What flatters nobody: 256 tunnels in 16 VRFs, packets in random order, bursts of 1 to 32.

#include <algorithm>
#include <random>

#include "bench_plane.hpp"

namespace weft::bench {

/// VRF 1 + v has a VIF with port 1 + v and 16 tunnels: tunnel t is of VRF 1 + t % 16, has VNI (or
/// label, or key) 100 + t and leads to 10.2.0.(t / 16).
class MixedPlane {
 public:
  static constexpr unsigned vrfs = 16;
  static constexpr unsigned tunnels = 256;

  explicit MixedPlane(const TunnelWay& way = {}) : state_(rcu_, {}), way_(way) {
    Batch batch;
    batch.vrfs.push_back({underlay_vrf, Vrf{}});
    batch.ports.push_back({fabric, Port{port_mac, 1500, VifId{}, false}});
    batch.local_addresses = LocalAddresses{{ends::here(way_)}};
    batch.adjacencies.push_back(
        {AdjacencyId(0), Adjacency{fabric, Ipv4Address{remote}, port_mac, vm_mac}});
    for (unsigned v = 0; v < vrfs; ++v) {
      const PortId port(1 + v);
      const VrfId vrf(1 + v);
      batch.vrfs.push_back({vrf, Vrf{router_mac}});
      batch.ports.push_back({port, Port{port_mac, 1500, VifId(v), false}});
      batch.vifs.push_back({VifId(v), Vif{port, vrf, vm_mac, {Ipv4Address{vm}}, true}});
      batch.adjacencies.push_back(
          {AdjacencyId(1 + v), Adjacency{port, Ipv4Address{vm}, router_mac, vm_mac}});
      batch.nexthops.push_back({NexthopId(v), nexthop::Interface{AdjacencyId(1 + v)}});
      batch.nexthops.push_back({NexthopId(vrfs + v), nexthop::Lookup{vrf}});
      batch.routes.push_back({vrf, IpPrefix::host(Ipv4Address{vm}), NexthopId(v)});
    }
    for (unsigned t = 0; t < tunnels; ++t) {
      const NexthopId id(2 * vrfs + t);
      batch.nexthops.push_back({id, nexthop::Tunnel{profile_of(way_, t), AdjacencyId(0)}});
      batch.routes.push_back(
          {VrfId(1 + t % vrfs), IpPrefix::host(Ipv4Address{far_vms + t / vrfs}), id});
      batch.decaps.push_back({DecapId(t), decap_of(way_, t, NexthopId(vrfs + t % vrfs))});
    }
    if (!state_.apply(batch)) std::abort();
  }

  [[nodiscard]] const Tables& tables() const { return state_.tables(); }
  [[nodiscard]] FlowHands* hands() const { return &hands_; }
  [[nodiscard]] const TunnelWay& way() const { return way_; }

 private:
  Rcu rcu_{1};
  ForwardingState state_;
  mutable FlowHands hands_{*state_.tables().flows, rcu_, 0};
  TunnelWay way_;
};

/// A round is one burst of each size from 1 to 32. Bursts come from one port each, as they do from
/// any router's ports; the seed is fixed.
class MixedBursts {
 public:
  static constexpr unsigned size = Bursts::size;
  static constexpr unsigned packets_a_round = size * (size + 1) / 2;

  MixedBursts(const MixedPlane& plane, Work work) {
    std::mt19937 random(1);
    std::array<std::uint16_t, size> sizes;
    for (std::uint16_t i = 0; i < size; ++i) sizes[i] = static_cast<std::uint16_t>(i + 1);
    std::shuffle(sizes.begin(), sizes.end(), random);
    std::uint16_t flow = 0;
    for (const std::uint16_t count : sizes) {
      const unsigned vrf = random() % MixedPlane::vrfs;
      One burst{ingress_of(plane.tables(), work == Work::encap ? 1 + vrf : fabric.index()), {}};
      for (std::uint16_t i = 0; i < count; ++i) {
        const unsigned tunnel = random() % MixedPlane::tunnels;
        burst.frames.push_back(
            frame(plane.way(), work,
                  work == Work::encap ? tunnel / MixedPlane::vrfs * MixedPlane::vrfs + vrf : tunnel,
                  flow++));
      }
      bursts_.push_back(std::move(burst));
    }
  }

  /// `run(ingress, packets)` for each burst.
  template <class Run>
  void round(Run&& run) {
    for (const One& burst : bursts_) {
      for (std::size_t i = 0; i < burst.frames.size(); ++i) packets_.lay(i, burst.frames[i]);
      run(burst.ingress, packets_.first(burst.frames.size()));
    }
  }

 private:
  struct One {
    Ingress ingress;
    std::vector<Bytes> frames;
  };
  static Bytes frame(const TunnelWay& way, Work work, unsigned tunnel, std::uint16_t flow) {
    const auto port = static_cast<std::uint16_t>(1000 + flow);
    const Macs inner{router_mac, vm_mac};
    const std::uint32_t far = far_vms + tunnel / MixedPlane::vrfs;
    if (work == Work::encap) return small_frame(inner, {vm, far, port, 2000});
    return tunnelled(way, tunnel, small_frame(inner, {far, vm, port, 2000}),
                     static_cast<std::uint16_t>(49152 + flow));
  }

  std::vector<One> bursts_;
  Slots<size> packets_;
};

}  // namespace weft::bench
