#include "agent/aggregate.hpp"

#include <catch2/catch.hpp>

#include "node.hpp"
#include "support/seed.hpp"

namespace weft::agent::aggregate_test {
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

/// One up or down from `a`; around the end of its family.
IpAddress beside(const IpAddress& a, bool up) {
  if (a.is_v4()) return Ipv4Address{up ? a.v4().value + 1 : a.v4().value - 1};
  Ipv6Address out = a.v6();
  for (std::size_t i = out.bytes.size(); i-- > 0;) {
    const std::uint8_t was = up ? out.bytes[i]++ : out.bytes[i]--;
    if (was != (up ? 0xff : 0)) break;
  }
  return out;
}

/// The last address of a prefix.
IpAddress last_of(const IpPrefix& prefix) {
  if (prefix.address.is_v4()) {
    const std::uint64_t count = std::uint64_t{1} << (32 - prefix.length);
    return Ipv4Address{prefix.address.v4().value + static_cast<std::uint32_t>(count - 1)};
  }
  Ipv6Address out = prefix.address.v6();
  for (unsigned bit = prefix.length; bit < 128; ++bit) {
    out.bytes[bit / 8] |= static_cast<std::uint8_t>(0x80 >> bit % 8);
  }
  return out;
}

TEST_CASE("aggregation of any prefixes changes nothing at their edges") {
  auto random = weft::test::random_engine(2);
  const auto random_address = [&](bool v4) -> IpAddress {
    // Often few values for each byte, so that prefixes meet.
    const bool any = random() % 4 == 0;
    const auto byte = [&] {
      return static_cast<std::uint8_t>(any ? random() : random() % 2 * 255);
    };
    if (v4) {
      std::uint32_t value = 0;
      for (unsigned i = 0; i < 4; ++i) value = value << 8 | byte();
      return Ipv4Address{value};
    }
    Ipv6Address address;
    for (auto& b : address.bytes) b = byte();
    return address;
  };
  for (unsigned round = 0; round < 300; ++round) {
    std::vector<IpPrefix> prefixes;
    for (auto left = random() % 40; left > 0; --left) {
      const IpAddress address = random_address(random() % 2 == 0);
      const unsigned length = random() % (address.width_bits() + 1);
      prefixes.push_back(IpPrefix{address, static_cast<std::uint8_t>(length)}.masked());
      // Its other half, which makes one of them.
      if (length == 0 || random() % 2 == 0) continue;
      const IpPrefix half = prefixes.back();
      const IpAddress next = beside(last_of(half), true);
      prefixes.push_back(IpPrefix{next, half.length}.masked());
    }
    const auto out = aggregate_prefixes(prefixes);
    REQUIRE(out.size() <= prefixes.size());
    const auto same = [&](const IpAddress& a) {
      if (held(prefixes, a) != held(out, a)) FAIL("round " << round << ": " << to_string(a));
    };
    for (const auto& prefix : prefixes) {
      for (const IpAddress& edge : {prefix.address, last_of(prefix)}) {
        same(edge);
        same(beside(edge, false));
        same(beside(edge, true));
      }
    }
    for (unsigned i = 0; i < 100; ++i) same(random_address(i % 2 == 0));
  }
}

}  // namespace
}  // namespace weft::agent::aggregate_test
