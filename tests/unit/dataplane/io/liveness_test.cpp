// The list of BFD sessions: which there are, and for which a packet is.
#include "io/liveness.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "support/words.hpp"

namespace weft::io::liveness_test {
namespace {

using test::ip;

BfdRequest with_neighbour(const char* address, PortId port = PortId(0)) {
  return {.port = port,
          .adjacency = AdjacencyId(1),
          .local = ip("192.0.2.1"),
          .neighbour = ip(address),
          .settings = {}};
}

}  // namespace

TEST_CASE("sessions have numbers and ports of their own, and are spread over the workers",
          "[bfd]") {
  BfdRoster roster(2);
  std::set<BfdId> ids;
  std::set<std::uint32_t> discriminators;
  std::set<std::uint16_t> ports;
  std::array<unsigned, 2> owned{};
  for (unsigned i = 0; i < BfdRoster::most; ++i) {
    const auto id = roster.add(with_neighbour(("10.0.0." + std::to_string(i)).c_str()), 0);
    REQUIRE(id);
    ids.insert(*id);
  }
  const auto list = roster.make_list();
  for (const auto& session : list->all) {
    CHECK(session->discriminator() != 0);
    CHECK(session->source_port() >= 49152);
    discriminators.insert(session->discriminator());
    ports.insert(session->source_port());
    ++owned.at(session->owner());
  }
  CHECK(ids.size() == BfdRoster::most);
  CHECK(discriminators.size() == BfdRoster::most);
  CHECK(ports.size() == BfdRoster::most);
  CHECK(owned[0] == owned[1]);
  CHECK_FALSE(roster.add(with_neighbour("192.0.2.9"), 0));
}

TEST_CASE("a packet is for the session that it names, of its neighbour on its port", "[bfd]") {
  BfdRoster roster(1);
  const auto id = *roster.add(with_neighbour("192.0.2.2"), 0);
  (void)roster.add(with_neighbour("192.0.2.3"), 0);
  auto list = roster.make_list();
  const auto ours = list->all[0]->discriminator();
  const auto found = [&](PortId port, const char* source, std::uint32_t discriminator) {
    const BfdSession* session = list->find(port, ip(source), discriminator);
    return session != nullptr ? session->id() : BfdId{};
  };
  CHECK(found(PortId(0), "192.0.2.2", ours) == id);
  CHECK(found(PortId(0), "192.0.2.2", 0) == id);
  CHECK_FALSE(found(PortId(0), "192.0.2.3", ours).valid());
  CHECK_FALSE(found(PortId(0), "192.0.2.9", 0).valid());
  CHECK_FALSE(found(PortId(1), "192.0.2.2", ours).valid());
  CHECK_FALSE(found(PortId(1), "192.0.2.2", 0).valid());
  CHECK_FALSE(found(PortId(0), "192.0.2.2", ours ^ 1).valid());

  // One that ends tells its neighbour so, and gives way to another one at once.
  roster.end(id);
  const auto again = *roster.add(with_neighbour("192.0.2.2"), 0);
  CHECK(roster.ending() == 1);
  CHECK(roster.statuses().size() == 2);
  list = roster.make_list();
  CHECK(list->all.size() == 3);
  CHECK(found(PortId(0), "192.0.2.2", 0) == again);
  CHECK(found(PortId(0), "192.0.2.2", ours) == id);
  CHECK_FALSE(roster.forget_ended());
}

}  // namespace weft::io::liveness_test
