#include <map>
#include <string>
#include <string_view>

#include "agent/config_check.hpp"

namespace weft::agent {
namespace {

using yaml::Map;

bool on_one_device(const PortDraft& a, const PortDraft& b) {
  return a.map.good("device") && b.map.good("device") && a.config.device != "null:" &&
         a.config.device == b.config.device;
}

/// Reports what two ports on one device may not have.
void check_beside(const PortDraft& first, const PortDraft& second) {
  const std::string there = first.place() + " on " + yaml::quoted(first.config.device);
  const std::uint16_t vlan = second.config.vlan;
  if (first.config.vlan == vlan && vlan != 0) {
    second.map.at("vlan").error(std::to_string(vlan) + " is already the VLAN of " + there);
  } else if (first.config.vlan == vlan) {
    second.map.at("device").error(yaml::quoted(second.config.device) +
                                  " is already the device of " + first.place() +
                                  "; a `vlan` would tell them apart");
  }
  const auto differs = [&](const char* key, const std::string& what) {
    const Map& map = second.map.has(key) ? second.map : first.map;
    if (!map.good(key)) return;
    map.at(key).error("ports on one device have the same `" + std::string(key) + "`, and " + there +
                      " " + what);
  };
  if (first.config.mtu_bytes != second.config.mtu_bytes) {
    differs("mtu", "has " + std::to_string(first.config.mtu_bytes));
  }
  const auto shared = [](const PortDraft& port) {
    return port.config.workers == QueueSharing::shared;
  };
  if (shared(first) != shared(second)) {
    differs("workers", shared(first) ? "says shared" : "does not say shared");
  }
}

}  // namespace

void check_devices(const ConfigDraft& draft) {
  std::map<std::string_view, std::string> seen;
  const auto claim = [&](const auto& owner, std::string_view key, const std::string& device,
                         const std::string& name) {
    if (!owner.map.good(key) || device.empty() || device == "null:") return;
    const auto [first, added] = seen.try_emplace(device, name);
    if (added) return;
    owner.map.at(key).error(yaml::quoted(device) + " is already the device of " + first->second);
  };
  const PortDraft* with_host = nullptr;
  for (auto port = draft.ports.begin(); port != draft.ports.end(); ++port) {
    bool alone = true;
    for (auto other = draft.ports.begin(); other != port; ++other) {
      if (!on_one_device(*other, *port)) continue;
      check_beside(*other, *port);
      alone = false;
    }
    if (alone) claim(*port, "device", port->config.device, port->place());
    if (!port->map.good("host")) continue;
    claim(*port, "host", port->config.host, "the host interface of " + port->place());
    if (with_host != nullptr) {
      port->map.at("host").error("wanted one host interface on a node, and " + with_host->place() +
                                 " has one already");
    }
    with_host = &*port;
  }
  for (const auto& vif : draft.vifs) claim(vif, "device", vif.config.device, vif.place());
}

}  // namespace weft::agent
