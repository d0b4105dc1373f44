// A flood of SYNs through the stages: what stands goes on as if there were none.
#include <catch2/catch.hpp>

#include "support/policy_case.hpp"
#include "wire/tcp.hpp"

namespace weft::flood_test {

using namespace test::policies;

namespace {

constexpr std::size_t ports = at::ip + 20;
constexpr std::size_t flags = at::ip + 33;

/// A TCP segment like `udp`, a packet between VM 1 and VM 3.
Bytes segment(const Bytes& udp) {
  const std::string text = to_hex(udp);
  Bytes tcp = with(hex(packets::vm1_tcp4), 0, text.substr(0, 24));
  return with_ipv4(std::move(tcp), at::ip, 12, text.substr(2 * (at::ip + 12), 16));
}
Bytes from(Bytes packet, std::uint16_t port, std::uint8_t bits) {
  packet[flags] = bits;
  return with16(std::move(packet), ports, port);
}
Bytes to(Bytes packet, std::uint16_t port, std::uint8_t bits) {
  packet[flags] = bits;
  return with16(with16(std::move(packet), ports, 443), ports + 2, port);
}

}  // namespace

TEST_CASE("a SYN flood of ten times the table takes nothing from connections", "[flood]") {
  using namespace wire::tcp_flag;
  constexpr std::uint16_t connections = 200;
  constexpr std::uint16_t talking = 100;  // during the flood
  World w({all(), all()}, {all(), all()});
  const FlowTable<FlowKey4>& table = w.rig.flows().v4;
  const Bytes there = with16(segment(request), ports + 2, 443);
  const Bytes back = segment(answer);
  w.rig.tidy();  // it is now
  for (std::uint16_t c = 0; c < connections; ++c) {
    REQUIRE(w.from_vm1(from(there, c, syn)) == passes);
    REQUIRE(w.from_vm3(to(back, c, syn | ack)) == passes);
    REQUIRE(w.from_vm1(from(there, c, ack)) == passes);
  }
  unsigned lost = 0;
  unsigned refused = 0;
  for (std::uint32_t i = 0; i < 10 * table.capacity(); ++i) {
    // No port of theirs is the connections'.
    const Bytes attack = from(there, static_cast<std::uint16_t>(connections + i % 60'000), syn);
    refused += w.from_vm1(with16(attack, ports + 2, 1000 + i / 60'000)) != passes;
    if (i % 32 != 0) continue;
    w.rig.tidy();
    const auto c = static_cast<std::uint16_t>(i / 32 % talking);
    lost += w.from_vm1(from(there, c, ack)) != passes;
    lost += w.from_vm3(to(back, c, ack)) != passes;
  }
  CHECK(lost == 0);
  CHECK(refused < 100);  // full buckets: one SYN in thousands
  const FlowWriter& writer = w.rig.hands().v4();
  CHECK(writer.evicted.get() + writer.expired.get() > 8 * table.capacity());
  for (std::uint16_t c = 0; c < connections; ++c) {
    const Bytes packet = from(there, c, ack);
    std::uint64_t addresses;
    FlowPorts both;
    std::memcpy(&addresses, &packet[at::ip + 12], sizeof addresses);
    std::memcpy(&both, &packet[ports], sizeof both);
    const FlowKey4 key(addresses, both, world::blue, 6);
    const std::uint32_t direction = table.find(key, table.hash(key));
    REQUIRE(direction != 0);
    CHECK(table.state(direction / 2) == FlowState::established);
  }
}

}  // namespace weft::flood_test
