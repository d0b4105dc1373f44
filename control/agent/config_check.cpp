#include "agent/config_check.hpp"

#include <map>
#include <set>
#include <tuple>
#include <unordered_map>

#include "agent/ecmp_buckets.hpp"

namespace weft::agent {
namespace {

using yaml::Map;
using yaml::Value;

/// The objects of one kind by name; also those whose name is no good one, lest every mention of it
/// be an error too.
class Names {
 public:
  template <class Drafts>
  Names(std::string kind, const Drafts& drafts) : kind_(std::move(kind)) {
    for (std::size_t i = 0; i < drafts.size(); ++i) {
      if (!drafts[i].map.has("name")) continue;
      const Value where = drafts[i].map.at("name");
      const auto [first, added] = index_.try_emplace(where.element().text, i);
      if (added || !drafts[i].map.good("name")) continue;
      where.error(yaml::quoted(where.element().text) + " is already the name of " +
                  drafts[first->second].place());
    }
  }

  [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? std::nullopt : std::optional(found->second);
  }

  /// The object that `key` of `map` names; a name of nothing is reported.
  std::optional<std::size_t> resolve(const Map& map, std::string_view key) const {
    if (!map.good(key)) return std::nullopt;
    const Value where = map.at(key);
    const auto found = find(where.element().text);
    if (!found) unknown(where);
    return found;
  }

  void unknown(const Value& where) const { unknown(where, where.element().text); }
  void unknown(const Value& where, std::string_view name) const {
    std::vector<std::string_view> names;
    for (const auto& [known, index] : index_) names.push_back(known);
    where.error("there is no " + kind_ + " " + yaml::quoted(name) +
                yaml::did_you_mean(name, names));
  }

 private:
  std::string kind_;
  std::unordered_map<std::string_view, std::size_t> index_;
};

/// Who has which prefix of which VRF; whoever wants it second is told of the first.
class Claims {
 public:
  /// Where two share a prefix lawfully or have been told of it elsewhere.
  void note(std::string_view vrf, const IpPrefix& prefix, const std::string& owner) {
    owners_.try_emplace({vrf, prefix}, owner);
  }
  bool claim(std::string_view vrf, const IpPrefix& prefix, const Value& where,
             const std::string& owner) {
    const auto [first, added] = owners_.try_emplace({vrf, prefix}, owner);
    if (added) return true;
    const bool host = prefix.length == prefix.address.width_bits();
    where.error((host ? to_string(prefix.address) : to_string(prefix)) + " is taken in " +
                std::string(vrf) + ": " + first->second);
    return false;
  }

 private:
  std::map<std::pair<std::string_view, IpPrefix>, std::string> owners_;
};

struct Subnet {
  IpPrefix prefix;
  std::size_t owner;  ///< who may nest subnets of his own
  Value where;
};

void check_overlaps(std::vector<Subnet> subnets) {
  std::ranges::stable_sort(subnets, {}, &Subnet::prefix);
  const Subnet* cover = nullptr;
  for (const Subnet& subnet : subnets) {
    if (cover == nullptr || !cover->prefix.contains(subnet.prefix)) {
      cover = &subnet;
    } else if (cover->owner != subnet.owner) {
      const auto before = [](const Subnet* a, const Subnet* b) {
        return a->where.element().position < b->where.element().position;
      };
      const auto [first, second] = std::minmax({cover, &subnet}, before);
      second->where.error(to_string(second->prefix) + " overlaps " + to_string(first->prefix) +
                          " of " + first->where.place());
    }
  }
}

/// Reports an address that no host of `subnet` can have.
bool check_host(const IpPrefix& subnet, const IpAddress& address, const Value& where) {
  if (!subnet.contains(address) || subnet.length + 2U > address.width_bits()) return true;
  if (subnet.masked().address == address) {
    where.error("wanted a host's address, found the network address of " +
                to_string(subnet.masked()));
    return false;
  }
  if (!address.is_v4()) return true;
  const std::uint32_t host_bits = 0xffffffffU >> subnet.length;
  if ((address.v4().value & host_bits) != host_bits) return true;
  where.error("wanted a host's address, found the broadcast address of " +
              to_string(subnet.masked()));
  return false;
}

IpPrefix default_route(const IpAddress& gateway) {
  return {gateway.is_v4() ? IpAddress(Ipv4Address{}) : IpAddress(Ipv6Address{}), 0};
}

/// Whether every item of the list `key` could be read; else what is missing may be among the
/// others.
template <class T>
bool complete(const Map& map, std::string_view key, const std::vector<T>& read) {
  return !map.has(key) || (map.good(key) && map.at(key).element().children.size() == read.size()) ||
         (map.good(key) && map.at(key).scalar());
}

class Checker {
 public:
  explicit Checker(ConfigDraft& draft) : draft_(draft) {
    for (const auto& port : draft.ports) {
      ports_complete_ &= complete(port.map, "addresses", port.addresses);
    }
  }

  void run() {
    check_vrf_numbers();
    check_devices(draft_);
    check_ports();
    check_neighbours();
    check_security_groups();
    check_subnets();
    check_vifs();
    for (auto& tunnel : draft_.tunnels) check_tunnel(tunnel);
    for (auto& decap : draft_.decaps) check_decap(decap);
    for (auto& route : draft_.routes) check_route(route);
  }

 private:
  void check_vrf_numbers() {
    std::map<std::uint32_t, const VrfDraft*> seen;
    for (const auto& vrf : draft_.vrfs) {
      if (vrf.map.good("name") && vrf.config.name == underlay_name) {
        vrf.map.at("name").error("\"underlay\" is the name of VRF 0; choose another");
      }
      if (!vrf.map.good("id")) continue;
      const auto [first, added] = seen.try_emplace(vrf.config.id, &vrf);
      if (added) continue;
      vrf.map.at("id").error(std::to_string(vrf.config.id) + " is already the id of " +
                             first->second->place());
    }
  }

  void check_ports() {
    std::vector<Subnet> subnets;
    for (std::size_t i = 0; i < draft_.ports.size(); ++i) {
      const auto& port = draft_.ports[i];
      for (const auto& [prefix, where] : port.addresses) {
        check_host(prefix, prefix.address, where);
        const bool free = claims_.claim(underlay_name, IpPrefix::host(prefix.address), where,
                                        "the address of " + port.place());
        claims_.note(underlay_name, prefix.masked(), "the subnet of " + port.place());
        if (free) subnets.push_back({prefix.masked(), i, where});
      }
      for (const auto& [gateway, where] : port.gateways) {
        check_gateway_count(gateway, where);
        claims_.note(underlay_name, default_route(gateway), "the gateway of " + port.place());
        const auto around = std::ranges::find_if(
            port.addresses,
            [&wanted = gateway](const auto& own) { return own.value.contains(wanted); });
        if (around != port.addresses.end()) {
          check_neighbour_address(gateway, where);
        } else if (complete(port.map, "addresses", port.addresses)) {
          where.error("wanted an address in a subnet of this port, found " + to_string(gateway));
        }
      }
    }
    check_overlaps(std::move(subnets));
  }

  /// Those of all ports share the default route.
  void check_gateway_count(const IpAddress& gateway, const Value& where) {
    if (++gateways_[gateway.family()] != gateways_max + 1) return;
    where.error("wanted at most " + std::to_string(gateways_max) +
                " gateways of a family in all ports together, found more");
  }

  /// The port in whose subnet a neighbour's address is; reports when there is none.
  const PortDraft* check_neighbour_address(const IpAddress& address, const Value& where) {
    for (const auto& port : draft_.ports) {
      for (const auto& own : port.addresses) {
        if (!own.value.contains(address)) continue;
        if (own.value.address == address) {
          where.error("wanted a neighbour, found the own address of " + port.place());
          return nullptr;
        }
        return check_host(own.value, address, where) ? &port : nullptr;
      }
    }
    if (ports_complete_) {
      where.error("wanted an address in the subnet of a port, found " + to_string(address));
    }
    return nullptr;
  }

  void check_neighbours() {
    std::map<IpAddress, const NeighbourDraft*> seen;
    for (auto& neighbour : draft_.neighbours) {
      const Map& map = neighbour.map;
      if (map.good("vrf") && neighbour.vrf != underlay_name && vrfs_.resolve(map, "vrf")) {
        map.at("vrf").error("static neighbours are of the underlay only");
      }
      if (!map.good("address")) continue;
      const Value where = map.at("address");
      const auto& address = neighbour.config.address;
      if (const auto* port = check_neighbour_address(address, where)) {
        neighbour.config.port = port->config.name;
      }
      const auto [first, added] = seen.try_emplace(address, &neighbour);
      if (!added) where.error(to_string(address) + " is already in " + first->second->place());
    }
  }

  void check_security_groups() {
    const auto known = [this](const std::vector<yaml::Placed<std::string>>& names) {
      for (const auto& [name, where] : names) {
        if (!groups_.find(name)) groups_.unknown(where, name);
      }
    };
    for (const auto& group : draft_.security_groups) known(group.named);
    for (const auto& vrf : draft_.vrfs) known(vrf.security_groups);
    for (const auto& vif : draft_.vifs) known(vif.security_groups);
  }

  void check_subnets() {
    for (const auto& vrf : draft_.vrfs) {
      std::vector<Subnet> subnets;
      for (std::size_t i = 0; i < vrf.subnets.size(); ++i) {
        const auto& [subnet, map] = vrf.subnets[i];
        if (!map.good("prefix")) continue;
        subnets.push_back({subnet.prefix, i, map.at("prefix")});
        claims_.note(vrf.config.name, subnet.prefix, "the prefix of " + vrf.subnets[i].place());
        if (!map.good("gateway")) continue;
        claims_.note(vrf.config.name, IpPrefix::host(subnet.gateway),
                     "the gateway of " + vrf.subnets[i].place());
        if (!subnet.prefix.contains(subnet.gateway)) {
          map.at("gateway").error("wanted an address in " + to_string(subnet.prefix) + ", found " +
                                  to_string(subnet.gateway));
        } else {
          check_host(subnet.prefix, subnet.gateway, map.at("gateway"));
        }
      }
      check_overlaps(std::move(subnets));
    }
  }

  void check_vifs() {
    std::map<std::pair<std::size_t, MacAddress>, std::string> macs;
    for (std::size_t i = 0; i < draft_.vrfs.size(); ++i) {
      macs[{i, draft_.vrfs[i].config.router_mac}] = "the router_mac of " + draft_.vrfs[i].place();
    }
    for (const auto& vif : draft_.vifs) {
      if (vif.map.good("name") && vif.config.name == host_name) {
        vif.map.at("name").error("\"host\" is the name of the host interface; choose another");
      }
      if (vif.map.good("vrf") && vif.config.vrf == underlay_name) {
        vif.map.at("vrf").error(
            "vifs in the underlay come later; for this host's kernel give a port the key host");
        continue;
      }
      const auto index = vrfs_.resolve(vif.map, "vrf");
      if (!index) continue;
      const VrfDraft& vrf = draft_.vrfs[*index];
      if (vif.map.good("mac")) {
        const auto [first, added] =
            macs.try_emplace({*index, vif.config.mac}, "the mac of " + vif.place());
        if (!added) {
          vif.map.at("mac").error(to_string(vif.config.mac) + " is taken in " + vrf.config.name +
                                  ": " + first->second);
        }
      }
      for (const auto& [address, where] : vif.addresses) {
        claims_.claim(vrf.config.name, IpPrefix::host(address), where,
                      "an address of " + vif.place());
        for (const auto& subnet : vrf.subnets) {
          if (subnet.map.good("prefix")) check_host(subnet.config.prefix, address, where);
        }
      }
    }
  }

  /// The node's tunnel address of a family. Reports where `map` would have to say `local` instead.
  std::optional<IpAddress> default_local(IpFamily family, const Map& map) {
    if (!draft_.node) return std::nullopt;
    for (const auto& own : draft_.node->tunnel_addresses) {
      if (own.value.family() == family) return own.value;
    }
    if (complete(draft_.node->map, "tunnel_address", draft_.node->tunnel_addresses)) {
      map.missing("local", std::string(": node.tunnel_address has no ") +
                               (family == IpFamily::v4 ? "IPv4" : "IPv6") + " address");
    }
    return std::nullopt;
  }

  void check_tunnel(Draft<TunnelConfig>& tunnel) {
    auto& [config, map] = tunnel;
    TunnelProfile& profile = config.profile;
    const std::string_view remote = profile.kind == TunnelKind::srv6 ? "segments" : "remote";
    if (!map.good(remote) || profile.remote == IpAddress{}) return;
    if (describe(profile.kind).on_ethernet) {
      profile.local = profile.remote.is_v4() ? IpAddress{Ipv4Address{}} : IpAddress{Ipv6Address{}};
      return;
    }
    if (!map.has("local")) {
      const auto local = default_local(profile.remote.family(), map);
      if (!local) return;
      profile.local = *local;
    } else if (!map.good("local")) {
      return;
    }
    if (profile.local.family() != profile.remote.family()) {
      map.at("local").error("wanted an address of the family of the remote " +
                            to_string(profile.remote) + ", found " + to_string(profile.local));
    } else if (profile.local == profile.remote) {
      map.at(remote).error("wanted another node's address, found the local address of the tunnel");
    }
  }

  /// Whether `decap.local` is known now.
  bool resolve_local(DecapDraft& decap) {
    auto& [config, map] = static_cast<Draft<DecapConfig>&>(decap);
    if (describe(config.kind).on_ethernet) return true;
    const std::string_view key = config.kind == TunnelKind::srv6 ? "sid" : "local";
    if (map.has(key)) {
      if (!map.good(key)) return false;
      for (const auto& [source, where] : decap.sources) {
        if (source.address.family() == config.local.family()) continue;
        where.error("wanted a prefix of the family of " + std::string(key) + " " +
                    to_string(config.local) + ", found " + to_string(source));
      }
      return true;
    }
    if (decap.sources.empty() || key == "sid") return false;
    const IpFamily family = decap.sources.front().value.address.family();
    for (const auto& [source, where] : decap.sources) {
      if (source.address.family() == family) continue;
      map.at("sources").error(
          "wanted sources of one family, found both; make one decap for IPv4 and one for IPv6");
      return false;
    }
    const auto local = default_local(family, map);
    if (local) config.local = *local;
    return local.has_value();
  }

  void check_decap(DecapDraft& decap) {
    auto& [config, map] = static_cast<Draft<DecapConfig>&>(decap);
    if (map.good("vrf") && config.vrf == underlay_name) {
      map.at("vrf").error("what comes out of a tunnel may not enter the underlay");
    } else {
      vrfs_.resolve(map, "vrf");
    }
    vifs_.resolve(map, "vif");
    if (const auto relay = tunnels_.resolve(map, "tunnel"); relay && !holds_nsh(*relay)) {
      map.at("tunnel").error("wanted a tunnel of payload nsh, which has room for the header");
    }
    if (map.good("gateway")) check_neighbour_address(*config.gateway, map.at("gateway"));
    const std::string_view network = describe(config.kind).network;
    const bool network_known = network.empty() || map.good(network);
    const bool port_known = !map.has("port") || map.good("port");
    if (!resolve_local(decap) || !map.good("kind") || !network_known || !port_known) return;
    if (config.destination_port != 0) {
      const auto [user, first_here] = udp_ports_.try_emplace(config.destination_port, &decap);
      const DecapConfig& other = user->second->config;
      if (!first_here && kind_of_port(other.kind) != kind_of_port(config.kind)) {
        map.at(map.has("port") ? "port" : "kind")
            .error("UDP port " + std::to_string(config.destination_port) + " is of " +
                   std::string(describe(other.kind).name) + " by " + user->second->place() +
                   "; give one of them another port");
      }
    }
    const auto [first, added] = decaps_.try_emplace(
        {config.kind, config.destination_port, config.vni, config.local}, &decap);
    if (added) return;
    const auto& other = first->second->config;
    const std::string same = "same kind, port, vni and local as " + first->second->place();
    if (config.vrf != other.vrf || config.vif != other.vif || config.tunnel != other.tunnel) {
      const std::string_view key = map.has("vrf") ? "vrf" : map.has("vif") ? "vif" : "tunnel";
      map.at(key).error(same + ", but another target");
    }
    if (config.zero_udp_checksum6 != other.zero_udp_checksum6) {
      map.at("zero_udp_checksum6").error(same + ", but another zero_udp_checksum6");
    } else if (config.copy_dscp != other.copy_dscp) {
      map.at("dscp").error(same + ", but another dscp");
    } else if (config.marks != other.marks) {
      map.at("marks").error(same + ", but other marks");
    } else if (static_cast<const DecapTerms&>(config) != other) {
      map.value().error(same +
                        ", but other labels or options, or another behaviour, vni or "
                        "key");
    } else if (config.gateway != other.gateway) {
      map.at("gateway").error(same + ", but another gateway");
    }
  }

  bool vrf_or_underlay(const Map& map, const std::string& vrf) {
    return map.good("vrf") && (vrf == underlay_name || vrfs_.resolve(map, "vrf"));
  }

  [[nodiscard]] bool holds_nsh(std::size_t tunnel) const {
    return draft_.tunnels[tunnel].config.profile.payload == TunnelPayload::nsh;
  }
  /// The tunnel that a route leads into.
  void resolve_tunnel(const Map& via) const {
    const auto tunnel = tunnels_.resolve(via, "tunnel");
    if (!tunnel || !holds_nsh(*tunnel)) return;
    via.at("tunnel").error("it takes only packets that have an NSH header, from decaps");
  }

  void check_route(RouteDraft& route) {
    auto& [config, map] = static_cast<Draft<RouteConfig>&>(route);
    const bool vrf_known = vrf_or_underlay(map, config.vrf);
    if (vrf_known && map.good("prefix") && config.beside_vif == BesideVif::no) {
      claims_.claim(config.vrf, config.prefix, map.at("prefix"), "the prefix of " + route.place());
    }
    if (!route.via) return;
    const Map& via = *route.via;
    const bool underlay = config.vrf == underlay_name;
    resolve_tunnel(via);
    vifs_.resolve(via, "vif");
    vrf_or_underlay(via, config.via.vrf);
    if (vrf_known && underlay && via.has("tunnel")) {
      via.at("tunnel").error("a route of the underlay cannot lead into a tunnel");
    }
    for (const auto& [member, way] : route.ecmp) {
      resolve_tunnel(way);
      vifs_.resolve(way, "vif");
      if (vrf_known && underlay && way.has("tunnel")) {
        way.at("tunnel").error("a route of the underlay cannot lead into a tunnel");
      }
    }
    if (vrf_known && via.good("vrf") && config.via.vrf == config.vrf) {
      via.at("vrf").error("wanted another VRF, found the route's own");
    }
    if (!via.good("gateway")) return;
    const Value where = via.at("gateway");
    if (vrf_known && !underlay) {
      where.error("gateways are of the underlay only; in a VRF use tunnel, vif or vrf");
      return;
    }
    for (const auto& [gateway, place_of] : route.gateways) {
      check_neighbour_address(gateway, place_of);
      if (!map.good("prefix") || gateway.family() == config.prefix.address.family()) continue;
      place_of.error("wanted an address of the family of " + to_string(config.prefix) + ", found " +
                     to_string(gateway));
    }
  }

  using DecapKey = std::tuple<TunnelKind, std::uint16_t, std::uint32_t, IpAddress>;

  ConfigDraft& draft_;
  Names groups_{"security group", draft_.security_groups};
  Names ports_{"port", draft_.ports};
  Names vrfs_{"vrf", draft_.vrfs};
  Names vifs_{"vif", draft_.vifs};
  Names tunnels_{"tunnel", draft_.tunnels};
  Names decap_names_{"decap", draft_.decaps};
  Claims claims_;
  std::map<IpFamily, std::size_t> gateways_;
  std::map<DecapKey, const DecapDraft*> decaps_;
  std::map<std::uint16_t, const DecapDraft*> udp_ports_;  ///< who uses it first
  bool ports_complete_ = true;
};

}  // namespace

void check(ConfigDraft& draft) { Checker(draft).run(); }

}  // namespace weft::agent
