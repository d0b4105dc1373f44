/// What ForwardingState asks of a batch before any of it is published.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <string>
#include <tuple>

#include "tables/batch_order.hpp"
#include "tables/forwarding_compiled.hpp"
#include "tunnel/registry.hpp"

namespace weft {
namespace {

template <class Identifier>
Error bad(const char* what, Identifier id, const std::string& why) {
  return Error{fmt::format("{} {}: {}", what, id.index(), why)};
}

template <class Changes>
Status check_ids(const char* what, const Changes& changes, std::size_t capacity) {
  for (const auto& change : changes) {
    if (!change.id.valid() || change.id.index() >= capacity) {
      return bad(what, change.id, fmt::format("{} of its kind at most fit; delete some", capacity));
    }
  }
  return ok();
}

bool fits_kind(TunnelKind kind, std::uint32_t network) {
  const TunnelKindInfo& info = describe(kind);
  return network >= info.least_network && network <= info.most_network;
}
std::string network_error(TunnelKind kind, std::uint32_t network) {
  const TunnelKindInfo& info = describe(kind);
  return fmt::format("the {} must be from {} to {}, and is {}",
                     info.network.empty() ? "network" : info.network, info.least_network,
                     info.most_network, network);
}

bool takes_what_was_inside(NexthopKind kind) {
  return kind == NexthopKind::lookup || kind == NexthopKind::interface;
}

bool fit(const std::vector<std::uint32_t>& labels) {
  return labels.size() < max_labels &&
         std::ranges::all_of(labels, [](std::uint32_t label) { return label <= 0xfffff; });
}
bool fit(TunnelKind kind, const std::vector<TunnelOption>& options) {
  const bool nsh = has_nsh(kind);
  std::size_t bytes = 0;
  for (const TunnelOption& option : options) {
    const std::size_t size = option.data.size();
    if (nsh ? size > max_metadata_data : size % 4 != 0 || size > max_option_data) return false;
    bytes += 4 + (size + 3) / 4 * 4;
  }
  return bytes <= (nsh ? max_metadata_bytes : max_options_bytes);
}

/// What is wrong with marks, each by itself; "": nothing.
std::string marks_error(const Decap& decap) {
  const std::uint64_t reserved = reserved_bits(decap.kind);
  if (decap.marks.size() != decap.mark_ids.size()) return "each mark must have an id";
  for (const DecapMark& mark : decap.marks) {
    if ((mark.mask & ~reserved) != 0 || (mark.bits & ~mark.mask) != 0 || mark.mask == 0) {
      return fmt::format("mark {} must be of some of the kind's reserved bits, {:016x}", mark.name,
                         reserved);
    }
  }
  return "";
}

/// What is wrong with a profile's header, as far as that is particular to its kind; "": nothing.
std::string header_error(const TunnelProfile& p) {
  const TunnelKindInfo& info = describe(p.kind);
  if (!fits_kind(p.kind, p.vni)) return network_error(p.kind, p.vni);
  const bool may_hold = p.payload == info.payload ||
                        (info.any_payload && (p.payload != TunnelPayload::nsh || has_nsh(p.kind)));
  if (!may_hold) return "the tunnel kind cannot carry such a payload";
  if (tunnel::ip_protocols(p.kind).empty()) return "no such tunnel kind";
  if (info.ipv6_only && p.remote.is_v4()) return "the tunnel kind needs an IPv6 underlay";
  if (!fit(p.labels)) return "at most 7 labels of 20 bits may stand in front of the network's";
  if (!fit(p.kind, p.options)) {
    return has_nsh(p.kind)
               ? "metadata has at most 127 bytes, and all together 244 with headers and padding"
               : "an option has at most 124 bytes in whole words, and all together 252 with "
                 "headers";
  }
  if (const auto others = p.reserved & ~reserved_bits(p.kind); others != 0) {
    return fmt::format("the kind does not reserve the bits {:016x}", others);
  }
  if (p.kind == TunnelKind::srv6 &&
      (p.segments.empty() || p.segments.size() > max_segments || p.remote != p.segments.front())) {
    return fmt::format("wanted 1 to {} segments, the first of which is the remote", max_segments);
  }
  return "";
}

}  // namespace

/// Each UDP port is of one kind, or of several that their headers tell apart: of others nothing in
/// a packet but its port says which it is.
Status ForwardingState::check_udp_ports(const Batch& batch) const {
  std::unordered_set<std::uint32_t> changed;
  std::unordered_map<std::uint16_t, std::uint32_t> leaving;
  for (const auto& change : batch.decaps) {
    const DecapEntry* old = tables_.decaps_by_id.get(change.id);
    const bool is_own = old != nullptr && old->id.index() == change.id.index();  // and no mark's
    if (changed.insert(change.id.index()).second && is_own) {
      ++leaving[old->decap.destination_port];
    }
  }
  std::unordered_map<std::uint16_t, TunnelKind> kinds;
  const std::vector<bool> is_void = superseded(batch.decaps);
  for (std::size_t i = 0; i < batch.decaps.size(); ++i) {
    const auto& [id, decap] = batch.decaps[i];
    if (!decap || is_void[i] || !tunnel::rides_on_udp(decap->kind)) continue;
    const std::uint16_t port = decap->destination_port;
    const TunnelKind kind = kind_of_port(decap->kind);
    const bool stays = udp_port_users_[port] > leaving[port];
    const TunnelKind other = stays ? tables_.udp_kinds[__builtin_bswap16(port)].load() : kind;
    const TunnelKind first = kinds.try_emplace(port, other).first->second;
    if (first == kind) continue;
    return bad(
        "decap", id,
        fmt::format("UDP port {} takes {} for other decaps already", port, describe(first).name));
  }
  return ok();
}

Status ForwardingState::check(const Batch& batch, Compiled& compiled) const {
  for (const auto& status :
       {check_ids("port", batch.ports, max_ports), check_ids("vrf", batch.vrfs, max_vrfs),
        check_ids("vif", batch.vifs, max_objects), check_ids("policy", batch.policies, max_objects),
        check_ids("adjacency", batch.adjacencies, max_objects),
        check_ids("nexthop", batch.nexthops, max_objects),
        check_ids("decap", batch.decaps, max_objects)}) {
    if (!status) return status;
  }
  const Presence port_exists(batch.ports, tables_.ports);
  const Presence vrf_exists(batch.vrfs, tables_.vrfs);
  const Presence policy_exists(batch.policies, tables_.policies);
  const Presence vif_exists(batch.vifs, tables_.vifs);
  const Presence adjacency_exists(batch.adjacencies, tables_.adjacencies);
  const Presence nexthop_exists(batch.nexthops, tables_.nexthops);

  for (const auto& [id, port] : batch.ports) {
    if (port && port->vif.valid() && !vif_exists(port->vif)) return bad("port", id, "no such vif");
    compiled.ports.push_back(port ? std::make_unique<PortEntry>(PortEntry{id, *port}) : nullptr);
  }
  for (const auto& [id, vrf] : batch.vrfs) {
    compiled.vrfs.push_back(
        vrf ? std::make_unique<VrfEntry>(VrfEntry{
                  .id = id, .router = wire::IpEthernetTails(vrf->router_mac), .flows = vrf->flows})
            : nullptr);
  }
  for (const auto& [id, vrf] : batch.vrfs) {
    if (vrf && !vrf->flows && has_policies(batch, id)) {
      return bad("vrf", id, "a vif in it has a policy, which needs flows");
    }
  }
  for (const auto& [id, policy] : batch.policies) {
    if (policy && *policy == nullptr) return bad("policy", id, "it is not compiled");
    compiled.policies.push_back(
        policy ? std::make_unique<const PolicyEntry>(PolicyEntry{id, *policy}) : nullptr);
  }
  for (const auto& [id, vif] : batch.vifs) {
    if (!vif) {
      compiled.vifs.push_back(nullptr);
      continue;
    }
    if (!vrf_exists(vif->vrf)) return bad("vif", id, "no such vrf");
    if (!port_exists(vif->port)) return bad("vif", id, "no such port");
    if (vif->policy.valid() && !policy_exists(vif->policy)) return bad("vif", id, "no such policy");
    if (vif->policy.valid() && !keeps_flows(batch, vif->vrf)) {
      return bad("vif", id, "a policy needs sessions, and the VRF keeps no flows");
    }
    auto entry = std::make_unique<VifEntry>();
    entry->id = id;
    entry->port = vif->port;
    entry->vrf = vif->vrf;
    entry->mac = vif->mac;
    entry->anti_spoofing = vif->anti_spoofing;
    entry->host = vif->host;
    entry->flows = vif->flows;
    entry->policy = vif->policy;
    entry->mss_clamp = vif->mss_clamp;
    for (const IpAddress& a : vif->addresses) {
      if (a.is_v4()) {
        entry->addresses4.push_back(raw(a.v4()));
      } else {
        entry->addresses6.push_back(a.v6());
      }
    }
    compiled.vifs.push_back(std::move(entry));
  }
  std::unordered_map<std::uint32_t, bool> has_ways;  // of adjacencies that the batch puts
  for (const auto& [id, adjacency] : batch.adjacencies) {
    if (!adjacency) {
      compiled.adjacencies.push_back(nullptr);
      continue;
    }
    auto entry = std::make_unique<AdjacencyEntry>();
    entry->id = id;
    entry->mtu_bytes = adjacency->mtu_bytes;
    if (const auto& buckets = adjacency->buckets; !buckets.empty()) {
      if (!std::has_single_bit(buckets.size()) || buckets.size() > max_adjacency_buckets) {
        return bad("adjacency", id,
                   fmt::format("{} buckets; there must be a power of two of them, at most {}",
                               buckets.size(), max_adjacency_buckets));
      }
      entry->buckets = static_cast<std::uint16_t>(buckets.size());
      auto ways = std::make_unique<AdjacencyId[]>(buckets.size());
      std::ranges::copy(buckets, ways.get());
      entry->ways = std::move(ways);
      has_ways[id.index()] = true;
      compiled.adjacencies.push_back(std::move(entry));
      continue;
    }
    has_ways[id.index()] = false;
    if (!port_exists(adjacency->port)) return bad("adjacency", id, "no such port");
    entry->destination = adjacency->destination.value_or(MacAddress{});
    entry->tails = wire::IpEthernetTails(adjacency->source);
    entry->resolved = adjacency->destination.has_value();
    entry->port = adjacency->port;
    entry->neighbour = adjacency->neighbour;
    compiled.adjacencies.push_back(std::move(entry));
  }
  for (const auto& [id, adjacency] : batch.adjacencies) {
    if (!adjacency) continue;
    for (const AdjacencyId way : adjacency->buckets) {
      if (!adjacency_exists(way)) {
        return bad("adjacency", id, fmt::format("no such adjacency {}", way.index()));
      }
      const auto put = has_ways.find(way.index());
      const bool again =
          put != has_ways.end() ? put->second : tables_.adjacencies.get(way)->buckets != 0;
      if (again) {
        return bad("adjacency", id, fmt::format("adjacency {} is no neighbour", way.index()));
      }
    }
  }
  std::unordered_map<std::uint32_t, NexthopKind> kinds;  // of next hops that the batch puts
  for (const auto& [id, nexthop] : batch.nexthops) {
    if (!nexthop) {
      compiled.nexthops.push_back(nullptr);
      continue;
    }
    if (const auto* n = std::get_if<nexthop::Interface>(&*nexthop)) {
      if (!adjacency_exists(n->adjacency)) return bad("nexthop", id, "no such adjacency");
    } else if (const auto* r = std::get_if<nexthop::Receive>(&*nexthop)) {
      if (r->adjacency.valid() && !adjacency_exists(r->adjacency)) {
        return bad("nexthop", id, "no such adjacency");
      }
    } else if (const auto* l = std::get_if<nexthop::Lookup>(&*nexthop)) {
      if (!vrf_exists(l->vrf)) return bad("nexthop", id, "no such vrf");
    } else if (const auto* g = std::get_if<nexthop::Glean>(&*nexthop)) {
      if (!port_exists(g->port)) return bad("nexthop", id, "no such port");
    } else if (const auto* t = std::get_if<nexthop::Tunnel>(&*nexthop)) {
      const TunnelProfile& p = t->profile;
      if (t->adjacency.valid() && !adjacency_exists(t->adjacency)) {
        return bad("nexthop", id, "no such adjacency");
      }
      if (p.local.family() != p.remote.family()) {
        return bad("nexthop", id, "local and remote of the tunnel differ in family");
      }
      if (p.source_ports.first > p.source_ports.last) {
        return bad("nexthop", id, "the source port range is empty");
      }
      if (const std::string error = header_error(p); !error.empty()) {
        return bad("nexthop", id, error);
      }
    } else if (const auto* e = std::get_if<nexthop::Ecmp>(&*nexthop)) {
      if (!std::has_single_bit(e->buckets.size()) || e->buckets.size() > max_ecmp_buckets) {
        return bad("nexthop", id,
                   fmt::format("{} buckets; there must be a power of two of them, at most {}",
                               e->buckets.size(), max_ecmp_buckets));
      }
    }
    auto entry = NexthopEntry::compile(id, *nexthop);
    if (!entry) return bad("nexthop", id, "the outer header is longer than 384 bytes");
    kinds[id.index()] = entry->kind;
    compiled.nexthops.push_back(std::move(entry));
  }
  const auto kind_of = [&](NexthopId id) -> std::optional<NexthopKind> {
    if (!nexthop_exists(id)) return std::nullopt;
    const auto put = kinds.find(id.index());
    return put != kinds.end() ? put->second : tables_.nexthops.get(id)->kind;
  };
  for (const auto& [id, nexthop] : batch.nexthops) {
    const auto* group = nexthop ? std::get_if<nexthop::Ecmp>(&*nexthop) : nullptr;
    if (group == nullptr) continue;
    for (const NexthopId member : group->buckets) {
      const auto kind = kind_of(member);
      if (!kind) return bad("nexthop", id, fmt::format("no such nexthop {}", member.index()));
      if (has_adjacency(*kind)) continue;
      return bad("nexthop", id,
                 fmt::format("nexthop {} is neither an interface nor a tunnel", member.index()));
    }
  }
  std::map<std::tuple<TunnelKind, std::uint16_t, std::uint32_t, IpAddress>, DecapId> decap_keys;
  std::unordered_set<std::uint32_t> changed;    // decaps whose present key says nothing
  std::unordered_set<std::uint32_t> decap_ids;  // of what the batch puts, marks among them
  for (const auto& change : batch.decaps) changed.insert(change.id.index());
  const std::vector<bool> void_decaps = superseded(batch.decaps);
  for (std::size_t i = 0; i < batch.decaps.size(); ++i) {
    const auto& [id, decap] = batch.decaps[i];
    if (!decap || void_decaps[i]) {
      compiled.decaps.push_back(nullptr);
      continue;
    }
    const bool has_target = decap->behaviour != SegmentBehaviour::end;
    const auto kind = kind_of(decap->nexthop);
    if (has_target && !kind) return bad("decap", id, "no such nexthop");
    if (decap->relays) {
      if (kind != NexthopKind::tunnel || !has_nsh(decap->kind)) {
        return bad("decap", id, "only NSH can be relayed, and only into a tunnel");
      }
    } else if (has_target && !takes_what_was_inside(*kind)) {
      return bad(
          "decap", id,
          fmt::format("nexthop {} takes no decapsulated packets: it must look up in a VRF or "
                      "lead to a VIF",
                      decap->nexthop.index()));
    }
    if (tunnel::ip_protocols(decap->kind).empty()) return bad("decap", id, "no such tunnel kind");
    if (!fits_kind(decap->kind, decap->vni)) {
      return bad("decap", id, network_error(decap->kind, decap->vni));
    }
    if (describe(decap->kind).ipv6_only && decap->local.is_v4()) {
      return bad("decap", id, "the tunnel kind needs an IPv6 underlay");
    }
    if (!fit(decap->labels) || !fit(decap->kind, decap->options)) {
      return bad("decap", id, "more labels or options than a header can have");
    }
    if (tunnel::rides_on_udp(decap->kind) != (decap->destination_port != 0)) {
      return bad("decap", id, "the UDP port must be 0 for kinds without UDP, and for no other");
    }
    if (describe(decap->kind).on_ethernet &&
        (!decap->sources.empty() || decap->local != IpAddress{})) {
      return bad("decap", id, "the tunnel kind has neither sources nor a local address");
    }
    for (const IpPrefix& source : decap->sources) {
      if (source.length > source.address.width_bits()) {
        return bad("decap", id,
                   fmt::format("source {} is longer than its address", to_string(source)));
      }
      if (source.address.family() != decap->local.family()) {
        return bad("decap", id, "a source differs in family from the local address");
      }
    }
    const DecapEntry* twin =
        tables_.decaps.find(decap->kind, decap->destination_port, decap->vni, decap->local);
    const auto [first, fresh] = decap_keys.try_emplace(
        {decap->kind, decap->destination_port, decap->vni, decap->local}, id);
    if (!fresh) {
      return bad("decap", id, fmt::format("decap {} has the same key", first->second.index()));
    }
    if (twin != nullptr && twin->id.index() != id.index() && !changed.contains(twin->id.index())) {
      return bad("decap", id, fmt::format("decap {} has the same key", twin->id.index()));
    }
    if (const auto error = marks_error(*decap); !error.empty()) return bad("decap", id, error);
    std::vector<DecapId> own = decap->mark_ids;
    own.push_back(id);
    for (const DecapId mine : own) {
      const bool fits = mine.valid() && mine.index() < max_objects;
      const DecapEntry* user = fits ? tables_.decaps_by_id.get(mine) : nullptr;
      const bool taken = user != nullptr && user->id.index() != id.index();
      if (fits && !taken && decap_ids.insert(mine.index()).second) continue;
      return bad("decap", id, fmt::format("its id {}, or a mark's, is not free", mine.index()));
    }
    compiled.decaps.push_back(std::make_unique<DecapEntry>(id, *decap));
  }
  if (Status ports = check_udp_ports(batch); !ports) return ports;
  for (const RouteChange& route : batch.routes) {
    if (route.nexthop.valid() && !vrf_exists(route.vrf)) {
      return Error{fmt::format("route {}: no such vrf", to_string(route.prefix))};
    }
    if (route.nexthop.valid() && !nexthop_exists(route.nexthop)) {
      return Error{fmt::format("route {}: no such nexthop", to_string(route.prefix))};
    }
    if (route.prefix.length > route.prefix.address.width_bits()) {
      return Error{
          fmt::format("route {}: the length is beyond the address", to_string(route.prefix))};
    }
    if (route.prefix != route.prefix.masked()) {
      return Error{fmt::format("route {}: bits are set beyond the length, {} is meant",
                               to_string(route.prefix), to_string(route.prefix.masked()))};
    }
  }
  if (arena_.has_room_for(batch.routes.size())) return ok();
  const auto added = static_cast<std::size_t>(std::count_if(
      batch.routes.begin(), batch.routes.end(),
      [this](const RouteChange& route) { return route.nexthop.valid() && !present(route); }));
  if (added == 0 || arena_.has_room_for(added)) return ok();
  return Error{
      fmt::format("the FIBs are full with {} routes in {} bytes and have no room for {} "
                  "more; withdraw some",
                  routes_, arena_.used_bytes(), added)};
}

/// Whether the VRF will keep flows once the batch is applied.
bool ForwardingState::keeps_flows(const Batch& batch, VrfId vrf) const {
  const VrfEntry* there = tables_.vrfs.get(vrf);
  bool flows = there != nullptr && there->flows;
  for (const auto& [id, object] : batch.vrfs) {
    if (id == vrf && object) flows = object->flows;
  }
  return flows;
}

/// Whether a VIF that the batch does not touch has a policy there.
bool ForwardingState::has_policies(const Batch& batch, VrfId vrf) const {
  const auto judged = judged_.find(vrf);
  if (judged == judged_.end()) return false;
  std::unordered_set<std::uint32_t> touched;  // of them, by index
  for (const auto& [id, object] : batch.vifs) {
    const VifEntry* there = tables_.vifs.get(id);
    const bool replaced = there != nullptr && (object || there->id == id);
    if (replaced && there->policy.valid() && there->vrf == vrf) touched.insert(id.index());
  }
  return touched.size() < judged->second;
}

/// Whether its prefix has a route already, so that it needs no memory.
bool ForwardingState::present(const RouteChange& route) const {
  const VrfEntry* vrf = tables_.vrfs.get(route.vrf);
  if (vrf == nullptr || vrf->id != route.vrf) return false;
  const auto& [address, length] = route.prefix;
  return address.is_v4() ? vrf->fib4->find(fib::key_of(address.v4()), length) != fib::no_route
                         : vrf->fib6->find(fib::key_of(address.v6()), length) != fib::no_route;
}

}  // namespace weft
