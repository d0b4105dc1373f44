// Bursts: packets that fare differently side by side, and their order.
#include <catch2/catch.hpp>
#include <map>

#include "support/seed.hpp"
#include "support/stage_case.hpp"

namespace weft::burst_test {
namespace {

/// Packets of each fate that one port can meet.
std::vector<Bytes> mixture(PortId port) {
  using namespace packets;
  if (port == world::fabric) {
    return {hex(peer_udp4),
            hex(peer_red),
            hex(peer_tcp6),
            hex(peer6_tcp4),
            hex(peer_deliver),
            hex(nested_4),
            hex(nested_5),
            hex(underlay_transit),
            hex(peer_arp),
            hex(peer_fragment),
            with(peer_udp4, at::vni, "0000ff"),
            with(peer_udp4, at::vxlan, "00"),
            with(peer_udp4, 0, "02"),
            with(peer_udp4, 12, "8100"),
            with_ipv4(peer_udp4, at::inner_ip, 8, "01"),
            with_ipv4(underlay_transit, at::ip, 16, "c0000263"),
            with_ipv4(underlay_transit, at::ip, 16, "0b000001"),
            with_ipv4(peer_udp4, at::inner_ip, 16, "0b000001"),
            with_ipv4(underlay_transit, at::ip, 16, "c0000201")};
  }
  return {hex(vm1_udp4),
          hex(vm1_tcp6),
          hex(vm1_tcp4),
          hex(vm1_udp6),
          hex(vm1_local4),
          hex(vm1_local6),
          hex(vm1_arp),
          hex(vm1_nd),
          hex(vm1_to_router4),
          hex(vm1_vlan),
          with(vm1_udp4, 6, "0200000001ff"),
          with_ipv4(vm1_udp4, at::ip, 16, "0a050001"),
          with_ipv4(vm1_udp4, at::ip, 16, "0a060001"),
          with_ipv4(vm1_udp4, at::ip, 16, "0a080001"),
          with_ipv4(vm1_udp4, at::ip, 16, "0a090001"),
          with_ipv4(vm1_udp4, at::ip, 16, "0b000001"),
          with_ipv4(vm1_udp4, at::ip, 8, "01"),
          {}};
}

/// Fate and bytes, without the place among others.
std::string fared(const Outcome& o) {
  std::string text = std::to_string(static_cast<int>(o.exit)) + "/" + std::to_string(o.port.raw());
  return o.exit == Exit::dropped ? text : text + "/" + test::to_hex(o.frame);
}

}  // namespace

TEST_CASE("a packet fares in a burst as it fares alone", "[burst]") {
  Rig rig(world::batch());
  auto random = test::random_engine();
  for (const PortId port : {world::fabric, world::vm1}) {
    const std::vector<Bytes> kinds = mixture(port);
    std::vector<std::string> alone;
    for (const Bytes& frame : kinds) alone.push_back(fared(rig.receive(port, frame)));
    for (unsigned run = 0; run < 100; ++run) {
      const std::size_t size = run < 10 ? max_burst : 1 + random() % max_burst;
      std::vector<std::size_t> chosen(size);
      std::vector<Bytes> frames;
      for (std::size_t& kind : chosen) {
        kind = random() % kinds.size();
        frames.push_back(kinds[kind]);
      }
      const std::vector<Outcome> outcomes = rig.receive(port, frames);
      for (std::size_t i = 0; i < size; ++i) {
        if (fared(outcomes[i]) != alone[chosen[i]]) FAIL("run " << run << ", packet " << i);
      }
    }
  }
}

TEST_CASE("packets that travel alike leave in the order they came", "[burst]") {
  Rig rig(world::batch());
  auto random = test::random_engine();
  for (const PortId port : {world::fabric, world::vm1}) {
    const std::vector<Bytes> kinds = mixture(port);
    for (unsigned run = 0; run < 100; ++run) {
      std::vector<Bytes> frames;
      std::vector<std::size_t> chosen;
      for (unsigned i = 0; i < max_burst; ++i) {
        chosen.push_back(random() % kinds.size());
        frames.push_back(kinds[chosen.back()]);
      }
      const std::vector<Outcome> outcomes = rig.receive(port, frames);
      std::map<std::size_t, std::size_t> last;  // by kind
      for (std::size_t i = 0; i < outcomes.size(); ++i) {
        if (outcomes[i].exit != Exit::transmitted) continue;
        const auto [before, fresh] = last.try_emplace(chosen[i], outcomes[i].place);
        if (!fresh && before->second >= outcomes[i].place) FAIL("run " << run << ", packet " << i);
        before->second = outcomes[i].place;
      }
    }
  }
}

// From a VIF nothing is decapsulated, so all packets take the same way.
TEST_CASE("a VIF's packets keep their order at each port, whatever lies between them", "[burst]") {
  Rig rig(world::batch());
  auto random = test::random_engine();
  const std::vector<Bytes> kinds = mixture(world::vm1);
  for (unsigned run = 0; run < 100; ++run) {
    std::vector<Bytes> frames;
    for (unsigned i = 0; i < max_burst; ++i) frames.push_back(kinds[random() % kinds.size()]);
    std::map<std::uint32_t, std::size_t> next;
    std::size_t travelled = 0;
    for (const Outcome& outcome : rig.receive(world::vm1, frames)) {
      if (outcome.exit != Exit::transmitted) continue;
      ++travelled;
      if (outcome.place != next[outcome.port.index()]++) FAIL("run " << run);
    }
    REQUIRE(travelled > 0);
  }
}

TEST_CASE("a full burst of one fate", "[burst]") {
  Rig rig(world::batch());
  for (const PortId port : {world::fabric, world::vm1}) {
    for (const Bytes& frame : mixture(port)) {
      const std::string alone = fared(rig.receive(port, frame));
      const auto outcomes = rig.receive(port, std::vector<Bytes>(max_burst, frame));
      for (std::size_t i = 0; i < outcomes.size(); ++i) {
        if (fared(outcomes[i]) != alone || outcomes[i].place != i) FAIL(alone << " at " << i);
      }
    }
  }
}

}  // namespace weft::burst_test
