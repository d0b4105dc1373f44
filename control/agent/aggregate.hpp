#pragma once
/// Aggregation of prefixes.

#include <vector>

#include "weft/address.hpp"

namespace weft::agent {

/// The smallest sorted list of disjoint prefixes that holds exactly the addresses of `prefixes`:
/// what is covered goes, siblings become their parent.
std::vector<IpPrefix> aggregate_prefixes(std::vector<IpPrefix> prefixes);

}  // namespace weft::agent
