/// Routes of `weft.yaml`.

#include "agent/config_draft.hpp"
#include "agent/ecmp_buckets.hpp"

namespace weft::agent {
namespace {

using yaml::Map;
using yaml::Placed;
using yaml::Value;

std::optional<bool> only_true(const Value& v) {
  const auto read = yaml::boolean(v);
  return read && !*read ? v.wanted("true, or another way out") : read;
}

std::optional<Draft<EcmpMember>> read_member(const Value& v) {
  Draft<EcmpMember> member(v);
  auto& [config, map] = member;
  map.optional("tunnel", config.tunnel, yaml::name);
  map.optional("vif", config.vif, yaml::name);
  map.finish();
  if (map.is_map() && map.has("tunnel") == map.has("vif")) {
    v.error(std::string("wanted exactly one of tunnel and vif, found ") +
            (map.has("tunnel") ? "both" : "neither"));
  }
  return member;
}

void read_members(RouteDraft& route, Map& map) {
  std::vector<Placed<Draft<EcmpMember>>> members;
  if (!map.optional("ecmp", members, yaml::placed_list(read_member))) return;
  const Value where = map.at("ecmp");
  const std::size_t count = where.element().children.size();
  if (count == 0 || count > ecmp_members_max) {
    where.error("wanted 1 to " + std::to_string(ecmp_members_max) + " members, found " +
                std::to_string(count));
  }
  auto& known = route.config.via.ecmp;
  for (const auto& [member, place] : members) {
    const auto& config = member.config;
    if (config == EcmpMember{}) continue;
    if (std::ranges::find(known, config) != known.end()) {
      place.error((config.tunnel.empty() ? "vif " + config.vif : "tunnel " + config.tunnel) +
                  " stands in this list twice");
    }
    known.push_back(config);
  }
  route.ecmp = values(std::move(members));
}

void read_gateways(RouteDraft& route, Map& map) {
  if (!map.optional("gateway", route.gateways, yaml::one_or_list(yaml::address))) return;
  const Value where = map.at("gateway");
  const std::size_t count = where.scalar() ? 1 : where.element().children.size();
  if (count == 0 || count > gateways_max) {
    where.error("wanted 1 to " + std::to_string(gateways_max) + " gateways, found " +
                std::to_string(count));
  }
  unique(route.gateways);
  route.config.via.gateways = values(route.gateways);
}

void read_via(RouteDraft& route, const Value& v) {
  RouteTarget& target = route.config.via;
  Map& map = route.via.emplace(v);
  map.optional("tunnel", target.tunnel, yaml::name);
  map.optional("vif", target.vif, yaml::name);
  map.optional("vrf", target.vrf, yaml::name);
  read_gateways(route, map);
  map.optional("discard", target.discard, only_true);
  read_members(route, map);
  map.finish();
  const auto ways = map.has("tunnel") + map.has("vif") + map.has("vrf") + map.has("gateway") +
                    map.has("discard") + map.has("ecmp");
  if (map.is_map() && ways != 1) {
    v.error("wanted exactly one of tunnel, vif, vrf, ecmp, gateway and discard, found " +
            std::to_string(ways));
  }
}

}  // namespace

std::optional<RouteDraft> read_route(const Value& v) {
  RouteDraft route(v);
  auto& [config, map] = static_cast<Draft<RouteConfig>&>(route);
  std::optional<Value> via;
  map.required("vrf", config.vrf, yaml::name);
  map.required("prefix", config.prefix, yaml::network);
  map.required("via", via, [](const Value& value) { return std::optional(value); });
  map.optional(
      "beside_vif", config.beside_vif,
      yaml::choice<BesideVif>({{"behind", BesideVif::behind}, {"before", BesideVif::before}}));
  map.finish();
  if (via) read_via(route, *via);
  return route;
}

}  // namespace weft::agent
