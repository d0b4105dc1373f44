#include "agent/channel_routes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "vpn/encapsulation.hpp"

namespace weft::agent {

namespace {

constexpr std::size_t max_name = 63;  // of yaml::name

std::string word(const IpAddress& address) {
  auto text = to_string(address);
  std::ranges::replace(text, ':', '-');
  return text;
}

std::string word(const MacAddress& mac) {
  auto text = to_string(mac);
  std::erase(text, ':');
  return text;
}

}  // namespace

TunnelKey key_of(const TunnelProfile& profile) {
  return {profile.kind, profile.remote, profile.vni, profile.inner_destination_mac};
}

std::string tunnel_name(const TunnelKey& key) {
  std::string kind(describe(key.kind).name);
  std::ranges::replace(kind, '_', '-');
  std::string name = fmt::format("{}-{}-{}", kind, key.network, word(key.remote));
  if (key.mac != MacAddress{} && key.mac != default_router_mac) name += "-" + word(key.mac);
  // The longest IPv6 address leaves no room for kind and MAC.
  if (name.size() > max_name) name = name.substr(name.size() - max_name + 1).insert(0, "t");
  return name;
}

ChannelRoutes::ChannelRoutes(NodeConfig node)
    : node_(std::move(node)), reader_(table_.add_reader()) {}

vpn::RouteDistinguisher ChannelRoutes::rd(const std::string& vrf) {
  const auto found = rds_.find(vrf);
  if (found != rds_.end()) return found->second;
  const vpn::RouteDistinguisher fresh(
      vpn::Administered{vpn::AdministratorType::as4, 0, next_rd_++});
  vrfs_.emplace(fresh, vrf);
  return rds_.emplace(vrf, fresh).first->second;
}

void ChannelRoutes::announce(vpn::SourceId source, const std::string& vrf, const vpn::Nlri& nlri,
                             vpn::Attributes attributes) {
  table_.announce(nlri.within(rd(vrf)), {source}, pool_.intern(std::move(attributes)));
}

void ChannelRoutes::withdraw(vpn::SourceId source, const std::string& vrf, const vpn::Nlri& nlri) {
  table_.withdraw(nlri.within(rd(vrf)), {source});
}

void ChannelRoutes::forget(const std::string& vrf) {
  const auto gone = rd(vrf);
  std::vector<std::pair<vpn::Nlri, vpn::Teller>> paths;
  table_.each([&](const vpn::Nlri& nlri, const vpn::Table::Route& route) {
    if (nlri.rd() != gone) return;
    for (const auto& path : route.paths) paths.emplace_back(nlri, path.teller);
  });
  for (const auto& [nlri, teller] : paths) table_.withdraw(nlri, teller);
}

void ChannelRoutes::set_moved(const std::string& vrf, const IpAddress& address, bool moved) {
  const RouteKey key{vrf, IpPrefix::host(address)};
  if (moved ? moved_.insert(key).second : moved_.erase(key) > 0) again_.insert(key);
}

bool ChannelRoutes::pending() const {
  return !again_.empty() || table_.position(reader_) != vpn::Table::at_end;
}

void ChannelRoutes::collect(Update& update, std::size_t most, const Offered& offered) {
  for (const auto& key : std::exchange(again_, {})) {
    const auto nlri = vpn::Nlri::unicast(rd(key.vrf), key.prefix);
    const auto* route = table_.find(nlri);
    settle(update, nlri, route == nullptr ? vpn::AttributesRef{} : route->best, offered);
  }
  table_.read(reader_, most, [&](const vpn::Nlri& nlri, const vpn::AttributesRef& best) {
    settle(update, nlri, best, offered);
  });
}

void ChannelRoutes::reconsider() {
  // A new reader does not hear of what was withdrawn before it came.
  table_.read(reader_, std::numeric_limits<std::size_t>::max(),
              [&](const vpn::Nlri& nlri, const vpn::AttributesRef& best) {
                if (best || nlri.is_mac_ip()) return;
                again_.insert({vrfs_.at(nlri.rd()), nlri.prefix()});
              });
  const auto fresh = table_.add_reader();
  table_.remove_reader(reader_);
  reader_ = fresh;
}

/// One for each of its encapsulations that we have, in its order.
std::vector<TunnelConfig> ChannelRoutes::tunnels_to(const vpn::NextHop& hop) const {
  std::vector<TunnelConfig> out;
  const auto local = std::ranges::find(node_.tunnel_addresses, hop.address.family(),
                                       [](const IpAddress& a) { return a.family(); });
  const bool own = std::ranges::count(node_.tunnel_addresses, hop.address) > 0;
  if (local == node_.tunnel_addresses.end() || own) return out;
  for (const auto encapsulation : hop.encapsulations) {
    const auto& info = vpn::describe(encapsulation);
    const auto number = info.network == vpn::NetworkField::label ? hop.label : hop.vni;
    if (info.kind == TunnelKind::none || !number) continue;
    const auto& kind = describe(info.kind);
    if (kind.on_ethernet || *number < kind.least_network || *number > kind.most_network) continue;
    TunnelConfig tunnel;
    tunnel.profile.kind = info.kind;
    tunnel.profile.local = *local;
    tunnel.profile.remote = hop.address;
    tunnel.profile.vni = *number;
    tunnel.profile.destination_port = kind.default_udp_port;
    tunnel.profile.payload = kind.payload;
    if (kind.payload == TunnelPayload::ethernet) {
      tunnel.profile.inner_destination_mac = hop.mac.value_or(default_router_mac);
    }
    tunnel.name = tunnel_name(key_of(tunnel.profile));
    out.push_back(std::move(tunnel));
  }
  return out;
}

void ChannelRoutes::release(Update& update, const std::vector<std::string>& names) {
  for (const auto& name : names) {
    const auto found = tunnels_.find(name);
    if (--found->second.uses > 0) continue;
    update.tunnels.erase.push_back(name);
    tunnels_.erase(found);
  }
}

void ChannelRoutes::settle(Update& update, const vpn::Nlri& nlri, const vpn::AttributesRef& best,
                           const Offered& offered) {
  if (nlri.is_mac_ip()) return;  // routes of MAC addresses have no place in a routed network
  const auto vrf = vrfs_.find(nlri.rd());
  const RouteKey key{vrf->second, nlri.prefix()};
  std::vector<std::string> ways;
  std::vector<std::string> ours;
  if (best && best->origin != node_.name) {
    for (const auto& hop : best->next_hops) {
      const auto tunnels = tunnels_to(hop);
      if (tunnels.empty()) continue;
      // A profile is the controller's word on how this node is to get there.
      const auto profile = std::ranges::find_if(tunnels, [&](const TunnelConfig& tunnel) {
        return offered.contains(key_of(tunnel.profile));
      });
      const auto& name =
          profile == tunnels.end() ? tunnels.front().name : offered.at(key_of(profile->profile));
      if (std::ranges::find(ways, name) != ways.end()) continue;
      ways.push_back(name);
      if (profile != tunnels.end()) continue;
      auto [ours_now, is_new] = tunnels_.try_emplace(name, Tunnel{tunnels.front()});
      ++ours_now->second.uses;
      ours.push_back(name);
      if (!is_new) continue;
      update.tunnels.put.push_back({tunnels.front(), Owner::channel});
      std::erase(update.tunnels.erase, name);
    }
  }
  const auto installed = routes_.find(key);
  const auto before =
      installed == routes_.end() ? std::vector<std::string>{} : installed->second.tunnels;
  if (ways.empty()) {
    if (installed != routes_.end()) {
      update.routes.erase.push_back(key);
      routes_.erase(installed);
    }
  } else {
    RouteConfig route{.vrf = key.vrf,
                      .prefix = key.prefix,
                      .via = {},
                      .beside_vif = moved_.contains(key) ? BesideVif::before : BesideVif::behind};
    if (ways.size() == 1) {
      route.via.tunnel = ways.front();
    } else {
      for (const auto& way : ways) route.via.ecmp.push_back({.tunnel = way, .vif = {}});
    }
    if (installed == routes_.end() || installed->second.config != route) {
      update.routes.put.push_back({route, Owner::channel});
    }
    routes_.insert_or_assign(key, Installed{route, ours});
  }
  release(update, before);
}

const vpn::Attributes* ChannelRoutes::elsewhere(const std::string& vrf, const IpAddress& address) {
  const auto* route = table_.find(vpn::Nlri::unicast(rd(vrf), IpPrefix::host(address)));
  if (route == nullptr || !route->best || route->best->origin == node_.name) return nullptr;
  return &*route->best;
}

std::uint32_t ChannelRoutes::own_sequence(const std::string& vrf, const IpAddress& address) {
  const auto* route = table_.find(vpn::Nlri::unicast(rd(vrf), IpPrefix::host(address)));
  std::uint32_t most = 0;
  if (route == nullptr) return most;
  for (const auto& path : route->paths) {
    if (path.attributes->origin == node_.name) most = std::max(most, path.attributes->sequence());
  }
  return most;
}

}  // namespace weft::agent
