#pragma once
/// What the suite must know of a tunnel kind. A kind specializes Traits in a file of its own, which
/// suite_test.cpp includes:
///
///    golden()     headers that scapy made, from the outer IP header to where the inner IP packet
///                 begins, with the generator beside them
///    plain()      a tunnel header as it is sent, with VNI 0
///    reserved()   of its size; a bit is set where the RFC reserves one, to be ignored on receipt
///    invalid()    whole tunnel headers that lack what the kind requires
///    max_vni      the largest VNI, label or key

#include <string_view>
#include <vector>

#include "tunnel/registry.hpp"
#include "weft/tunnel.hpp"

namespace weft::conformance {

struct Golden {
  TunnelProfile profile;
  std::uint32_t inner_bytes = 0;  ///< length of the inner IP packet
  bool inner_v4 = true;
  MacAddress inner_source;  ///< of the inner Ethernet header, where the kind has one
  std::uint16_t source_port = 0;
  std::string_view header;  ///< hexadecimal
};

template <class Codec>
struct Traits;

}  // namespace weft::conformance
