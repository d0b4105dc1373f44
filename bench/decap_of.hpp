#pragma once
/// The decapsulations that benches use.

#include "weft/forwarding.hpp"

namespace weft::bench {

/// Of VXLAN; `local` in host byte order.
inline Decap decap_of(std::uint32_t local, std::uint32_t vni, const IpPrefix& source,
                      NexthopId nexthop) {
  Decap decap;
  decap.local = Ipv4Address{local};
  decap.vni = vni;
  decap.sources = {source};
  decap.nexthop = nexthop;
  return decap;
}

}  // namespace weft::bench
