// Compiled rules against a scan of the rules themselves, and what they refuse.
#include "policy/compiled_policy.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <random>

#include "support/eal_session.hpp"
#include "support/naive.hpp"
#include "support/seed.hpp"
#include "support/small_world.hpp"

namespace weft::compiled_policy_test {
namespace {

using test::ip;
using test::prefix;

constexpr std::uint8_t icmp = 1;
constexpr std::uint8_t tcp = 6;
constexpr std::uint8_t udp = 17;
constexpr std::uint8_t icmpv6 = 58;

struct Packet {
  IpAddress source;
  IpAddress destination;
  std::uint8_t protocol = udp;
  std::uint16_t source_port = 0;  ///< of ICMP: type and code
  std::uint16_t destination_port = 0;
};

/// `ask(tuple)` of the packet's family.
template <class Ask>
PolicyVerdict with_tuple(const Packet& p, Ask&& ask) {
  if (p.source.is_v4()) {
    PolicyTuple4 t;
    t.protocol = p.protocol;
    t.source = __builtin_bswap32(p.source.v4().value);
    t.destination = __builtin_bswap32(p.destination.v4().value);
    t.source_port = __builtin_bswap16(p.source_port);
    t.destination_port = __builtin_bswap16(p.destination_port);
    return ask(t);
  }
  PolicyTuple6 t;
  t.protocol = p.protocol;
  std::memcpy(t.source, p.source.v6().bytes.data(), 16);
  std::memcpy(t.destination, p.destination.v6().bytes.data(), 16);
  t.source_port = __builtin_bswap16(p.source_port);
  t.destination_port = __builtin_bswap16(p.destination_port);
  return ask(t);
}
PolicyVerdict judge(const CompiledRules& rules, const Packet& p) {
  return with_tuple(p, [&](const auto& tuple) { return rules.judge(tuple); });
}
PolicyVerdict judge_without_ports(const CompiledRules& rules, const Packet& p) {
  return with_tuple(p, [&](const auto& tuple) { return rules.judge_without_ports(tuple); });
}

/// By the words of PolicyRule alone. `shows_ports`: else rules that ask for any take nothing.
PolicyVerdict naive(const PolicyRules& rules, const Packet& p, bool shows_ports = true) {
  const auto in_one = [](const std::vector<IpPrefix>& prefixes, const IpAddress& address) {
    bool inside = prefixes.empty();
    for (const IpPrefix& prefix : prefixes) inside |= prefix.contains(address);
    return inside;
  };
  const auto in_range = [](const std::vector<PortRange>& ranges, std::uint16_t port) {
    bool inside = ranges.empty();
    for (const PortRange& r : ranges) inside |= r.first <= port && port <= r.last;
    return inside;
  };
  for (std::uint32_t i = 0; i < rules.rules.size(); ++i) {
    const PolicyRule& r = rules.rules[i];
    if (r.protocol && *r.protocol != p.protocol) continue;
    if (!in_one(r.sources, p.source) || !in_one(r.destinations, p.destination)) continue;
    const bool asks = !r.source_ports.empty() || !r.destination_ports.empty() || r.icmp_type;
    if (!shows_ports && asks) continue;
    if (!in_range(r.source_ports, p.source_port)) continue;
    if (!in_range(r.destination_ports, p.destination_port)) continue;
    if (r.icmp_type && *r.icmp_type != p.source_port >> 8) continue;
    if (r.icmp_code && *r.icmp_code != (p.source_port & 0xff)) continue;
    return {r.action, i};
  }
  return {rules.otherwise, PolicyVerdict::none};
}

CompiledRules compiled(const PolicyRules& rules) {
  test::packet_pool();  // starts DPDK, whose memory the tries take
  static int number = 0;
  auto made = CompiledRules::make(rules, "t" + std::to_string(++number));
  if (!made) FAIL(made.error().message);
  return std::move(*made);
}

std::string refused(const PolicyRule& rule) {
  test::packet_pool();
  const auto made = CompiledRules::make({{rule}, PolicyAction::deny}, "refused");
  return made ? "" : made.error().message;
}

/// Addresses and prefixes of few bits, so that rules overlap and packets meet them.
class Generator {
 public:
  explicit Generator(std::mt19937_64& random) : random_(random) {}

  IpAddress address(bool v4) {
    if (v4) return Ipv4Address{0x0a000000U + static_cast<std::uint32_t>(random_() % 64)};
    Ipv6Address a;
    a.bytes = {0xfd};
    a.bytes[random_() % 2 == 0 ? 7 : 15] = static_cast<std::uint8_t>(random_() % 64);
    return a;
  }
  std::vector<IpPrefix> prefixes() {
    std::vector<IpPrefix> all;
    for (std::size_t n = random_() % 3; n > 0; --n) {
      const bool v4 = random_() % 2 == 0;
      const auto length = static_cast<std::uint8_t>(v4 ? random_() % 33 : random_() % 129);
      all.push_back(IpPrefix{address(v4), length}.masked());
    }
    return all;
  }
  std::vector<PortRange> ranges() {
    std::vector<PortRange> all;
    for (std::size_t n = random_() % 3; n > 0; --n) {
      const auto first = static_cast<std::uint16_t>(random_() % 40);
      all.push_back({first, static_cast<std::uint16_t>(first + random_() % 10)});
    }
    return all;
  }
  PolicyRule rule() {
    PolicyRule r;
    r.action = random_() % 2 == 0 ? PolicyAction::allow : PolicyAction::deny;
    constexpr std::uint8_t protocols[] = {icmp, tcp, udp, icmpv6, 47};
    if (random_() % 4 != 0) r.protocol = protocols[random_() % 5];
    r.sources = prefixes();
    r.destinations = prefixes();
    if (r.protocol == tcp || r.protocol == udp) {
      r.source_ports = ranges();
      r.destination_ports = ranges();
    } else if ((r.protocol == icmp || r.protocol == icmpv6) && random_() % 2 == 0) {
      r.icmp_type = static_cast<std::uint8_t>(random_() % 4);
      if (random_() % 2 == 0) r.icmp_code = static_cast<std::uint8_t>(random_() % 3);
    }
    return r;
  }
  Packet packet() {
    const bool v4 = random_() % 2 == 0;
    constexpr std::uint8_t protocols[] = {icmp, tcp, udp, icmpv6, 47};
    Packet p{address(v4), address(v4), protocols[random_() % 5]};
    const bool echo = p.protocol == icmp || p.protocol == icmpv6;
    if (p.protocol != 47) {
      p.source_port =
          static_cast<std::uint16_t>(echo ? random_() % 4 << 8 | random_() % 3 : random_() % 50);
      p.destination_port = static_cast<std::uint16_t>(echo ? 0 : random_() % 50);
    }
    return p;
  }

 private:
  std::mt19937_64& random_;
};

}  // namespace

TEST_CASE("compiled rules decide as the rules read, one after the other", "[policy]") {
  auto random = test::random_engine();
  Generator make(random);
  std::size_t by_rule = 0;
  for (unsigned round = 0; round < 60; ++round) {
    PolicyRules rules;
    rules.otherwise = round % 2 == 0 ? PolicyAction::deny : PolicyAction::allow;
    for (std::size_t n = random() % 40; n > 0; --n) rules.rules.push_back(make.rule());
    const CompiledRules policy = compiled(rules);
    for (unsigned i = 0; i < 2000; ++i) {
      const Packet p = make.packet();
      REQUIRE(judge_without_ports(policy, p) == naive(rules, p, false));
      const PolicyVerdict verdict = judge(policy, p);
      const PolicyVerdict wanted = naive(rules, p);
      if (!(verdict == wanted)) {
        FAIL("round " << round << ", " << to_string(p.source) << " to " << to_string(p.destination)
                      << " protocol " << int{p.protocol} << " ports " << p.source_port << " "
                      << p.destination_port << ": rule " << verdict.rule << ", wanted "
                      << wanted.rule);
      }
      by_rule += verdict.rule != PolicyVerdict::none;
    }
  }
  CHECK(by_rule > 10000);
}

TEST_CASE("a policy of ten thousand rules decides by the right one", "[policy]") {
  PolicyRules rules;
  for (std::uint32_t i = 0; i < 10000; ++i) {
    PolicyRule r;
    r.action = i % 2 == 0 ? PolicyAction::allow : PolicyAction::deny;
    r.protocol = tcp;
    r.sources = {IpPrefix::host(Ipv4Address{0x0a000000 + i})};
    r.destination_ports = {{static_cast<std::uint16_t>(i % 1000), 2000}};
    rules.rules.push_back(r);
  }
  const CompiledRules policy = compiled(rules);
  for (std::uint32_t i = 0; i < 10000; i += 7) {
    const Packet p{Ipv4Address{0x0a000000 + i}, ip("10.9.9.9"), tcp, 1, 2000};
    REQUIRE(judge(policy, p).rule == i);
  }
  CHECK(judge(policy, {ip("10.0.0.5"), ip("10.9.9.9"), tcp, 1, 4}).rule == PolicyVerdict::none);
}

TEST_CASE("a piece without ports is taken by rules that ask for none", "[policy]") {
  PolicyRule web;
  web.action = PolicyAction::deny;
  web.protocol = tcp;
  web.destination_ports = {{80, 80}};
  PolicyRule any;
  any.protocol = tcp;
  any.sources = {prefix("10.0.0.0/8")};
  const CompiledRules policy = compiled({{web, any}, PolicyAction::deny});
  const auto rule_of = [&](const char* source, std::uint8_t protocol) {
    return judge_without_ports(policy, {ip(source), ip("10.2.2.2"), protocol, 80, 80}).rule;
  };
  CHECK(rule_of("10.1.1.1", tcp) == 1);
  CHECK(rule_of("11.1.1.1", tcp) == PolicyVerdict::none);
  CHECK(rule_of("10.1.1.1", udp) == PolicyVerdict::none);
  // Where no rule asks for ports, the same tries answer.
  CHECK(judge_without_ports(compiled({{any}, PolicyAction::deny}),
                            {ip("10.1.1.1"), ip("10.2.2.2"), tcp})
            .rule == 0);
}

TEST_CASE("rules that say nothing sensible are refused by name", "[policy]") {
  PolicyRule r;
  r.destination_ports = {{80, 80}};
  CHECK(refused(r) == "rule 0: ports without protocol TCP, UDP or SCTP");
  r.protocol = tcp;
  CHECK(refused(r).empty());
  r.destination_ports = {{81, 80}};
  CHECK(refused(r) == "rule 0: a range of ports that ends before it begins");
  r = {};
  r.icmp_type = 8;
  CHECK(refused(r) == "rule 0: a type of ICMP without protocol ICMP");
  r.protocol = icmp;
  CHECK(refused(r).empty());
  r.icmp_type.reset();
  r.icmp_code = 1;
  CHECK(refused(r) == "rule 0: a code of ICMP without a type");
  r = {};
  r.sources = {{ip("10.0.0.1"), 8}};
  CHECK(refused(r) == "rule 0: a prefix with bits beyond its length");
  r.sources.assign(600, prefix("10.0.0.0/8"));
  r.destinations.assign(600, prefix("10.0.0.0/8"));
  CHECK(refused(r).find("more than 262144 entries") != std::string::npos);
}

TEST_CASE("a policy has two directions, and says which is wrong", "[policy]") {
  test::packet_pool();
  Policy policy;
  policy.egress.otherwise = PolicyAction::allow;
  auto made = compile(policy, "both");
  REQUIRE(made);
  CHECK((*made)->egress.judge(PolicyTuple4{}).action == PolicyAction::allow);
  CHECK((*made)->ingress.judge(PolicyTuple6{}).action == PolicyAction::deny);
  policy.ingress.rules.emplace_back().icmp_type = 3;
  made = compile(policy, "wrong");
  REQUIRE_FALSE(made);
  CHECK(made.error().message == "ingress rule 0: a type of ICMP without protocol ICMP");
}

}  // namespace weft::compiled_policy_test
