#pragma once
/// UDP header (RFC 768).
///
///    source port (2) | destination port (2) | length (2) | checksum (2)

#include "weft/big_endian.hpp"

namespace weft::wire {

struct Udp {
  be16 source_port;
  be16 destination_port;
  be16 length;  ///< header and payload, bytes
  be16 checksum;
};
static_assert(sizeof(Udp) == 8 && alignof(Udp) == 1);

}  // namespace weft::wire
