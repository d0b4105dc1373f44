/// The resolver's ecmp next hops, one for each route that has several ways.

#include <algorithm>

#include "agent/ecmp_buckets.hpp"
#include "agent/resolver.hpp"

namespace weft::agent {

Result<NexthopId> Resolver::ecmp_nexthop(Transaction& tx, const std::vector<EcmpMember>& ways,
                                         std::optional<NexthopId> old) {
  EcmpGroup group;
  for (const EcmpMember& way : ways) {
    const auto nexthop = way.tunnel.empty() ? vif_nexthop(way.vif) : tunnel_nexthop(way.tunnel);
    if (!nexthop) return nexthop.error();
    if (std::ranges::find(group.members, *nexthop) != group.members.end()) {
      return Error{(way.tunnel.empty() ? "vif " + way.vif : "tunnel " + way.tunnel) +
                   " is a member twice"};
    }
    group.members.push_back(*nexthop);
  }
  const auto before = old ? model_.ecmp_groups.find(*old) : model_.ecmp_groups.end();
  const bool known = before != model_.ecmp_groups.end();
  group.buckets = lay_over_buckets(
      known ? before->second.buckets : std::vector<NexthopId>(ecmp_bucket_count), group.members);
  NexthopId id;
  if (!known) {
    id = add_nexthop(tx, nexthop::Ecmp{group.buckets}, {NexthopUse::Kind::ecmp, {}, {}});
  } else {
    id = *old;
    if (group.buckets != before->second.buckets) tx.nexthops[id] = nexthop::Ecmp{group.buckets};
  }
  tx.put(model_.ecmp_groups, id, std::move(group));
  return id;
}

void Resolver::leave_target(Transaction& tx, NexthopId target) {
  const auto use = model_.nexthops.at(target);
  if (use.kind == NexthopUse::Kind::neighbour) unpin_gateways(tx, {use.neighbour});
  if (use.kind == NexthopUse::Kind::ways) unpin_gateways(tx, use.ways);
  if (use.kind != NexthopUse::Kind::ecmp) return;
  delete_nexthop(tx, target);
  tx.erase(model_.ecmp_groups, target);
  tx.erase(model_.nexthops, target);
}

}  // namespace weft::agent
