/// Controllers and the channel to them.

#include "agent/config_draft.hpp"

namespace weft::agent {

namespace {

using yaml::Map;
using yaml::Value;

std::optional<TlsFiles> read_tls(const Value& v) {
  TlsFiles tls;
  Map map(v);
  map.required("ca", tls.ca, yaml::text);
  map.required("cert", tls.cert, yaml::text);
  map.required("key", tls.key, yaml::text);
  map.finish();
  return tls;
}

}  // namespace

std::optional<Draft<ControllerConfig>> read_controller(const Value& v) {
  Draft<ControllerConfig> controller(v);
  auto& [address, port, tls] = controller.config;
  controller.map.required("address", address, yaml::address);
  controller.map.optional("port", port, yaml::number<std::uint16_t>(1, 65535));
  controller.map.required("tls", tls, read_tls);
  controller.map.finish();
  return controller;
}

std::optional<ChannelConfig> read_channel(const Value& v) {
  constexpr unsigned most_hold_s = 3600;
  constexpr unsigned most_stale_s = 7 * 24 * 3600;
  ChannelConfig channel;
  Map map(v);
  map.optional("hold_time", channel.hold_s, yaml::number(1U, most_hold_s));
  map.optional("stale_time", channel.stale_s, yaml::number(1U, most_stale_s));
  map.finish();
  return channel;
}

void check_controllers(const std::vector<Draft<ControllerConfig>>& controllers) {
  if (controllers.size() > 2) {
    controllers[2].map.value().error("wanted at most two controllers, those of the node's site");
  }
  for (std::size_t i = 1; i < controllers.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const ControllerConfig& one = controllers[i].config;
      const ControllerConfig& other = controllers[j].config;
      if (one.address != other.address || one.port != other.port) continue;
      controllers[i].map.value().error("the same address and port as " + controllers[j].place());
      break;
    }
  }
}

}  // namespace weft::agent
