#include "agent/neighbours.hpp"

#include <algorithm>

namespace weft::agent {

namespace {

using namespace std::chrono_literals;

constexpr auto retransmit = 1s;      // RFC 4861 §10: RETRANS_TIMER
constexpr unsigned tries_max = 3;    // MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT
constexpr auto reachable_for = 30s;  // REACHABLE_TIME, times 0.5 to 1.5
constexpr auto use_check = 5s;       // DELAY_FIRST_PROBE_TIME
constexpr auto hold_down = 5s;
constexpr auto stale_for = 600s;

std::optional<IpAddress> source_for(const PortObject& port, const IpAddress& target) {
  if (!target.is_v4()) return port.link_local;
  std::optional<IpAddress> other;
  for (const auto& own : port.config.addresses) {
    if (own.contains(target)) return own.address;
    if (own.address.is_v4() && !other) other = own.address;
  }
  return other;
}

}  // namespace

Neighbours::Neighbours(const Model& model, NeighbourHost& host, Clock clock, NeighbourLimits limits)
    : model_(model),
      host_(host),
      clock_(std::move(clock)),
      limits_(limits),
      solicitations_(limits.solicitations_per_second, limits.solicitations_burst) {}

void Neighbours::pin(const NeighbourKey& key) {
  const auto now = clock_();
  auto [at, fresh] = entries_.try_emplace(key);
  auto& entry = at->second;
  entry.pinned = true;
  if (entry.state == NeighbourState::fixed) return;
  if (fresh) {
    entry.since = now;
    host_.neighbour_changed(key, std::nullopt);
  }
  if (entry.state != NeighbourState::reachable) entry.deadline = std::min(entry.deadline, now);
  while (entry.deadline <= now && advance(key, entry, now)) {
  }
}

void Neighbours::unpin(const NeighbourKey& key) {
  if (const auto found = entries_.find(key); found != entries_.end()) found->second.pinned = false;
}

void Neighbours::add_static(const NeighbourKey& key, const MacAddress& mac) {
  const auto [at, fresh] = entries_.try_emplace(key);
  auto& entry = at->second;
  entry.state = NeighbourState::fixed;
  entry.mac = mac;
  entry.since = clock_();
  // Whoever rests on it from before has been told that it is not known.
  if (!fresh) host_.neighbour_changed(key, mac);
}

/// Packets go on as they went until it has been asked.
void Neighbours::remove_static(const NeighbourKey& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  auto& entry = found->second;
  const auto now = clock_();
  entry.state = NeighbourState::stale;
  entry.tries = 0;
  entry.since = now;
  entry.packets = host_.packets_to(key);
  entry.deadline = entry.pinned ? now : now + use_check;
}

void Neighbours::need(const NeighbourKey& key) {
  const auto now = clock_();
  if (const auto found = entries_.find(key); found != entries_.end()) {
    // It waits although we know the way: what we told the data plane last was refused.
    if (found->second.has_mac()) host_.neighbour_changed(key, found->second.mac);
    return;
  }
  const auto* port = model_.port(key.port);
  if (port == nullptr || !may_be_neighbour(*port, key.address)) return;
  if (auto* entry = create(key)) {
    host_.neighbour_changed(key, std::nullopt);
    entry->deadline = now;
    while (entry->deadline <= now && advance(key, *entry, now)) {
    }
  }
}

Neighbours::Entry* Neighbours::create(const NeighbourKey& key) {
  if (entries_.size() >= limits_.dynamic_entries && !make_room()) return nullptr;
  auto& entry = entries_[key];
  entry.since = clock_();
  return &entry;
}

bool Neighbours::make_room() {
  std::size_t dynamic = 0;
  auto victim = entries_.end();
  // The failed go first, then the longest stale; those that are being resolved or are in use stay.
  const auto rank = [](const Entry& e) {
    return std::pair(e.state == NeighbourState::failed ? 0 : 1, e.since);
  };
  for (auto at = entries_.begin(); at != entries_.end(); ++at) {
    const auto& entry = at->second;
    if (entry.pinned || entry.state == NeighbourState::fixed) continue;
    ++dynamic;
    if (entry.state != NeighbourState::failed && entry.state != NeighbourState::stale) continue;
    if (victim == entries_.end() || rank(entry) < rank(victim->second)) victim = at;
  }
  if (dynamic < limits_.dynamic_entries) return true;
  if (victim == entries_.end()) return false;
  const auto key = victim->first;
  entries_.erase(victim);
  host_.neighbour_gone(key);
  return true;
}

void Neighbours::tick() {
  const auto now = clock_();
  for (auto at = entries_.begin(); at != entries_.end();) {
    auto& [key, entry] = *at;
    while (entry.state != NeighbourState::fixed && entry.deadline <= now &&
           advance(key, entry, now)) {
    }
    const bool expired = !entry.pinned && entry.deadline == Time::max();
    if (expired) {
      const auto gone = key;
      at = entries_.erase(at);
      host_.neighbour_gone(gone);
    } else {
      ++at;
    }
  }
}

bool Neighbours::advance(const NeighbourKey& key, Entry& entry, Time now) {
  const auto enter = [&](NeighbourState state, Time deadline) {
    entry.state = state;
    entry.tries = 0;
    entry.deadline = deadline;
  };
  const auto ask = [&](bool unicast, Duration pause) {
    if (!solicit(key, entry, unicast)) return false;
    ++entry.tries;
    entry.deadline = now + pause;
    return true;
  };
  switch (entry.state) {
    case NeighbourState::incomplete:
      if (entry.tries < tries_max) return ask(false, retransmit);
      enter(NeighbourState::failed, now + hold_down);
      entry.since = now;
      return true;
    case NeighbourState::failed:
      if (entry.pinned) return ask(false, hold_down);
      entry.deadline = Time::max();
      return true;
    case NeighbourState::reachable:
      entry.packets = host_.packets_to(key);
      enter(NeighbourState::stale, entry.pinned ? now : now + use_check);
      return true;
    case NeighbourState::stale:
      if (entry.pinned || host_.packets_to(key) != entry.packets) {
        enter(NeighbourState::probe, now);
      } else {
        entry.deadline = now - entry.since < stale_for ? now + use_check : Time::max();
      }
      return true;
    case NeighbourState::probe:
      if (entry.tries < tries_max) return ask(true, retransmit);
      enter(NeighbourState::incomplete, now);
      entry.since = now;
      host_.neighbour_changed(key, std::nullopt);
      return true;
    case NeighbourState::fixed:
      return false;
  }
  return false;
}

bool Neighbours::solicit(const NeighbourKey& key, const Entry& entry, bool unicast) {
  const auto* port = model_.port(key.port);
  const auto own = port == nullptr ? std::nullopt : source_for(*port, key.address);
  if (!own) return true;  // nothing to ask from: it will fail like one that is silent
  if (!solicitations_.take(clock_())) return false;
  const auto to = unicast ? std::optional(entry.mac) : std::nullopt;
  host_.send(key.port, key.address.is_v4() ? arp_request(port->mac, *own, key.address, to)
                                           : nd_solicitation(port->mac, *own, key.address, to));
  return true;
}

void Neighbours::confirm(const NeighbourKey& key, Entry& entry, const MacAddress& mac) {
  const bool changed = !entry.has_mac() || entry.mac != mac;
  const auto now = clock_();
  entry.mac = mac;
  entry.state = NeighbourState::reachable;
  entry.tries = 0;
  entry.since = now;
  std::uniform_real_distribution<double> factor(0.5, 1.5);
  entry.deadline = now + std::chrono::duration_cast<Duration>(reachable_for * factor(jitter_));
  if (changed) host_.neighbour_changed(key, mac);
}

void Neighbours::suspect(const NeighbourKey& key, Entry& entry, const MacAddress& mac) {
  if (entry.has_mac() && entry.mac == mac) return;
  const auto now = clock_();
  entry.mac = mac;
  entry.state = NeighbourState::stale;
  entry.tries = 0;
  entry.since = now;
  entry.deadline = entry.pinned ? now : now + use_check;
  host_.neighbour_changed(key, mac);
  entry.packets = host_.packets_to(key);
}

bool Neighbours::learn(const NeighbourKey& key, const MacAddress& mac, Evidence evidence) {
  const auto found = entries_.find(key);
  Entry* entry = found == entries_.end() ? nullptr : &found->second;
  if (entry == nullptr && evidence == Evidence::asked_us) entry = create(key);
  if (entry == nullptr || entry->state == NeighbourState::fixed) return false;
  if (evidence == Evidence::answer && entry->state != NeighbourState::reachable &&
      entry->state != NeighbourState::stale) {
    confirm(key, *entry, mac);
  } else {
    suspect(key, *entry, mac);
  }
  return true;
}

}  // namespace weft::agent
