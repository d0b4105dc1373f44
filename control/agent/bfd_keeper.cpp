#include "agent/bfd_keeper.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <vector>

namespace weft::agent {

bool BfdKeeper::settle() {
  const auto unwanted = [this](const auto& item) {
    const auto& [key, entry] = item;
    const auto a = model_.adjacencies.find(key);
    return a == model_.adjacencies.end() || a->second.gateways == 0 ||
           a->second.id != entry.adjacency;
  };
  const auto ended = std::erase_if(entries_, [&](const auto& item) {
    if (!unwanted(item)) return false;
    plane_.stop_bfd(item.second.status.id);
    return true;
  });
  for (const auto& [key, a] : model_.adjacencies) {
    const auto* port = model_.port(key.port);
    if (a.gateways == 0 || !port->config.bfd) continue;
    const auto entry = entries_.find(key);
    if (entry == entries_.end()) {
      begin(key, *port, a.id);
    } else if (entry->second.alive != a.alive) {
      tell_(key, entry->second.alive);  // it was no gateway for a moment
    }
  }
  return ended != 0;
}

void BfdKeeper::begin(const NeighbourKey& key, const PortObject& port, AdjacencyId adjacency) {
  const auto& own = port.config.addresses;
  const auto local =
      std::ranges::find_if(own, [&](const IpPrefix& a) { return a.contains(key.address); });
  if (local == own.end()) return;
  const auto id = plane_.start_bfd({.port = key.port,
                                    .adjacency = adjacency,
                                    .local = local->address,
                                    .neighbour = key.address,
                                    .settings = *port.config.bfd});
  if (!id) {
    SPDLOG_ERROR("port {}: {}", port.config.name, id.error().message);
    return;
  }
  Entry& entry = entries_[key];
  entry.status.id = *id;
  entry.adjacency = adjacency;
  entry.since = clock_();
}

void BfdKeeper::hear(const BfdStatus& status) {
  const auto found = std::ranges::find_if(
      entries_, [&](const auto& item) { return item.second.status.id == status.id; });
  if (found == entries_.end()) return;
  const NeighbourKey& key = found->first;
  Entry& entry = found->second;
  const BfdState before = entry.status.state;
  entry.status = status;
  if (status.state != before) {
    entry.since = clock_();
    const auto text = [&] {
      return fmt::format("port {}: BFD with {} is {}", model_.port_names.at(key.port),
                         to_string(key.address), state_name(status.state));
    };
    if (status.state == BfdState::up) SPDLOG_INFO("{}", text());
    if (before == BfdState::up) {
      ++entry.downs;
      SPDLOG_WARN("{}: {}", text(), bfd_diagnostic_text(status.diagnostic));
    }
  }
  if (status.alive() == entry.alive) return;
  entry.alive = status.alive();
  tell_(key, entry.alive);
}

}  // namespace weft::agent
