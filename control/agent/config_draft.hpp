#pragma once
/// `weft.yaml` section by section: each value read and judged for itself. What values say about
/// each other is for config_check.hpp, which therefore still sees where they stand.

#include <vector>

#include "agent/config.hpp"
#include "agent/yaml_reader.hpp"

namespace weft::agent {

template <class T>
struct Draft {
  explicit Draft(const yaml::Value& value) : map(value) {}

  /// Where in the file, for other messages to point at: `vrfs[0] (line 9)`. What stands in no file
  /// has a label.
  [[nodiscard]] std::string place() const {
    if (const auto& label = map.value().element().text; !label.empty()) return label;
    return map.value().place();
  }

  T config;
  yaml::Map map;
};

struct NodeDraft : Draft<NodeConfig> {
  using Draft::Draft;
  std::vector<yaml::Placed<IpAddress>> tunnel_addresses;
};

struct PortDraft : Draft<PortConfig> {
  using Draft::Draft;
  std::vector<yaml::Placed<IpPrefix>> addresses;
  std::vector<yaml::Placed<IpAddress>> gateways;
};

struct NeighbourDraft : Draft<NeighbourConfig> {
  using Draft::Draft;
  std::string vrf = underlay_name;
};

struct SecurityGroupDraft : Draft<SecurityGroupConfig> {
  using Draft::Draft;
  std::vector<yaml::Placed<std::string>> named;  ///< groups that its rules speak of
};

struct VrfDraft : Draft<VrfConfig> {
  using Draft::Draft;
  std::vector<yaml::Placed<std::string>> security_groups;
  std::vector<Draft<SubnetConfig>> subnets;
};

struct VifDraft : Draft<VifConfig> {
  using Draft::Draft;
  std::vector<yaml::Placed<std::string>> security_groups;
  std::vector<yaml::Placed<IpAddress>> addresses;
};

struct DecapDraft : Draft<DecapConfig> {
  using Draft::Draft;
  std::vector<yaml::Placed<IpPrefix>> sources;
};

struct RouteDraft : Draft<RouteConfig> {
  using Draft::Draft;
  std::optional<yaml::Map> via;
  std::vector<yaml::Placed<IpAddress>> gateways;
  std::vector<Draft<EcmpMember>> ecmp;
};

struct ConfigDraft {
  std::optional<NodeDraft> node;
  DpdkConfig dpdk;
  WorkersConfig workers;
  std::string api_socket = Config{}.api_socket;
  std::string state_file;
  MetricsConfig metrics;
  FlowSettings flows;
  ReassemblySettings reassembly;
  std::vector<PortDraft> ports;
  std::vector<SecurityGroupDraft> security_groups;
  std::vector<NeighbourDraft> neighbours;
  std::vector<VrfDraft> vrfs;
  std::vector<VifDraft> vifs;
  std::vector<Draft<TunnelConfig>> tunnels;
  std::vector<DecapDraft> decaps;
  std::vector<RouteDraft> routes;
  std::vector<Draft<ControllerConfig>> controllers;
  ChannelConfig channel;
};

/// Bytes, `auto` or `off`.
std::optional<MssClamp> read_mss_clamp(const yaml::Value& v);
std::optional<RouteDraft> read_route(const yaml::Value& v);
std::optional<Draft<TunnelConfig>> read_tunnel(const yaml::Value& v);
std::optional<DecapDraft> read_decap(const yaml::Value& v);
std::optional<SecurityGroupDraft> read_security_group(const yaml::Value& v);
std::optional<Draft<ControllerConfig>> read_controller(const yaml::Value& v);
std::optional<ChannelConfig> read_channel(const yaml::Value& v);
void check_controllers(const std::vector<Draft<ControllerConfig>>& controllers);
ConfigDraft read_draft(const yaml::Value& root);

/// The values of a draft that was checked and holds no error.
Config take_config(ConfigDraft& draft);

}  // namespace weft::agent
