#pragma once
/// tcpdump's expressions (pcap-filter(7)) as programs for the data plane.

#include <string>

#include "weft/forwarding.hpp"
#include "weft/result.hpp"

namespace weft::agent {

/// Compiles `expression` for Ethernet frames; blank takes all. An error says what libpcap says.
/// Names of hosts and networks are refused, since to look them up would hold the control thread up.
Result<PacketFilter> compile_filter(const std::string& expression);

}  // namespace weft::agent
