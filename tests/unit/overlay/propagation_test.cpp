#include "tunnel/propagation.hpp"

#include <catch2/catch.hpp>

namespace weft::tunnel::propagation_test {
namespace {

constexpr int dropped = -1;

/// RFC 6040 figure 4, a row for each inner field, and the columns Not-ECT, ECT(0), ECT(1), CE.
struct Row {
  int inner;
  int by_outer[4];
};
constexpr int columns[] = {0b00, 0b10, 0b01, 0b11};
constexpr Row figure4[] = {
    {0b00, {0b00, 0b00, 0b00, dropped}},
    {0b10, {0b10, 0b10, 0b01, 0b11}},
    {0b01, {0b01, 0b01, 0b01, 0b11}},
    {0b11, {0b11, 0b11, 0b11, 0b11}},
};

}  // namespace

TEST_CASE("ECN comes out of a tunnel as RFC 6040 says, whatever DSCP is", "[overlay][ecn]") {
  for (const auto& [inner, by_outer] : figure4) {
    for (int column = 0; column < 4; ++column) {
      for (int dscp = 0; dscp < 64; ++dscp) {
        const auto outside = static_cast<std::uint8_t>((63 - dscp) << 2 | columns[column]);
        const auto inside = static_cast<std::uint8_t>(dscp << 2 | inner);
        CAPTURE(inner, column, dscp);
        const int ecn = by_outer[column];
        const auto kept = propagate_to_inner(outside, inside, false);
        const auto copied = propagate_to_inner(outside, inside, true);
        if (ecn == dropped) {
          REQUIRE_FALSE(kept);
          REQUIRE_FALSE(copied);
        } else {
          REQUIRE(kept == (dscp << 2 | ecn));
          REQUIRE(copied == ((63 - dscp) << 2 | ecn));
        }
      }
    }
  }
}

TEST_CASE("an outer field that may change anything is notable", "[overlay][ecn]") {
  const Notable notable(outer_ecn_that_counts);
  const Notable all(0, true);
  for (unsigned traffic_class = 0; traffic_class < 256; ++traffic_class) {
    const std::uint8_t v4[] = {0x45, static_cast<std::uint8_t>(traffic_class)};
    const std::uint8_t v6[] = {static_cast<std::uint8_t>(0x60 | traffic_class >> 4),
                               static_cast<std::uint8_t>(traffic_class << 4 | 0xf)};
    const bool ect1_or_ce = (traffic_class & 3) == 1 || (traffic_class & 3) == 3;
    CAPTURE(traffic_class);
    REQUIRE(notable.in(v4, true) == ect1_or_ce);
    REQUIRE(notable.in(v6, false) == ect1_or_ce);
    REQUIRE(all.in(v4, true));
    REQUIRE(all.in(v6, false));
    REQUIRE(Notable(0xff).in(v4, true) == (traffic_class != 0));
    REQUIRE(Notable(0xff).in(v6, false) == (traffic_class != 0));
  }
  CHECK(all.all());
  CHECK_FALSE(Notable(0xff).all());
}

}  // namespace weft::tunnel::propagation_test
