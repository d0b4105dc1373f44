#include "versions.hpp"

#include <fmt/format.h>

#include "decap_of.hpp"
#include "version_fields.hpp"

namespace weft::bench {
namespace {

constexpr std::uint32_t local = 0xc0000201;    // 192.0.2.1
constexpr std::uint32_t remote = 0xc0000202;   // 192.0.2.2
constexpr std::uint32_t vm = 0x0a010001;       // 10.1.0.1
constexpr std::uint32_t far_vms = 0x0a020000;  // 10.2.0.0
constexpr MacAddress router_mac{{2, 0, 0x5e, 0, 1, 1}};
constexpr MacAddress port_mac{{2, 0, 0, 0, 9, 1}};
constexpr MacAddress vm_mac{{2, 0, 0, 0, 1, 1}};
constexpr unsigned vif_vrf = 1 + Versions::vrfs;
constexpr unsigned to_vm = Versions::tunnels;         // next hops, one a VRF
constexpr unsigned look_up = to_vm + Versions::vrfs;  // likewise
constexpr std::uint32_t first_vni = 1000;

Route route(unsigned vrf, std::uint32_t address, std::uint8_t length, NexthopId nexthop) {
  return {VrfId(vrf), {Ipv4Address{address}, length}, nexthop};
}

}  // namespace

bool Versions::History::plausible(Version version) {
  const auto ahead = static_cast<std::int16_t>(version - seen);
  const auto unborn =
      static_cast<std::int16_t>(version - published.load(std::memory_order_acquire));
  if (ahead < 0 || unborn > 0) return false;
  seen = version;
  return true;
}

NexthopChange Versions::tunnel(unsigned number) {
  const Version version = tunnels_[number].published.load(std::memory_order_relaxed);
  TunnelProfile profile;
  profile.local = Ipv4Address{outer_address(11, number, version)};
  profile.remote = Ipv4Address{remote_of(number, version)};
  profile.vni = number << 16 | version;
  profile.destination_port = udp_port(version);
  profile.source_ports = {first_source_port(version),
                          static_cast<std::uint16_t>(first_source_port(version) + 0xff)};
  profile.inner_destination_mac = inner_mac(number, version);
  profile.ttl = outer_ttl(version);
  profile.dscp = outer_dscp(version);
  return {NexthopId(number),
          nexthop::Tunnel{profile, AdjacencyId((number + version) % fabric_adjacencies)}};
}

AdjacencyChange Versions::adjacency(unsigned number) {
  const Version version = adjacencies_[number].published.load(std::memory_order_relaxed);
  const bool fabric = number < fabric_adjacencies;
  return {AdjacencyId(number),
          Adjacency{fabric ? fabric_ : vm_,
                    Ipv4Address{fabric ? remote : vm},
                    {{2, 0xad, low(number), 0, high(version), low(version)}},
                    MacAddress{{2, 0xad, low(number), 1, high(version), low(version)}}}};
}

DecapChange Versions::decap(unsigned number) {
  const unsigned version = decaps_[number];
  const unsigned vrf = (number + (version & 1)) % vrfs;
  Decap decap = decap_of(local, first_vni + number, IpPrefix::host(Ipv4Address{remote}),
                         NexthopId(look_up + vrf));
  if ((version & 1) != 0) {
    decap.sources = {{Ipv4Address{0x0a000000}, 8}, {Ipv4Address{remote & 0xffffff00}, 24}};
  }
  return {DecapId(number), decap};
}

/// In turn: to its own tunnel, to the neighbouring one, withdrawn, where a shorter prefix leads to
/// one of the two.
void Versions::change_route(unsigned destination, Batch& batch) {
  const unsigned state = routes_[destination] % 3;
  const NexthopId to = state == 2 ? NexthopId{} : NexthopId(destination ^ state);
  batch.routes.push_back(route(vif_vrf, far_vms + destination, 32, to));
}

Batch Versions::world() {
  Batch batch;
  batch.local_addresses = LocalAddresses{{Ipv4Address{local}}};
  batch.vrfs.push_back({underlay_vrf, Vrf{}});
  batch.vrfs.push_back({VrfId(vif_vrf), Vrf{router_mac}});
  batch.ports.push_back({fabric_, Port{port_mac, 1500, VifId{}, false}});
  batch.ports.push_back({vm_, Port{port_mac, 1500, VifId(0), false}});
  batch.vifs.push_back({VifId(0), Vif{vm_, VrfId(vif_vrf), vm_mac, {Ipv4Address{vm}}, true}});
  for (unsigned i = 0; i < adjacencies_.size(); ++i) batch.adjacencies.push_back(adjacency(i));
  for (unsigned i = 0; i < vrfs; ++i) {
    batch.vrfs.push_back({VrfId(1 + i), Vrf{router_mac}});
    batch.nexthops.push_back(
        {NexthopId(to_vm + i), nexthop::Interface{AdjacencyId(fabric_adjacencies + i)}});
    batch.nexthops.push_back({NexthopId(look_up + i), nexthop::Lookup{VrfId(1 + i)}});
    batch.routes.push_back(route(1 + i, vm, 32, NexthopId(to_vm + i)));
  }
  for (unsigned i = 0; i < tunnels; ++i) {
    batch.nexthops.push_back(tunnel(i));
    batch.decaps.push_back(decap(i));
    change_route(i, batch);
    if (i % 2 == 0) batch.routes.push_back(route(vif_vrf, far_vms + i, 31, NexthopId(i)));
  }
  return batch;
}

Batch Versions::change(unsigned count) {
  Batch batch;
  for (unsigned i = 0; i < count; ++i) {
    const unsigned kind = static_cast<unsigned>(changes_++ % 10);
    if (kind < 4) {
      next_tunnel_ = (next_tunnel_ + 101) % tunnels;
      tunnels_[next_tunnel_].published.fetch_add(1, std::memory_order_release);
      batch.nexthops.push_back(tunnel(next_tunnel_));
    } else if (kind < 6) {
      next_adjacency_ = (next_adjacency_ + 1) % adjacencies_.size();
      adjacencies_[next_adjacency_].published.fetch_add(1, std::memory_order_release);
      batch.adjacencies.push_back(adjacency(next_adjacency_));
    } else if (kind < 8) {
      next_route_ = (next_route_ + 37) % tunnels;
      ++routes_[next_route_];
      change_route(next_route_, batch);
    } else if (kind < 9) {
      next_decap_ = (next_decap_ + 59) % tunnels;
      ++decaps_[next_decap_];
      batch.decaps.push_back(decap(next_decap_));
    } else {
      next_vrf_ = (next_vrf_ + 1) % (vrfs + 1);
      if (next_vrf_ == 0) {
        batch.vifs.push_back({VifId(0), Vif{vm_, VrfId(vif_vrf), vm_mac, {Ipv4Address{vm}}, true}});
      } else {
        batch.vrfs.push_back({VrfId(next_vrf_), Vrf{router_mac}});
      }
    }
  }
  return batch;
}

std::vector<Bytes> Versions::from_vm(unsigned flows) {
  std::vector<Bytes> frames;
  for (unsigned i = 0; i < flows; ++i) {
    frames.push_back(
        small_frame({router_mac, vm_mac},
                    {vm, far_vms + i * 101 % tunnels, static_cast<std::uint16_t>(1024 + i), 2000}));
  }
  return frames;
}

std::vector<Bytes> Versions::from_fabric(unsigned flows) {
  std::vector<Bytes> frames;
  for (unsigned i = 0; i < flows; ++i) {
    const unsigned tunnel = i * 59 % tunnels;
    const auto port = static_cast<std::uint16_t>(1024 + i);
    frames.push_back(vxlan_frame(
        {port_mac, vm_mac}, {remote, local, static_cast<std::uint16_t>(49152 + i % 16384), 4789},
        first_vni + tunnel, small_frame({router_mac, vm_mac}, {far_vms + tunnel, vm, port, 2000})));
  }
  return frames;
}

const char* Versions::adjacency_fault(const std::uint8_t* macs, unsigned& number) {
  number = macs[2];
  if (read_number(macs, 2) != 0x02ad || read_number(macs + 6, 2) != 0x02ad || macs[3] != 1 ||
      macs[9] != 0 || macs[8] != number || number >= adjacencies_.size()) {
    return "the outermost MACs are not of one adjacency";
  }
  if (read_number(macs + 4, 2) != read_number(macs + 10, 2))
    return "the outermost MACs are of two versions";
  if (!adjacencies_[number].plausible(static_cast<Version>(read_number(macs + 4, 2)))) {
    return "the adjacency's version is older than one seen before, or was never published";
  }
  return nullptr;
}

const char* Versions::encapsulated_fault(std::span<const std::uint8_t> frame) {
  const TunnelFrame read = read_tunnel_frame(frame);
  if (read.fault != nullptr) return read.fault;
  unsigned adjacency = 0;
  if (const char* fault = adjacency_fault(frame.data(), adjacency)) return fault;
  if (adjacency != (read.tunnel + read.version) % fabric_adjacencies) {
    return "VNI and adjacency differ";
  }
  if (read_number(frame.data() + 14 + 12, 4) != outer_address(11, read.tunnel, read.version)) {
    return "VNI and outer source differ";
  }
  if (!tunnels_[read.tunnel].plausible(static_cast<Version>(read.version))) {
    return "the tunnel's version is older than one seen before, or was never published";
  }
  return nullptr;
}

const char* Versions::decapsulated_fault(std::span<const std::uint8_t> frame) {
  const std::uint8_t* at = frame.data();
  if (frame.size() != 60) return "the packet has another length";
  unsigned adjacency = 0;
  if (const char* fault = adjacency_fault(at, adjacency)) return fault;
  const unsigned tunnel = at[14 + 15];
  const unsigned vrf = adjacency - fabric_adjacencies;  // wraps for the fabric's
  if (vrf != tunnel % vrfs && vrf != (tunnel + 1) % vrfs) return "the VRF is another tunnel's";
  if (at[14 + 8] != 63) return "the TTL is not one less";
  return nullptr;
}

void Versions::judge_encapsulated(std::span<const std::uint8_t> frame) {
  verdicts_.note(frame, encapsulated_fault(frame));
}

void Versions::judge_decapsulated(std::span<const std::uint8_t> frame) {
  verdicts_.note(frame, decapsulated_fault(frame));
}

}  // namespace weft::bench
