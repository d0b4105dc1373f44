#include "agent/rib.hpp"

namespace weft::agent {

const Rib::Slot& Rib::at(const IpPrefix& prefix) const {
  static const Slot none;
  const auto found = slots_.find(prefix);
  return found == slots_.end() ? none : found->second;
}

void Rib::replace(const IpPrefix& prefix, Slot slot) {
  auto& count = count_by_length_[prefix.address.is_v4() ? 0 : 1][prefix.length];
  const auto found = slots_.find(prefix);
  if (slot.empty()) {
    if (found == slots_.end()) return;
    slots_.erase(found);
    --count;
  } else if (found == slots_.end()) {
    slots_.emplace(prefix, std::move(slot));
    ++count;
  } else {
    found->second = std::move(slot);
  }
}

std::optional<Rib::Match> Rib::match(const IpAddress& address,
                                     std::optional<RouteSource> without) const {
  const auto& counts = count_by_length_[address.is_v4() ? 0 : 1];
  for (int length = static_cast<int>(address.width_bits()); length >= 0; --length) {
    if (counts[static_cast<unsigned>(length)] == 0) continue;
    const auto prefix = IpPrefix{address, static_cast<std::uint8_t>(length)}.masked();
    for (const auto& entry : at(prefix)) {
      if (entry.source != without) return Match{prefix, entry};
    }
  }
  return std::nullopt;
}

}  // namespace weft::agent
