// Cycles a packet by the size of one table, as a line `TABLE SIZE CYCLES` each:
//   growth [MOST]     tables of at most MOST entries
// Packets go to 64 Ki random places of the table in bursts of 32; what restoring them costs is
// taken off. Median of several passes, by the thread's own time.
#include <algorithm>
#include <cstdio>
#include <random>
#include <unordered_set>

#include "bench_plane.hpp"
#include "stages_up_to.hpp"

namespace {

using namespace weft;
using namespace weft::bench;

constexpr unsigned destinations = 1 << 16;
constexpr unsigned passes = 9;

struct Random {
  std::mt19937 engine;
  std::uint32_t operator()() { return static_cast<std::uint32_t>(engine()); }
};

/// A table of some size, and a frame to a random entry of it.
struct World {
  Rcu rcu{1};
  ForwardingState state{rcu, {}};
  PortId in;
  std::vector<Bytes> frames;

  void apply(const Batch& batch) {
    const auto applied = state.apply(batch);
    if (!applied) {
      std::fprintf(stderr, "%s\n", applied.error().message.c_str());
      std::exit(1);
    }
  }
  /// The ports, one VIF in VRF 1 and neighbours on both.
  void base() {
    Batch batch;
    batch.vrfs = {{underlay_vrf, Vrf{}}, {VrfId(1), Vrf{router_mac}}};
    batch.ports = {{fabric, Port{port_mac, 1500, VifId{}, false}},
                   {vm_port, Port{port_mac, 1500, VifId(0), false}}};
    batch.vifs = {{VifId(0), Vif{vm_port, VrfId(1), vm_mac, {Ipv4Address{vm}}, true}}};
    batch.adjacencies = {{AdjacencyId(0), Adjacency{fabric, Ipv4Address{remote}, port_mac, vm_mac}},
                         {AdjacencyId(1), Adjacency{vm_port, Ipv4Address{vm}, router_mac, vm_mac}}};
    batch.nexthops = {{NexthopId(0), nexthop::Interface{AdjacencyId(0)}},
                      {NexthopId(1), nexthop::Interface{AdjacencyId(1)}}};
    batch.local_addresses = LocalAddresses{{Ipv4Address{local}}};
    apply(batch);
  }
};

/// Plain routing among random prefixes: six in ten are /24, the others /16 to /32.
void routes(World& world, unsigned size) {
  Random random{std::mt19937(size)};
  std::vector<IpPrefix> prefixes;
  std::unordered_set<std::uint64_t> known;
  while (prefixes.size() < size) {
    const auto length = static_cast<std::uint8_t>(random() % 10 < 6 ? 24 : 16 + random() % 17);
    const std::uint32_t address = (1 + random() % 126) << 24 | random() % (1 << 24);
    const IpPrefix prefix = IpPrefix{Ipv4Address{address}, length}.masked();
    if (known.insert(std::uint64_t{prefix.address.v4().value} << 8 | length).second) {
      prefixes.push_back(prefix);
    }
  }
  Batch batch;
  for (const IpPrefix& prefix : prefixes) {
    batch.routes.push_back({underlay_vrf, prefix, NexthopId(0)});
  }
  world.apply(batch);
  world.in = fabric;
  for (unsigned i = 0; i < destinations; ++i) {
    const IpPrefix& prefix = prefixes[random() % size];
    const std::uint32_t hosts = prefix.length == 32 ? 0 : ~std::uint32_t{0} >> prefix.length;
    world.frames.push_back(small_frame(
        {port_mac, vm_mac},
        {vm, prefix.address.v4().value | (random() & hosts), static_cast<std::uint16_t>(i), 2000}));
  }
}

/// Encapsulation into so many tunnels, each with its route and next hop.
void tunnels(World& world, unsigned size) {
  Random random{std::mt19937(size)};
  Batch batch;
  for (unsigned t = 0; t < size; ++t) {
    TunnelProfile profile;
    profile.local = Ipv4Address{local};
    profile.remote = Ipv4Address{0x0b000000 + t};
    profile.vni = t;
    profile.inner_destination_mac = router_mac;
    batch.nexthops.push_back({NexthopId(2 + t), nexthop::Tunnel{profile, AdjacencyId(0)}});
    batch.routes.push_back({VrfId(1), IpPrefix::host(Ipv4Address{far_vms + t}), NexthopId(2 + t)});
  }
  world.apply(batch);
  world.in = vm_port;
  for (unsigned i = 0; i < destinations; ++i) {
    world.frames.push_back(
        small_frame({router_mac, vm_mac},
                    {vm, far_vms + random() % size, static_cast<std::uint16_t>(i), 2000}));
  }
}

/// Decapsulation out of so many tunnels, each into a VRF of its own.
void vrfs(World& world, unsigned size) {
  Random random{std::mt19937(size)};
  Batch batch;
  for (unsigned v = 0; v < size; ++v) {
    const VrfId vrf(2 + v);
    batch.vrfs.push_back({vrf, Vrf{router_mac}});
    batch.nexthops.push_back({NexthopId(2 + v), nexthop::Lookup{vrf}});
    batch.routes.push_back({vrf, IpPrefix::host(Ipv4Address{vm}), NexthopId(1)});
    batch.decaps.push_back({DecapId(v), decap_of({}, v, NexthopId(2 + v))});
  }
  world.apply(batch);
  world.in = fabric;
  for (unsigned i = 0; i < destinations; ++i) {
    const auto port = static_cast<std::uint16_t>(i);
    const Bytes inner = small_frame({router_mac, vm_mac}, {far_vms + 1, vm, port, 2000});
    world.frames.push_back(
        tunnelled(TunnelWay{}, random() % size, inner, static_cast<std::uint16_t>(port | 0xc000)));
  }
}

/// Sends all frames through the pipeline, or only restores them; answers cycles a packet.
class Passes {
 public:
  explicit Passes(const World& world) : world_(world), frame_bytes_(world.frames[0].size()) {
    for (const Bytes& frame : world.frames) all_.insert(all_.end(), frame.begin(), frame.end());
  }

  double run(bool forward) {
    const Ingress ingress = ingress_of(world_.state.tables(), world_.in.index());
    Context ctx{world_.state.tables(), *counters_, *exits_, {}};
    const double start = thread_ns();
    for (std::size_t next = 0; next < destinations; next += Bursts::size) {
      for (std::size_t i = 0; i < Bursts::size; ++i) {
        packets_.lay(i, {&all_[(next + i) * frame_bytes_], frame_bytes_});
      }
      if (forward) run_received(ctx, *burst_, ingress, packets_.first());
      empty(*exits_);
    }
    return (thread_ns() - start) * tsc_ghz() / destinations;
  }
  [[nodiscard]] bool all_left() const {
    return exits_->dropped.count + exits_->punted.count + exits_->held.count == 0;
  }

 private:
  const World& world_;
  std::size_t frame_bytes_;
  Bytes all_;
  Slots<Bursts::size> packets_;
  std::unique_ptr<WorkerCounters> counters_ = std::make_unique<WorkerCounters>();
  std::unique_ptr<Exits> exits_ = std::make_unique<Exits>();
  std::unique_ptr<Burst> burst_ = std::make_unique<Burst>();
};

void measure(const char* table, void (*fill)(World&, unsigned), unsigned most) {
  for (unsigned size = 1; size <= most; size *= 10) {
    World world;
    world.base();
    fill(world, size);
    Passes all(world);
    std::vector<double> restored;
    std::vector<double> forwarded;
    all.run(true);
    for (unsigned i = 0; i < passes; ++i) {
      restored.push_back(all.run(false));
      forwarded.push_back(all.run(true));
    }
    if (!all.all_left()) {
      std::fprintf(stderr, "%s %u: packets did not leave by a port\n", table, size);
      std::exit(1);
    }
    std::printf("%s %u %.1f\n", table, size, median(forwarded) - median(restored));
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto most = static_cast<unsigned>(argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1000000);
  pool();
  measure("routes", routes, std::min(most, 1000000U));
  measure("tunnels", tunnels, std::min(most, 100000U));
  measure("vrfs", vrfs, std::min(most, 10000U));
  stop_eal();
  return 0;
}
