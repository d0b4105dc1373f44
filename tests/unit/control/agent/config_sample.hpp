#pragma once
/// A good `weft.yaml`, and how tests break it.

#include <catch2/catch.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "agent/config.hpp"
#include "agent/config_loader.hpp"

namespace weft::agent {

inline const std::string sample = R"(# a compute node
node: {name: compute-a, tunnel_address: 192.0.2.1}
dpdk: {hugepages: auto, memory_mb: 512}
workers: {lcores: [0, 1], burst: 32, idle: adaptive}
ports:
  - {name: fab0, device: "af_packet:eth1", addresses: [192.0.2.1/24], gateway: 192.0.2.254, mtu: 1500, workers: shared}
neighbours:
  - {vrf: underlay, address: 192.0.2.9, mac: "02:00:00:00:00:09"}
vrfs:
  - {name: blue, id: 1, router_mac: "02:00:5e:00:01:01", subnets: [{prefix: 10.1.0.0/24, gateway: 10.1.0.1}]}
vifs:
  - {name: vm1, device: "tap:vm1@vm1-ns", vrf: blue, mac: "02:00:00:00:01:01", addresses: [10.1.0.11, "fd00:1::11"], flows: off}
tunnels:
  - {name: to-b, kind: vxlan, vni: 100, remote: 192.0.2.2, source_ports: 49152-65535, inner_destination_mac: "02:00:5e:00:01:01"}
decaps:
  - {name: from-fabric, kind: vxlan, vni: 100, vrf: blue, sources: [192.0.2.0/24]}
routes:
  - {vrf: blue, prefix: 10.1.0.12/32, via: {tunnel: to-b}}
)";

inline std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const auto at = text.find(what);
  if (at == std::string::npos) throw std::logic_error("the sample lacks " + what);
  return text.replace(at, what.size(), by);
}

/// The sample with its first `what` exchanged.
inline std::string with(const std::string& what, const std::string& by) {
  return replaced(sample, what, by);
}

/// The sample with another line at the end of a section: in front of the line `next`.
inline std::string plus(const std::string& line, const std::string& next) {
  return with("\n" + next, "\n" + line + next);
}

struct Expected {
  std::string key;
  std::string message;  ///< a part of it
};

/// Loads `text` without its marks; each `^` stands in front of a place where a diagnostic is due.
inline void expect(const std::string& text, const std::vector<Expected>& expected) {
  std::string plain;
  std::vector<std::pair<int, int>> places;
  int line = 1;
  int column = 1;
  for (const char c : text) {
    if (c == '^') {
      places.emplace_back(line, column);
      continue;
    }
    plain += c;
    column = c == '\n' ? 1 : column + 1;
    line += c == '\n' ? 1 : 0;
  }
  const auto loaded = parse_config(plain, "weft.yaml");
  INFO(plain);
  for (const auto& d : loaded.diagnostics) UNSCOPED_INFO(to_string(d));
  CHECK_FALSE(loaded.config);
  REQUIRE(places.size() == expected.size());
  REQUIRE(loaded.diagnostics.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto& d = loaded.diagnostics[i];
    CHECK(d.file == "weft.yaml");
    CHECK(d.line == places[i].first);
    CHECK(d.column == places[i].second);
    CHECK(d.key == expected[i].key);
    CHECK_THAT(d.message, Catch::Contains(expected[i].message));
  }
}

inline void expect(const std::string& text, const std::string& key, const std::string& message) {
  expect(text, {{key, message}});
}

inline Config load(const std::string& text) {
  auto loaded = parse_config(text, "weft.yaml");
  for (const auto& d : loaded.diagnostics) UNSCOPED_INFO(to_string(d));
  REQUIRE(loaded.config);
  return *loaded.config;
}

}  // namespace weft::agent
