#pragma once
/// Which addresses may stand for one host.

#include "weft/address.hpp"

namespace weft::agent {

/// Neither multicast, broadcast, loopback nor unspecified.
inline bool is_unicast(const IpAddress& a) {
  if (a.is_v4()) {
    const auto first = a.v4().value >> 24;
    return first != 0 && first != 127 && first < 224;
  }
  Ipv6Address loopback;
  loopback.bytes[15] = 1;
  return !a.v6().multicast() && !a.v6().unspecified() && a.v6() != loopback;
}

inline bool is_link_local(const IpAddress& a) { return !a.is_v4() && a.v6().link_local(); }

}  // namespace weft::agent
