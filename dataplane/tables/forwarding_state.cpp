#include "tables/forwarding_state.hpp"

#include <algorithm>

#include "tables/batch_order.hpp"
#include "tables/forwarding_compiled.hpp"
#include "tunnel/registry.hpp"

namespace weft {

ForwardingState::ForwardingState(Rcu& rcu, tunnel::HashSeed seed, const FlowSettings& flows,
                                 std::uint64_t tsc_hz, Pages flow_pages,
                                 std::size_t fib_capacity_bytes)
    : rcu_(rcu),
      arena_(rcu, fib_capacity_bytes, seed.first),
      tables_(rcu, seed, flows, tsc_hz, flow_pages),
      udp_port_users_(65536) {
  tables_.local_addresses.store(new LocalAddressSet);
}

ForwardingState::~ForwardingState() {
  for (std::uint32_t i = 0; i < max_ports; ++i) delete tables_.ports.get(i);
  const auto clear = [](const auto& table, std::size_t count) {
    for (std::uint32_t i = 0; count > 0 && i < table.capacity(); ++i) {
      if (const auto* entry = table.get(i)) {
        delete entry;
        --count;
      }
    }
  };
  for (const VrfId id : vrfs_) retire_vrf(tables_.vrfs.get(id), true);
  clear(tables_.vifs, vifs_);
  clear(tables_.policies, policies_);
  clear(tables_.adjacencies, adjacencies_);
  for (std::uint32_t i = 0; decaps_ > 0; ++i) {
    const DecapEntry* entry = tables_.decaps_by_id.get(i);
    if (entry == nullptr || entry->id.index() != i) continue;
    name_marks(*entry, nullptr);
    delete entry;
    --decaps_;
  }
  for (std::uint32_t i = 0; nexthops_ > 0; ++i) {
    if (const auto* entry = tables_.nexthops.get(i)) {
      NexthopEntry::Delete{}(entry);
      --nexthops_;
    }
  }
  delete tables_.local_addresses.load();
  rcu_.reclaim(~std::size_t{0});
}

void ForwardingState::name_marks(const DecapEntry& entry, const DecapEntry* to) {
  for (const DecapId mark : entry.decap.mark_ids) tables_.decaps_by_id.exchange(mark.index(), to);
}

void ForwardingState::count_user(const DecapEntry& entry, int change) {
  const TunnelKind kind = entry.decap.kind;
  const auto index = static_cast<std::size_t>(kind);
  if (!tunnel::rides_on_udp(kind)) {
    ip_kind_users_[index] += static_cast<std::uint32_t>(change);
    const unsigned used = ip_kind_users_[index] != 0 ? 1 : 0;
    for (const std::uint8_t protocol : tunnel::ip_protocols(kind)) {
      auto& kinds = tables_.ip_kinds[protocol];
      const auto others = kinds.load(std::memory_order_relaxed) & ~(1U << index);
      kinds.store(static_cast<std::uint16_t>(others | used << index), std::memory_order_release);
    }
    return;
  }
  const std::uint16_t port = entry.decap.destination_port;
  udp_port_users_[port] += static_cast<std::uint32_t>(change);
  auto& of_port = tables_.udp_kinds[__builtin_bswap16(port)];
  if (change > 0) of_port.store(kind_of_port(kind), std::memory_order_release);
  if (udp_port_users_[port] == 0) of_port.store(TunnelKind::none, std::memory_order_release);
}

void ForwardingState::retire(const NexthopEntry* entry) {
  if (entry == nullptr) return;
  rcu_.retire(nullptr, reinterpret_cast<std::uintptr_t>(entry), [](void*, std::uint64_t object) {
    NexthopEntry::Delete{}(reinterpret_cast<const NexthopEntry*>(object));
  });
}

void ForwardingState::retire_vrf(const VrfEntry* entry, bool with_fibs) {
  if (entry == nullptr) return;
  if (with_fibs) {
    rcu_.retire(entry->fib4);
    rcu_.retire(entry->fib6);
  }
  rcu_.retire(entry);
}

/// A VIF that is there no more, or another one in its place.
void ForwardingState::retire(const VifEntry* entry) {
  if (entry == nullptr) return;
  count_judged(*entry, -1);
  rcu_.retire(entry);
}

/// One VIF more or less, of which only those with a policy count.
void ForwardingState::count_judged(const VifEntry& vif, int change) {
  if (!vif.policy.valid()) return;
  std::size_t& count = judged_[vif.vrf];
  count += static_cast<std::size_t>(change);
  if (count == 0) judged_.erase(vif.vrf);
  tables_.judges.store(!judged_.empty(), std::memory_order_relaxed);
}

/// Tells workers what to look out for, before any of it is there.
void ForwardingState::announce(const Batch& batch, const Compiled& compiled) {
  for (const auto& [id, vrf] : batch.vrfs) {
    if (vrf && vrf->flows) tables_.keeps_flows.store(true, std::memory_order_relaxed);
  }
  const std::vector<bool> is_void = superseded(batch.vifs);
  for (std::size_t i = 0; i < batch.vifs.size(); ++i) {
    if (compiled.vifs[i] != nullptr && !is_void[i]) count_judged(*compiled.vifs[i], 1);
  }
}

void ForwardingState::publish(const Batch& batch, Compiled& compiled) {
  const auto any = [](const auto&) { return true; };
  const auto put = [this](auto& table, const auto& changes, auto& entries, std::size_t& count,
                          auto due) {
    const std::vector<bool> is_void = superseded(changes);
    for (std::size_t i = 0; i < changes.size(); ++i) {
      if (entries[i] == nullptr || is_void[i] || !due(*entries[i])) continue;
      const auto* old = table.exchange(changes[i].id.index(), entries[i].release());
      if (old == nullptr) ++count;
      retire(old);
    }
  };
  const auto erase = [this](auto& table, const auto& changes, std::size_t& count) {
    const std::vector<bool> is_void = superseded(changes);
    for (std::size_t i = 0; i < changes.size(); ++i) {
      const auto& [id, object] = changes[i];
      const auto* old = object || is_void[i] ? nullptr : table.get(id);
      if (old == nullptr || old->id != id) continue;
      table.exchange(id.index(), nullptr);
      --count;
      retire(old);
    }
  };

  announce(batch, compiled);
  const bool redirected = redirects(batch);
  const bool judged_anew = judges_anew(batch);
  // First, too: no old verdict lets a packet through to another VIF while the rest is under way.
  if (judged_anew) expire_flows(false, true);
  std::size_t ports = 0;
  const std::vector<bool> void_vrfs = superseded(batch.vrfs);
  for (std::size_t i = 0; i < batch.vrfs.size(); ++i) {
    auto& entry = compiled.vrfs[i];
    if (entry == nullptr || void_vrfs[i]) continue;
    const VrfEntry* old = tables_.vrfs.get(entry->id);
    const bool same = old != nullptr && old->id == entry->id;
    entry->fib4 = same ? old->fib4 : new fib::Fib4(arena_);
    entry->fib6 = same ? old->fib6 : new fib::Fib6(arena_);
    const VrfId id = entry->id;
    tables_.vrfs.exchange(id.index(), entry.release());
    if (!same) vrfs_.push_back(id);
    if (old != nullptr && !same) forget(*old);
    retire_vrf(old, !same);
  }
  put(tables_.policies, batch.policies, compiled.policies, policies_, any);
  put(tables_.vifs, batch.vifs, compiled.vifs, vifs_, any);
  put(tables_.ports, batch.ports, compiled.ports, ports, any);
  put(tables_.adjacencies, batch.adjacencies, compiled.adjacencies, adjacencies_, any);
  // Members stand before the groups that lead to them.
  for (const bool groups : {false, true}) {
    put(tables_.nexthops, batch.nexthops, compiled.nexthops, nexthops_,
        [groups](const NexthopEntry& e) { return (e.kind == NexthopKind::ecmp) == groups; });
  }
  if (batch.local_addresses) {
    auto* set = new LocalAddressSet;
    for (const IpAddress& a : batch.local_addresses->addresses) {
      if (a.is_v4()) {
        set->addresses4.push_back(raw(a.v4()));
      } else {
        set->addresses6.push_back(a.v6());
      }
    }
    rcu_.retire(tables_.local_addresses.exchange(set, std::memory_order_acq_rel));
  }
  const std::vector<bool> void_decaps = superseded(batch.decaps);
  for (std::size_t i = 0; i < batch.decaps.size(); ++i) {
    if (void_decaps[i]) continue;
    const DecapEntry* entry = compiled.decaps[i].release();
    const DecapEntry* old = tables_.decaps_by_id.get(batch.decaps[i].id);
    if (entry == nullptr && (old == nullptr || old->id != batch.decaps[i].id)) continue;
    if (entry != nullptr) name_marks(*entry, entry);
    const bool same_key =
        entry != nullptr && old != nullptr && entry->decap.kind == old->decap.kind &&
        entry->decap.destination_port == old->decap.destination_port &&
        entry->decap.vni == old->decap.vni && entry->decap.local == old->decap.local;
    if (same_key) {
      tables_.decaps.replace(old, entry);
    } else {
      if (entry != nullptr) {
        tables_.decaps.insert(entry);
        count_user(*entry, 1);
        ++decaps_;
      }
      if (old != nullptr) {
        tables_.decaps.erase(old);
        count_user(*old, -1);
        --decaps_;
      }
    }
    tables_.decaps_by_id.exchange(batch.decaps[i].id.index(), entry);
    if (old != nullptr) {
      for (const DecapId mark : old->decap.mark_ids) {
        if (tables_.decaps_by_id.get(mark) == old) {
          tables_.decaps_by_id.exchange(mark.index(), nullptr);
        }
      }
    }
    rcu_.retire(old);
  }

  // All routes are put before any is withdrawn, so that a route that gives way to its cover in the
  // same batch leaves no gap.
  const std::vector<bool> void_routes = superseded(batch.routes);
  arena_.expect_insertions(batch.routes.size());
  for (const bool withdrawals : {false, true}) {
    for (std::size_t i = 0; i < batch.routes.size(); ++i) {
      const RouteChange& route = batch.routes[i];
      const VrfEntry* vrf = tables_.vrfs.get(route.vrf);
      if (void_routes[i] || vrf == nullptr || route.nexthop.valid() == withdrawals) continue;
      const auto change = [&](auto& fib, auto address) {
        const auto key = fib::key_of(address);
        routes_ -= fib.routes();
        if (withdrawals) {
          fib.erase(key, route.prefix.length);
        } else {
          fib.insert(key, route.prefix.length, route.nexthop.index());
        }
        routes_ += fib.routes();
      };
      if (route.prefix.address.is_v4()) {
        change(*vrf->fib4, route.prefix.address.v4());
      } else {
        change(*vrf->fib6, route.prefix.address.v6());
      }
    }
  }

  erase(tables_.nexthops, batch.nexthops, nexthops_);
  erase(tables_.adjacencies, batch.adjacencies, adjacencies_);
  erase(tables_.ports, batch.ports, ports);
  erase(tables_.vifs, batch.vifs, vifs_);
  erase(tables_.policies, batch.policies, policies_);
  for (std::size_t i = 0; i < batch.vrfs.size(); ++i) {
    const auto& [id, object] = batch.vrfs[i];
    const VrfEntry* old = object || void_vrfs[i] ? nullptr : tables_.vrfs.get(id);
    if (old == nullptr || old->id != id) continue;
    tables_.vrfs.exchange(id.index(), nullptr);
    forget(*old);
    retire_vrf(old, true);
  }

  // Last: who finds the new generation finds all else, and no VIF or policy that is gone.
  if (redirected || judged_anew) expire_flows(redirected, judged_anew);
}

/// Whether packets of a flow may have to go another way than its next hop's id says. What changes
/// behind a tunnel's id concerns no flow.
bool ForwardingState::redirects(const Batch& batch) const {
  const auto moves = [this](const NexthopChange& change) {
    const NexthopEntry* there = tables_.nexthops.get(change.id);
    return !change.object || !std::holds_alternative<nexthop::Tunnel>(*change.object) ||
           (there != nullptr && there->kind != NexthopKind::tunnel);
  };
  return !batch.routes.empty() || !batch.vrfs.empty() || !batch.vifs.empty() ||
         !batch.ports.empty() || std::any_of(batch.nexthops.begin(), batch.nexthops.end(), moves);
}

/// Whether sessions may be judged otherwise than they were: by another policy, or because their
/// next hop's id now leads to another VIF. What a neighbour's answer changes does neither.
bool ForwardingState::judges_anew(const Batch& batch) const {
  const auto any = [](const auto& changes, const auto& table, auto&& differs) {
    return std::any_of(changes.begin(), changes.end(), [&](const auto& change) {
      const auto* there = table.get(change.id);
      return there != nullptr && differs(*there, change);
    });
  };
  return !batch.policies.empty() ||
         any(batch.vifs, tables_.vifs,
             [](const VifEntry& there, const VifChange& change) {
               return change.object ? there.policy != change.object->policy : there.policy.valid();
             }) ||
         any(batch.ports, tables_.ports,
             [](const PortEntry& there, const PortChange& change) {
               return change.object && there.port.vif != change.object->vif;
             }) ||
         any(batch.adjacencies, tables_.adjacencies,
             [](const AdjacencyEntry& there, const AdjacencyChange& change) {
               return change.object && there.port != change.object->port;
             }) ||
         any(batch.nexthops, tables_.nexthops,
             [](const NexthopEntry& there, const NexthopChange& change) {
               if (!change.object) return false;
               const auto* now = std::get_if<nexthop::Interface>(&*change.object);
               const bool was = there.kind == NexthopKind::interface;
               return was != (now != nullptr) || (was && there.adjacency != now->adjacency);
             });
}

/// Makes workers find out again where the packets of each flow go, or whether they may.
void ForwardingState::expire_flows(bool routes, bool policies) {
  std::atomic<FlowStamp>& stamp = tables_.flows->stamp;
  const auto next = [](std::uint32_t generation, bool bump) {
    return bump ? std::max(generation + 1, 1U) : generation;
  };
  const FlowStamp old = stamp.load(std::memory_order_relaxed);
  stamp.store(flow_stamp(next(static_cast<std::uint32_t>(old), routes),
                         next(static_cast<std::uint32_t>(old >> 32), policies)),
              std::memory_order_release);
}

/// Takes a VRF that goes out of the book-keeping.
void ForwardingState::forget(const VrfEntry& vrf) {
  routes_ -= vrf.fib4->routes() + vrf.fib6->routes();
  std::erase(vrfs_, vrf.id);
}

Result<Generation> ForwardingState::apply(const Batch& batch) {
  Compiled compiled;
  if (const Status status = check(batch, compiled); !status) return status.error();
  publish(batch, compiled);
  rcu_.reclaim();
  // What a core's second-level cache holds beside the packets themselves.
  constexpr std::size_t near_bytes = 512 << 10;
  const std::size_t bytes = arena_.used_bytes() + nexthops_ * 2 * sizeof(NexthopEntry) +
                            adjacencies_ * sizeof(AdjacencyEntry);
  tables_.far.store(bytes > near_bytes, std::memory_order_relaxed);
  if (!batch.vrfs.empty()) {
    tables_.keeps_flows.store(
        std::any_of(vrfs_.begin(), vrfs_.end(),
                    [this](const VrfId id) { return tables_.vrfs.get(id)->flows; }),
        std::memory_order_relaxed);
  }
  return tables_.generation.fetch_add(1, std::memory_order_release) + 1;
}

TableSizes ForwardingState::sizes() const {
  TableSizes sizes;
  sizes.fib_bytes = arena_.used_bytes();
  sizes.routes = routes_;
  sizes.nexthops = nexthops_;
  sizes.adjacencies = adjacencies_;
  sizes.decaps = decaps_;
  sizes.deferred = rcu_.pending();
  return sizes;
}

}  // namespace weft
