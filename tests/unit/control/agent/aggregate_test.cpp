#include "agent/aggregate.hpp"

#include <catch2/catch.hpp>

#include "node.hpp"
#include "support/seed.hpp"

namespace weft::agent {
namespace {

using test::net;

std::vector<IpPrefix> nets(std::initializer_list<const char*> texts) {
  std::vector<IpPrefix> out;
  for (const auto* text : texts) out.push_back(net(text));
  return out;
}

bool held(const std::vector<IpPrefix>& prefixes, const IpAddress& a) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const auto& p) { return p.contains(a); });
}

TEST_CASE("aggregation of prefixes") {
  CHECK(aggregate_prefixes({}).empty());
  CHECK(aggregate_prefixes(nets({"10.0.0.7/24"})) == nets({"10.0.0.0/24"}));
  CHECK(aggregate_prefixes(nets({"10.0.0.0/24", "10.0.0.128/25", "10.0.0.9/32"})) ==
        nets({"10.0.0.0/24"}));
  CHECK(aggregate_prefixes(nets({"10.0.1.0/24", "10.0.0.0/24"})) == nets({"10.0.0.0/23"}));
  CHECK(aggregate_prefixes(nets({"10.0.1.0/24", "10.0.2.0/24"})) ==
        nets({"10.0.1.0/24", "10.0.2.0/24"}));
  CHECK(aggregate_prefixes(nets({"0.0.0.0/1", "128.0.0.0/1"})) == nets({"0.0.0.0/0"}));
  CHECK(aggregate_prefixes(nets({"::/1", "8000::/1", "0.0.0.0/0"})) == nets({"0.0.0.0/0", "::/0"}));
  CHECK(aggregate_prefixes(nets({"10.0.0.0/26", "10.0.0.64/26", "10.0.0.128/25"})) ==
        nets({"10.0.0.0/24"}));
  CHECK(aggregate_prefixes(nets({"2001:db8::/128", "2001:db8::1/128"})) ==
        nets({"2001:db8::/127"}));
}

TEST_CASE("aggregation holds the same addresses, and as few prefixes as can be") {
  auto random = weft::test::random_engine(1);
  for (unsigned round = 0; round < 300; ++round) {
    // All in 10.0.0.0/24 and 2001:db8::/120, so that every address can be tried.
    std::vector<IpPrefix> prefixes;
    const unsigned count = random() % 40;
    for (unsigned i = 0; i < count; ++i) {
      const auto low = static_cast<std::uint8_t>(random());
      const auto shorter = static_cast<std::uint8_t>(random() % 6);
      if (random() % 2 == 0) {
        prefixes.push_back(
            {Ipv4Address{0x0a000000U | low}, static_cast<std::uint8_t>(32 - shorter)});
      } else {
        Ipv6Address a = test::ip("2001:db8::").v6();
        a.bytes[15] = low;
        prefixes.push_back({a, static_cast<std::uint8_t>(128 - shorter)});
      }
    }
    const auto out = aggregate_prefixes(prefixes);
    for (unsigned low = 0; low < 256; ++low) {
      const IpAddress v4 = Ipv4Address{0x0a000000U | low};
      Ipv6Address v6 = test::ip("2001:db8::").v6();
      v6.bytes[15] = static_cast<std::uint8_t>(low);
      REQUIRE(held(prefixes, v4) == held(out, v4));
      REQUIRE(held(prefixes, v6) == held(out, v6));
    }
    REQUIRE(std::is_sorted(out.begin(), out.end()));
    for (std::size_t i = 0; i < out.size(); ++i) {
      REQUIRE(out[i] == out[i].masked());
      for (std::size_t j = i + 1; j < out.size(); ++j) {
        REQUIRE_FALSE(out[i].contains(out[j]));
        const IpPrefix parent{out[i].address, static_cast<std::uint8_t>(out[i].length - 1)};
        const bool siblings = out[i].length == out[j].length && parent.contains(out[j].address);
        REQUIRE_FALSE(siblings);
      }
    }
  }
}

}  // namespace
}  // namespace weft::agent
