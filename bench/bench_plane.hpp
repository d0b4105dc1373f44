#pragma once
/// Tables and bursts for the stage and pipeline benchmarks: one VIF, one fabric port, tunnels and
/// routes as a node has them, and packets of 60 bytes.

#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "bench_eal.hpp"
#include "frames.hpp"
#include "stages/pipeline.hpp"
#include "tables/forwarding_state.hpp"

namespace weft::bench {

inline const MacAddress router_mac{{2, 0, 0x5e, 0, 1, 1}};
inline const MacAddress port_mac{{2, 0, 0, 0, 9, 1}};
inline const MacAddress vm_mac{{2, 0, 0, 0, 1, 1}};
inline constexpr PortId fabric{0};
inline constexpr PortId vm_port{1};
inline constexpr std::uint32_t local = 0xc0000201;    // 192.0.2.1
inline constexpr std::uint32_t remote = 0xc0000202;   // 192.0.2.2
inline constexpr std::uint32_t vm = 0x0a010001;       // 10.1.0.1
inline constexpr std::uint32_t far_vms = 0x0a020000;  // 10.2.0.0/16

enum class Work { encap, decap, route };
/// Whether VIFs and VRFs keep flows.
enum class Flows : bool { off, on };

/// VRF 1 + i holds VNI 100 + i; its route to 10.2.0.0/16 leads into a tunnel.
class Plane {
 public:
  explicit Plane(unsigned tunnels = 1, Flows keep = Flows::off)
      : state_(rcu_, {}), hands_(*state_.tables().flows, rcu_, 0), tunnels_(tunnels) {
    const bool flows = keep == Flows::on;
    Batch batch;
    batch.vrfs.push_back({underlay_vrf, Vrf{{}, flows}});
    batch.ports.push_back({fabric, Port{port_mac, 1500, VifId{}, false}});
    batch.ports.push_back({vm_port, Port{port_mac, 1500, VifId(0), false}});
    batch.vifs.push_back(
        {VifId(0), Vif{vm_port, VrfId(1), vm_mac, {Ipv4Address{vm}}, true, false, flows}});
    batch.adjacencies.push_back(
        {AdjacencyId(0), Adjacency{fabric, Ipv4Address{remote}, port_mac, vm_mac}});
    batch.adjacencies.push_back(
        {AdjacencyId(1), Adjacency{vm_port, Ipv4Address{vm}, router_mac, vm_mac}});
    batch.nexthops.push_back({NexthopId(0), nexthop::Interface{AdjacencyId(1)}});
    batch.nexthops.push_back({NexthopId(1), nexthop::Interface{AdjacencyId(0)}});
    batch.routes.push_back({underlay_vrf, {Ipv4Address{far_vms}, 16}, NexthopId(1)});
    batch.local_addresses = LocalAddresses{{Ipv4Address{local}}};
    for (unsigned i = 0; i < tunnels; ++i) {
      const VrfId vrf(1 + i);
      TunnelProfile profile;
      profile.local = Ipv4Address{local};
      profile.remote = Ipv4Address{remote};
      profile.vni = 100 + i;
      profile.inner_destination_mac = router_mac;
      batch.vrfs.push_back({vrf, Vrf{router_mac, flows}});
      batch.nexthops.push_back({NexthopId(2 + 2 * i), nexthop::Tunnel{profile, AdjacencyId(0)}});
      batch.nexthops.push_back({NexthopId(3 + 2 * i), nexthop::Lookup{vrf}});
      batch.decaps.push_back({DecapId(i), Decap{.local = Ipv4Address{local},
                                                .vni = 100 + i,
                                                .sources = {{Ipv4Address{remote}, 24}},
                                                .nexthop = NexthopId(3 + 2 * i)}});
      batch.decaps.back().object->sources[0] = batch.decaps.back().object->sources[0].masked();
      batch.routes.push_back({vrf, {Ipv4Address{far_vms}, 16}, NexthopId(2 + 2 * i)});
      batch.routes.push_back({vrf, {Ipv4Address{vm}, 32}, NexthopId(0)});
    }
    if (!state_.apply(batch)) std::abort();
  }

  [[nodiscard]] const Tables& tables() const { return state_.tables(); }
  [[nodiscard]] unsigned tunnels() const { return tunnels_; }
  [[nodiscard]] FlowHands* hands() const { return &hands_; }

 private:
  Rcu rcu_{1};
  ForwardingState state_;
  mutable FlowHands hands_;  // a worker's, as all that counts
  unsigned tunnels_;
};

/// A burst of 32 that can be sent through the stages again and again: each round undoes what they
/// did.
class Bursts {
 public:
  static constexpr unsigned size = 32;
  static constexpr unsigned packets_a_round = size;

  Bursts(const Plane& plane, Work work)
      : ingress_(
            ingress_of(plane.tables(), work == Work::encap ? vm_port.index() : fabric.index())) {
    for (std::uint16_t i = 0; i < size; ++i) {
      rte_mbuf* mbuf = rte_pktmbuf_alloc(pool());
      const Bytes bytes = frame(work, i, plane.tunnels());
      std::memcpy(rte_pktmbuf_append(mbuf, static_cast<std::uint16_t>(bytes.size())), bytes.data(),
                  bytes.size());
      packets_[i] = mbuf;
      originals_[i] = bytes;
      offsets_[i] = mbuf->data_off;
    }
  }
  ~Bursts() {
    for (rte_mbuf* mbuf : packets_) rte_pktmbuf_free(mbuf);
  }
  Bursts(const Bursts&) = delete;
  Bursts& operator=(const Bursts&) = delete;

  /// `run(ingress, packets)` for the burst.
  template <class Run>
  void round(Run&& run) {
    restore();
    run(ingress_, std::span<rte_mbuf* const>(packets_));
  }

 private:
  void restore() {
    for (unsigned i = 0; i < size; ++i) {
      rte_mbuf* m = packets_[i];
      m->data_off = offsets_[i];
      m->data_len = static_cast<std::uint16_t>(originals_[i].size());
      m->pkt_len = m->data_len;
      std::memcpy(rte_pktmbuf_mtod(m, void*), originals_[i].data(), originals_[i].size());
    }
  }

  static Bytes frame(Work work, std::uint16_t i, unsigned tunnels) {
    const auto port = static_cast<std::uint16_t>(1000 + i);
    const Macs inner{work == Work::route ? port_mac : router_mac, vm_mac};
    if (work != Work::decap) return small_frame(inner, {vm, far_vms + i, port, 2000});
    return vxlan_frame({port_mac, vm_mac},
                       {remote, local, static_cast<std::uint16_t>(49152 + i), 4789},
                       100 + i % tunnels, small_frame(inner, {far_vms + i, vm, port, 2000}));
  }

  Ingress ingress_;
  std::array<rte_mbuf*, size> packets_{};
  std::array<Bytes, size> originals_;
  std::array<std::uint16_t, size> offsets_{};
};

}  // namespace weft::bench
