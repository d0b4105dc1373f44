#include "agent/config_draft.hpp"

#include <sys/un.h>

#include "wire/vlan.hpp"

namespace weft::agent {
namespace {

using yaml::Map;
using yaml::Placed;
using yaml::Value;

constexpr std::uint16_t min_mtu = 576;
constexpr std::uint16_t max_mtu = 9000;
constexpr std::uint16_t min_ipv6_mtu = 1280;    // RFC 8200 §5
constexpr std::size_t max_interface_name = 15;  // IFNAMSIZ without its NUL

std::string join(const std::vector<std::string_view>& words) {
  std::string out;
  for (const auto word : words) out += (out.empty() ? "" : ", ") + std::string(word);
  return out;
}

bool interface_name(std::string_view s) {
  return !s.empty() && s.size() <= max_interface_name &&
         s.find_first_of(" \t/:") == std::string_view::npos;
}

std::optional<std::string> device(const Value& v) {
  static const std::vector<std::string_view> now{"af_packet", "tap", "pcap", "null", "dpdk"};
  static const std::vector<std::string_view> later{"pci", "af_xdp", "vhost", "virtio_user",
                                                   "memif"};
  auto whole = yaml::text(v);
  if (!whole) return std::nullopt;
  const auto colon = whole->find(':');
  const std::string scheme = whole->substr(0, colon);
  const std::string_view rest =
      colon == std::string::npos ? "" : std::string_view(*whole).substr(colon + 1);
  const auto fail = [&](std::string message) {
    v.error(std::move(message));
    return std::nullopt;
  };
  if (std::ranges::find(later, scheme) != later.end()) {
    return fail("devices of kind " + scheme + " come later; there are " + join(now));
  }
  if (colon == std::string::npos || std::ranges::find(now, scheme) == now.end()) {
    return fail("wanted a device, KIND:WHAT with one of the kinds " + join(now) + "; found " +
                yaml::quoted(*whole) + yaml::did_you_mean(scheme, now));
  }
  if (scheme == "af_packet" && !interface_name(rest)) return v.wanted("af_packet:INTERFACE");
  if (scheme == "tap") {
    const auto at = rest.find('@');
    const bool netns_named = at == std::string_view::npos ||
                             (at + 1 < rest.size() && rest.find('/') == std::string_view::npos);
    if (!interface_name(rest.substr(0, at)) || !netns_named) {
      return v.wanted("tap:INTERFACE or tap:INTERFACE@NETNS");
    }
  }
  if (scheme == "pcap") {
    const auto comma = rest.find(',');
    if (rest.substr(0, comma).empty() ||
        (comma != std::string_view::npos &&
         (comma + 1 == rest.size() || rest.find(',', comma + 1) != std::string_view::npos))) {
      return v.wanted("pcap:IN or pcap:IN,OUT");
    }
  }
  if (scheme == "null" && !rest.empty()) return v.wanted("null: with nothing behind the colon");
  if (scheme == "dpdk" && rest.empty()) return v.wanted("dpdk:ARGUMENTS");
  return whole;
}

std::optional<std::string> host_device(const Value& v) {
  constexpr std::string_view scheme = "tap:";
  auto whole = yaml::text(v);
  if (!whole) return std::nullopt;
  const std::string_view rest =
      std::string_view(*whole).substr(std::min(scheme.size(), whole->size()));
  if (!whole->starts_with(scheme) || !interface_name(rest) ||
      rest.find('@') != std::string_view::npos) {
    return v.wanted("tap:INTERFACE, a tap for weftd to make in its own network namespace");
  }
  return whole;
}

std::optional<std::string> socket_path(const Value& v) {
  auto path = yaml::text(v);
  if (path && path->size() >= sizeof(sockaddr_un::sun_path)) {
    return v.wanted("a socket path of at most 107 bytes");
  }
  return path;
}

std::optional<DpdkConfig::Hugepages> hugepages(const Value& v) {
  using Hugepages = DpdkConfig::Hugepages;
  return yaml::choice<Hugepages>({{"auto", Hugepages::automatic},
                                  {"on", Hugepages::on},
                                  {"off", Hugepages::off},
                                  {"true", Hugepages::on},
                                  {"false", Hugepages::off}})(v);
}

/// Reports two of the same family.
void one_of_each_family(const std::vector<Placed<IpAddress>>& list) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (list[i].value.family() != list[j].value.family()) continue;
      list[i].where.error("wanted at most one address of each family, found " +
                          to_string(list[j].value) + " and " + to_string(list[i].value));
      return;
    }
  }
}

void check_mtu(const Map& map, std::uint16_t mtu, const std::string& device, bool has_ipv6) {
  if (map.good("mtu") && mtu > max_tap_mtu_bytes && device.starts_with("tap:")) {
    map.at("mtu").wanted("at most 1500, which is what DPDK's tap takes");
  }
  if (!map.good("mtu") || !has_ipv6 || mtu >= min_ipv6_mtu) return;
  map.at("mtu").wanted("at least 1280, since there is an IPv6 address");
}

template <class T>
bool any_ipv6(const std::vector<Placed<T>>& list) {
  return std::ranges::any_of(list, [](const auto& item) {
    if constexpr (requires { item.value.length; }) {
      return !item.value.address.is_v4();
    } else {
      return !item.value.is_v4();
    }
  });
}

std::optional<NodeDraft> read_node(const Value& v) {
  NodeDraft node(v);
  node.map.required("name", node.config.name, yaml::name);
  node.map.optional("tunnel_address", node.tunnel_addresses, yaml::one_or_list(yaml::address));
  node.map.finish();
  one_of_each_family(node.tunnel_addresses);
  node.config.tunnel_addresses = values(node.tunnel_addresses);
  return node;
}

std::optional<DpdkConfig> read_dpdk(const Value& v) {
  DpdkConfig dpdk;
  Map map(v);
  map.optional("hugepages", dpdk.hugepages, hugepages);
  map.optional("memory_mb", dpdk.memory_mb, yaml::number(64U, 1U << 20));
  map.finish();
  return dpdk;
}

std::optional<WorkersConfig> read_workers(const Value& v) {
  using Idle = WorkersConfig::Idle;
  constexpr std::size_t most = 32;
  WorkersConfig workers;
  std::vector<Placed<unsigned>> lcores;
  Map map(v);
  if (map.optional("lcores", lcores, yaml::placed_list(yaml::number(0U, 1023U)))) {
    const std::size_t count = map.at("lcores").element().children.size();
    if (count == 0 || count > most) {
      map.at("lcores").error("wanted 1 to 32 CPU numbers, found " + std::to_string(count));
    }
    unique(lcores);
    workers.lcores = values(lcores);
  }
  map.optional("burst", workers.burst,
               yaml::choice<unsigned>({{"16", 16}, {"32", 32}, {"64", 64}}));
  map.optional("idle", workers.idle,
               yaml::choice<Idle>({{"adaptive", Idle::adaptive}, {"poll", Idle::poll}}));
  map.optional("handoff", workers.handoff, yaml::boolean);
  map.finish();
  return workers;
}

std::optional<std::string> read_api(const Value& v) {
  std::string socket = Config{}.api_socket;
  Map map(v);
  map.optional("socket", socket, socket_path);
  map.finish();
  return socket;
}

std::optional<std::string> read_state_section(const Value& v) {
  std::string file;
  Map map(v);
  map.required("file", file, [](const Value& value) -> std::optional<std::string> {
    auto path = yaml::text(value);
    if (path && !path->starts_with('/')) {
      return value.wanted("a path from the root, like /var/lib/weft/weftd-state.json");
    }
    return path;
  });
  map.finish();
  return file;
}

/// ADDRESS:PORT, an IPv6 address in brackets.
std::optional<MetricsConfig> listen_address(const Value& v) {
  constexpr auto wanted = "an address and a TCP port, like 127.0.0.1:9464 or \"[::1]:9464\"";
  const std::string_view s = v.element().text;
  const auto colon = s.rfind(':');
  if (!v.scalar() || colon == std::string_view::npos) return v.wanted(wanted);
  auto host = s.substr(0, colon);
  const auto digits = s.substr(colon + 1);
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  if (brackets) host = host.substr(1, host.size() - 2);
  const auto address = parse_ip(host);
  std::uint16_t port = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (!address || address->is_v4() == brackets || failed != std::errc() ||
      end != digits.data() + digits.size() || port == 0) {
    return v.wanted(wanted);
  }
  return MetricsConfig{std::string(host), port};
}

std::optional<MetricsConfig> read_metrics(const Value& v) {
  MetricsConfig metrics;
  Map map(v);
  map.required("listen", metrics, listen_address);
  map.finish();
  return metrics;
}

/// Seconds, kept in milliseconds.
std::optional<std::uint32_t> idle_seconds(const Value& v) {
  constexpr std::uint32_t most = 7 * 24 * 3600;
  const auto seconds = yaml::number<std::uint32_t>(1, most)(v);
  return seconds ? std::optional(*seconds * 1000) : std::nullopt;
}

std::optional<FlowTimeouts> read_flow_timeouts(const Value& v) {
  FlowTimeouts timeouts;
  Map map(v);
  map.optional("tcp_opening", timeouts.tcp_opening_ms, idle_seconds);
  map.optional("tcp_established", timeouts.tcp_established_ms, idle_seconds);
  map.optional("tcp_closing", timeouts.tcp_closing_ms, idle_seconds);
  map.optional("udp_one_way", timeouts.udp_one_way_ms, idle_seconds);
  map.optional("udp_answered", timeouts.udp_answered_ms, idle_seconds);
  map.optional("icmp", timeouts.icmp_ms, idle_seconds);
  map.optional("other", timeouts.other_ms, idle_seconds);
  map.finish();
  return timeouts;
}

std::optional<FlowSettings> read_flows(const Value& v) {
  constexpr std::size_t least = 1024;
  FlowSettings flows;
  Map map(v);
  map.optional("sessions", flows.sessions4, yaml::number(least, max_sessions));
  map.optional("sessions6", flows.sessions6, yaml::number(least, max_sessions));
  map.optional("sessions_a_vif", flows.sessions_a_vif,
               yaml::number<std::uint32_t>(1, max_sessions));
  map.optional("timeouts", flows.timeouts, read_flow_timeouts);
  map.finish();
  return flows;
}

std::optional<ReassemblySettings> read_reassembly(const Value& v) {
  constexpr std::uint32_t most_datagrams = 4096;
  constexpr std::uint32_t most_seconds = 60;
  ReassemblySettings settings;
  auto seconds = static_cast<std::uint32_t>(settings.timeout.count());
  Map map(v);
  map.optional("datagrams", settings.datagrams, yaml::number<std::uint32_t>(0, most_datagrams));
  map.optional("timeout", seconds, yaml::number<std::uint32_t>(1, most_seconds));
  map.finish();
  settings.timeout = std::chrono::seconds(seconds);
  return settings;
}

std::optional<BfdSettings> read_bfd(const Value& v) {
  BfdSettings bfd;
  Map map(v);
  map.optional("interval", bfd.interval_ms, yaml::number(10U, 10000U));
  map.optional("multiplier", bfd.multiplier, yaml::number<std::uint8_t>(1, 255));
  map.finish();
  return bfd;
}

std::optional<PortDraft> read_port(const Value& v) {
  PortDraft port(v);
  auto& [config, map] = static_cast<Draft<PortConfig>&>(port);
  map.required("name", config.name, yaml::name);
  map.required("device", config.device, device);
  map.optional("addresses", port.addresses, yaml::placed_list(yaml::host_prefix));
  map.optional("gateway", port.gateways, yaml::one_or_list(yaml::address));
  map.optional("mtu", config.mtu_bytes, yaml::number(min_mtu, max_mtu));
  map.optional("vlan", config.vlan, yaml::number(wire::least_vlan, wire::most_vlan));
  map.optional("workers", config.workers,
               yaml::choice<QueueSharing>({{"shared", QueueSharing::shared},
                                           {"exclusive", QueueSharing::exclusive},
                                           {"auto", QueueSharing::automatic}}));
  map.optional("host", config.host, host_device);
  map.optional("flows", config.flows, yaml::boolean);
  map.optional("bfd", config.bfd, read_bfd);
  map.finish();
  const bool none = !map.has("addresses") || map.at("addresses").element().children.empty();
  if (map.good("host") && none) {
    map.at("host").error(
        "wanted a port with addresses, since they are what the host is given; found none");
  }
  unique(port.gateways);
  check_mtu(map, config.mtu_bytes, config.device, any_ipv6(port.addresses));
  config.addresses = values(port.addresses);
  config.gateways = values(port.gateways);
  return port;
}

std::optional<NeighbourDraft> read_neighbour(const Value& v) {
  NeighbourDraft neighbour(v);
  auto& [config, map] = static_cast<Draft<NeighbourConfig>&>(neighbour);
  map.optional("vrf", neighbour.vrf, yaml::name);
  map.required("address", config.address, yaml::address);
  map.required("mac", config.mac, yaml::mac);
  map.finish();
  return neighbour;
}

std::optional<Draft<SubnetConfig>> read_subnet(const Value& v) {
  Draft<SubnetConfig> subnet(v);
  subnet.map.required("prefix", subnet.config.prefix, yaml::network);
  subnet.map.required("gateway", subnet.config.gateway, yaml::address);
  subnet.map.finish();
  return subnet;
}

std::optional<VrfDraft> read_vrf(const Value& v) {
  VrfDraft vrf(v);
  auto& [config, map] = static_cast<Draft<VrfConfig>&>(vrf);
  std::vector<Placed<Draft<SubnetConfig>>> subnets;
  config.router_mac = default_router_mac;
  map.required("name", config.name, yaml::name);
  map.required("id", config.id, yaml::number<std::uint32_t>(1, 0xffffffff));
  map.optional("router_mac", config.router_mac, yaml::mac);
  map.optional("subnets", subnets, yaml::placed_list(read_subnet));
  map.optional("security_groups", vrf.security_groups, yaml::placed_list(yaml::name));
  map.finish();
  unique(vrf.security_groups);
  config.security_groups = values(vrf.security_groups);
  vrf.subnets = values(std::move(subnets));
  for (const auto& subnet : vrf.subnets) config.subnets.push_back(subnet.config);
  return vrf;
}

std::optional<VifDraft> read_vif(const Value& v) {
  VifDraft vif(v);
  auto& [config, map] = static_cast<Draft<VifConfig>&>(vif);
  map.required("name", config.name, yaml::name);
  map.required("device", config.device, device);
  map.required("vrf", config.vrf, yaml::name);
  map.required("mac", config.mac, yaml::mac);
  map.optional("addresses", vif.addresses, yaml::placed_list(yaml::address));
  map.optional("mtu", config.mtu_bytes, yaml::number(min_mtu, max_mtu));
  map.optional("anti_spoofing", config.anti_spoofing, yaml::boolean);
  map.optional("flows", config.flows, yaml::boolean);
  map.optional("mss_clamp", config.mss_clamp, read_mss_clamp);
  if (map.optional("security_groups", vif.security_groups, yaml::placed_list(yaml::name))) {
    unique(vif.security_groups);
    config.security_groups = values(vif.security_groups);
  }
  map.finish();
  const bool none = !map.has("addresses") || map.at("addresses").element().children.empty();
  if (map.is_map() && config.anti_spoofing && none) {
    map.at("addresses")
        .error(
            "wanted at least one address, found none: a vif may send from these "
            "alone, unless it says anti_spoofing: false");
  }
  check_mtu(map, config.mtu_bytes, config.device, any_ipv6(vif.addresses));
  config.addresses = values(vif.addresses);
  return vif;
}

template <class T, class Reader>
void read_list(Map& map, std::string_view key, std::vector<T>& into, Reader reader) {
  std::vector<Placed<T>> placed;
  map.optional(key, placed, yaml::placed_list(reader));
  into = values(std::move(placed));
}

template <class Drafts>
auto configs(Drafts& drafts) {
  std::vector<decltype(drafts[0].config)> out;
  out.reserve(drafts.size());
  for (auto& draft : drafts) out.push_back(std::move(draft.config));
  return out;
}

}  // namespace

ConfigDraft read_draft(const Value& root) {
  ConfigDraft draft;
  Map map(root);
  map.required("node", draft.node, read_node);
  map.optional("dpdk", draft.dpdk, read_dpdk);
  map.optional("workers", draft.workers, read_workers);
  map.optional("api", draft.api_socket, read_api);
  map.optional("state", draft.state_file, read_state_section);
  map.optional("metrics", draft.metrics, read_metrics);
  map.optional("flows", draft.flows, read_flows);
  map.optional("reassembly", draft.reassembly, read_reassembly);
  read_list(map, "ports", draft.ports, read_port);
  read_list(map, "security_groups", draft.security_groups, read_security_group);
  read_list(map, "neighbours", draft.neighbours, read_neighbour);
  read_list(map, "vrfs", draft.vrfs, read_vrf);
  read_list(map, "vifs", draft.vifs, read_vif);
  read_list(map, "tunnels", draft.tunnels, read_tunnel);
  read_list(map, "decaps", draft.decaps, read_decap);
  read_list(map, "routes", draft.routes, read_route);
  read_list(map, "controllers", draft.controllers, read_controller);
  map.optional("channel", draft.channel, read_channel);
  map.finish();
  check_controllers(draft.controllers);
  return draft;
}

Config take_config(ConfigDraft& draft) {
  return {
      .node = draft.node->config,
      .dpdk = draft.dpdk,
      .workers = draft.workers,
      .api_socket = draft.api_socket,
      .state_file = draft.state_file,
      .metrics = draft.metrics,
      .flows = draft.flows,
      .reassembly = draft.reassembly,
      .ports = configs(draft.ports),
      .security_groups = configs(draft.security_groups),
      .neighbours = configs(draft.neighbours),
      .vrfs = configs(draft.vrfs),
      .vifs = configs(draft.vifs),
      .tunnels = configs(draft.tunnels),
      .decaps = configs(draft.decaps),
      .routes = configs(draft.routes),
      .controllers = configs(draft.controllers),
      .channel = draft.channel,
  };
}

}  // namespace weft::agent
