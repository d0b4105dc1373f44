// The ids of marks in the tables, and batches with marks that must be refused.
#include <catch2/catch.hpp>
#include <functional>

#include "support/small_world.hpp"
#include "tables/forwarding_state.hpp"

namespace weft::marks_test {
namespace {

using test::decap_of;
using test::small_world;

/// Decap 9 with two marks, under the ids 5 and 11.
Decap marked() {
  Decap decap = decap_of(900, NexthopId(3));
  decap.marks = {{"a", 1, 0xff}, {"b", 0, 0xff}};
  decap.mark_ids = {DecapId(5), DecapId(11)};
  return decap;
}
Batch batch_of(const Decap& decap, std::uint32_t id = 9) {
  Batch batch;
  batch.decaps = {{DecapId(id), decap}};
  return batch;
}

}  // namespace

TEST_CASE("the ids of marks lead to their decap, as long as it has them", "[marks]") {
  Rcu rcu(1);
  ForwardingState state(rcu, {});
  REQUIRE(state.apply(small_world()));
  REQUIRE(state.apply(batch_of(marked())));
  const auto& by_id = state.tables().decaps_by_id;
  const auto leads = [&](std::uint32_t id) { return by_id.get(id) == by_id.get(9U); };
  CHECK((by_id.get(9U) != nullptr && leads(5) && leads(11)));
  Decap fewer = marked();
  fewer.marks.pop_back();
  fewer.mark_ids.pop_back();
  REQUIRE(state.apply(batch_of(fewer)));
  CHECK((leads(5) && by_id.get(11U) == nullptr));
  // To delete by the id of a mark deletes nothing.
  Batch by_mark;
  by_mark.decaps = {{DecapId(5), std::nullopt}};
  REQUIRE(state.apply(by_mark));
  CHECK((by_id.get(9U) != nullptr && leads(5)));
  SECTION("and goes with the tables") {}
  SECTION("and goes by itself") {
    Batch batch;
    batch.decaps = {{DecapId(9), std::nullopt}};
    REQUIRE(state.apply(batch));
    CHECK((by_id.get(9U) == nullptr && by_id.get(5U) == nullptr));
    REQUIRE(state.apply(batch_of(decap_of(901, NexthopId(3)), 5)));
  }
}

TEST_CASE("marks that cannot be are refused", "[marks]") {
  struct Row {
    std::string why;
    std::function<void(Decap&)> spoil;
  };
  const Row rows[] = {
      {"each mark must have an id", [](Decap& d) { d.mark_ids.pop_back(); }},
      {"reserved bits, f7ffffff000000ff", [](Decap& d) { d.marks[0].mask = 0x1ff; }},
      {"reserved bits, f7ffffff000000ff", [](Decap& d) { d.marks[0].mask = 0; }},
      {"reserved bits, f7ffffff000000ff",
       [](Decap& d) {
         d.marks[1] = {"b", 0x10, 0x0f};
       }},
      {"reserved bits, 0000000000000000",
       [](Decap& d) {
         d.kind = TunnelKind::geneve;
         d.destination_port = 6081;
       }},
      {"its id 5, or a mark's, is not free", [](Decap& d) { d.mark_ids[1] = DecapId(5); }},
      {"its id 9, or a mark's, is not free", [](Decap& d) { d.mark_ids[1] = DecapId(9); }},
      {"its id 1, or a mark's, is not free", [](Decap& d) { d.mark_ids[1] = DecapId(1); }},
      {"is not free", [](Decap& d) { d.mark_ids[1] = DecapId{}; }},
      {"is not free", [](Decap& d) { d.mark_ids[1] = DecapId(DecapId::max_index); }},
  };
  Rcu rcu(1);
  ForwardingState state(rcu, {});
  REQUIRE(state.apply(small_world()));
  for (const Row& row : rows) {
    Decap decap = marked();
    row.spoil(decap);
    const auto applied = state.apply(batch_of(decap));
    INFO(row.why);
    REQUIRE_FALSE(applied);
    CHECK_THAT(applied.error().message, Catch::Contains("decap 9") && Catch::Contains(row.why));
    CHECK(state.tables().decaps_by_id.get(9U) == nullptr);
  }
  // Nor may another have what is a mark's.
  REQUIRE(state.apply(batch_of(marked())));
  const auto taken = state.apply(batch_of(decap_of(901, NexthopId(3)), 5));
  REQUIRE_FALSE(taken);
  CHECK_THAT(taken.error().message, Catch::Contains("its id 5, or a mark's, is not free"));
}

TEST_CASE("a tunnel sends reserved bits, and no others", "[marks]") {
  Rcu rcu(1);
  ForwardingState state(rcu, {});
  REQUIRE(state.apply(small_world()));
  const auto applied = [&](std::uint64_t bits) {
    Batch batch;
    nexthop::Tunnel tunnel = test::tunnel_to("192.0.2.2", 100, AdjacencyId(0));
    tunnel.profile.reserved = bits;
    batch.nexthops = {{NexthopId(9), tunnel}};
    return state.apply(batch);
  };
  CHECK(applied(reserved_bits(TunnelKind::vxlan)));
  const auto refused = applied(0x0800000000000100);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message,
             Catch::Contains("does not reserve the bits 0800000000000100"));
}

}  // namespace weft::marks_test
