#pragma once
/// Short ways to write routes of VPNs down.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "vpn/attributes.hpp"
#include "vpn/nlri.hpp"

namespace weft::test {

inline vpn::RouteDistinguisher rd(const char* text) {
  return vpn::parse_route_distinguisher(text).value();
}
inline vpn::RouteTarget target(const char* text) {
  return vpn::parse_route_target(std::string("target:") + text).value();
}
inline vpn::Nlri route(const char* prefix, const char* distinguisher = "1:1") {
  return vpn::Nlri::unicast(rd(distinguisher), parse_prefix(prefix).value());
}

inline vpn::NextHop next_hop(const char* address, std::uint32_t label = 16) {
  return {parse_ip(address).value(), {}, label, {}, {vpn::Encapsulation::gre}};
}
/// Of one next hop, as `origin` would publish it.
inline vpn::Attributes via(const char* address, std::uint32_t label = 16, std::string origin = "") {
  vpn::Attributes attributes;
  attributes.next_hops = {next_hop(address, label)};
  attributes.origin = std::move(origin);
  return attributes;
}
inline vpn::Attributes mobile(vpn::Attributes attributes, std::uint32_t sequence,
                              bool sticky = false) {
  attributes.mobility = vpn::Mobility{sequence, sticky};
  return attributes;
}

inline std::vector<std::string> addresses(const vpn::Attributes& attributes) {
  std::vector<std::string> all;
  for (const auto& hop : attributes.next_hops) all.push_back(to_string(hop.address));
  return all;
}

}  // namespace weft::test
