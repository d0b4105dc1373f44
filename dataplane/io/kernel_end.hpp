#pragma once
/// The kernel's end of a tap: its addresses and routes, by rtnetlink.

#include <string>
#include <vector>

#include "weft/address.hpp"
#include "weft/result.hpp"

namespace weft::io {

/// Brings an interface of this thread's namespace up and gives it addresses (with host bits) and a
/// default route through each gateway. Other default routes of the kernel come before these. Errors
/// name what the kernel refused.
Status configure_kernel_end(const std::string& interface, const std::vector<IpPrefix>& addresses,
                            const std::vector<IpAddress>& gateways);

/// Whether the kernel routes IPv6 through gateways on an interface of this thread's namespace;
/// unlike those of IPv4 such routes outlive the interface's addresses.
bool has_ipv6_gateway(const std::string& interface);

}  // namespace weft::io
