#include "agent/aggregate.hpp"

#include <algorithm>

namespace weft::agent {

namespace {

IpPrefix parent(const IpPrefix& prefix) {
  return IpPrefix{prefix.address, static_cast<std::uint8_t>(prefix.length - 1)}.masked();
}

bool siblings(const IpPrefix& a, const IpPrefix& b) {
  return a.length == b.length && a.address.family() == b.address.family() && parent(a) == parent(b);
}

}  // namespace

std::vector<IpPrefix> aggregate_prefixes(std::vector<IpPrefix> prefixes) {
  for (auto& prefix : prefixes) prefix = prefix.masked();
  // In this order a prefix stands before all that it covers, and siblings stand side by side once
  // what they cover is gone.
  std::sort(prefixes.begin(), prefixes.end());
  std::vector<IpPrefix> out;
  for (const auto& prefix : prefixes) {
    if (!out.empty() && out.back().contains(prefix)) continue;
    out.push_back(prefix);
    while (out.size() > 1 && siblings(out[out.size() - 2], out.back())) {
      out.pop_back();
      out.back() = parent(out.back());
    }
  }
  return out;
}

}  // namespace weft::agent
