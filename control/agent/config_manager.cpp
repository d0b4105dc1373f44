#include "agent/config_manager.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

namespace weft::agent {

namespace {

constexpr std::chrono::milliseconds closing_limit{100};

PortRequest request_for(const VifConfig& vif) {
  return {.name = vif.name, .device = vif.device, .mac = vif.mac, .mtu_bytes = vif.mtu_bytes};
}

PortRequest request_for(const PortConfig& port, const NodeConfig& node) {
  PortRequest request{.name = port.name,
                      .device = port.device,
                      .mac = std::nullopt,
                      .mtu_bytes = port.mtu_bytes,
                      .vlan = port.vlan,
                      .shared_queues = port.workers == QueueSharing::shared,
                      .addresses = node.tunnel_addresses,
                      .host = port.host};
  for (const auto& prefix : port.addresses) request.addresses.push_back(prefix.address);
  return request;
}

/// Whichever the kernel's packets go to, the underlay chooses among all.
std::vector<IpAddress> first_of_each_family(const std::vector<IpAddress>& addresses) {
  std::vector<IpAddress> out;
  for (const auto& address : addresses) {
    const auto same = [&](const IpAddress& other) { return other.family() == address.family(); };
    if (std::ranges::none_of(out, same)) out.push_back(address);
  }
  return out;
}

/// The kernel's end of the host's tap looks to the host as the port does to the fabric.
PortRequest host_request(const PortConfig& port, const PortStatus& status) {
  return {.name = host_name,
          .device = port.host,
          .mac = status.mac,
          .mtu_bytes = std::min(port.mtu_bytes, max_tap_mtu_bytes),
          .kernel_addresses = port.addresses,
          .kernel_gateways = first_of_each_family(port.gateways)};
}

}  // namespace

std::string some_of(const std::vector<std::string>& labels) {
  constexpr std::size_t most = 5;
  std::string out;
  for (std::size_t i = 0; i < std::min(most, labels.size()); ++i) {
    out += (i == 0 ? "" : ", ") + labels[i];
  }
  if (labels.size() > most) out += fmt::format(" and {} more", labels.size() - most);
  return out;
}

Result<PortStatus> ConfigManager::open(const char* what, const PortRequest& request) {
  auto status = plane_.open_port(request);
  if (!status) {
    return Error{
        fmt::format("{} {} ({}): {}", what, request.name, request.device, status.error().message)};
  }
  // The device's number may have had another tenant, whose packets are not this one's.
  for (const auto& counters : plane_.counters().ports) {
    if (counters.port == status->id) model_.baselines.ports[status->id] = counters;
  }
  SPDLOG_INFO("{} {}: opened {}{}, MAC {}", what, request.name, request.device,
              request.vlan == 0 ? "" : fmt::format(", VLAN {}", request.vlan),
              to_string(status->mac));
  return status;
}

/// A device of the same name may be about to close: the workers let go of it in microseconds.
Result<PortStatus> ConfigManager::open_vif(const VifConfig& vif) {
  const auto give_up = std::chrono::steady_clock::now() + closing_limit;
  while ((resolver_.deleting() || plane_.table_sizes().deferred > 0) &&
         std::chrono::steady_clock::now() < give_up) {
    resolver_.finish_deletions(plane_);
    plane_.reclaim();
  }
  return open("vif", request_for(vif));
}

Result<std::vector<Unfit>> ConfigManager::start(const Config& config, ObjectSet kept,
                                                ObjectSet of_channel) {
  Intent next;
  next.config = config;
  next.file = object_set(config);
  std::vector<Unfit> unfit;
  if (!empty(of_channel)) {
    ObjectSet lost;
    unfit = fit(config, of_channel, lost);
    next.channel = std::move(of_channel);
  }
  if (!empty(kept)) {
    for (auto& object : fit(overlaid(config, next.channel), kept, next.unfit)) {
      unfit.push_back(std::move(object));
    }
    next.api = std::move(kept);
  }

  auto objects = difference({}, next).update;
  std::vector<PortStatus> ports;
  for (const auto& port : config.ports) {
    auto status = open("port", request_for(port, config.node));
    if (!status) return status.error();
    ports.push_back(*status);
    if (port.host.empty()) continue;
    auto host = open("vif", host_request(port, *status));
    if (!host) return host.error();
    objects.opened.emplace(host_name, *host);
  }
  for (const auto& [vif, owner] : objects.vifs.put) {
    auto status = open("vif", request_for(vif));
    if (!status) return status.error();
    objects.opened.emplace(vif.name, *status);
  }
  if (auto loaded = resolver_.load(config, ports, objects); !loaded) return loaded.error();
  intent_ = std::move(next);
  return unfit;
}

void ConfigManager::close(const std::map<std::string, PortStatus, std::less<>>& opened) {
  for (const auto& [name, status] : opened) (void)plane_.close_port(status.id);
}

Result<Generation> ConfigManager::apply(Update update) {
  for (const auto& [vif, owner] : update.vifs.put) {
    if (intent_.wanted<VifConfig>(vif.name)) continue;
    auto status = open_vif(vif);
    if (!status) {
      close(update.opened);
      return status.error();
    }
    update.opened.emplace(vif.name, *status);
  }
  auto result = resolver_.update(update);
  if (!result) close(update.opened);
  return result;
}

void ConfigManager::changed() {
  ++version_;
  tell_();
}

template <class Object>
Result<Generation> ConfigManager::put(const Object& object) {
  const auto key = ObjectKind<Object>::key(object);
  Update update;
  (update.*ObjectKind<Object>::changes).put.push_back({object, Owner::api});
  auto result = apply(std::move(update));
  if (!result) return result;
  objects_of<Object>(intent_.api).insert_or_assign(key, object);
  objects_of<Object>(intent_.unfit).erase(key);
  changed();
  return result;
}

template <class Object>
Result<Generation> ConfigManager::erase(const KeyOf<Object>& key) {
  if (agent::find<Object>(intent_.api, key) == nullptr) {
    objects_of<Object>(intent_.unfit).erase(key);
    changed();
    return resolver_.generation();
  }
  Update update;
  auto& changes = update.*ObjectKind<Object>::changes;
  if (const auto behind = intent_.behind<Object>(Owner::api, key)) {
    changes.put.push_back({*behind->object, behind->owner});
  } else {
    changes.erase.push_back(key);
  }
  auto result = apply(std::move(update));
  if (!result) return result;
  objects_of<Object>(intent_.api).erase(key);
  changed();
  return result;
}

namespace {

Error contradicted(const std::vector<Unfit>& conflicts, const char* whom, const char* remedy) {
  std::string text = fmt::format("the file contradicts what was put by {}:", whom);
  for (const auto& conflict : conflicts) {
    text += fmt::format("\n{} ({} is {}'s: {})", to_string(conflict.complaints.front()),
                        conflict.label, whom, remedy);
  }
  return Error{text};
}

}  // namespace

Result<ConfigManager::Reload> ConfigManager::prepare(const Intent& now, const Config& config) {
  if (const auto fixed = fixed_keys(now.config, config); !fixed.empty()) {
    return Error{some_of(fixed) +
                 ": cannot change while weftd runs; restart weftd, or put the old value back"};
  }
  Reload reload;
  Intent& next = reload.next;
  next.config = config;
  next.file = object_set(config);
  // Those that had no place may have one now; those that have one must keep it.
  next.channel = now.channel;
  next.api = now.api;
  ObjectSet lost;
  if (const auto conflicts = fit(config, next.channel, lost); !conflicts.empty()) {
    return contradicted(conflicts, "the controller", "change it there, or change the file");
  }
  const Config below = overlaid(config, next.channel);
  if (const auto conflicts = fit(below, next.api, lost); !conflicts.empty()) {
    return contradicted(conflicts, "the API", "delete it with weftctl, or change the file");
  }
  ObjectSet candidates = now.unfit;
  Reloaded& report = reload.report;
  for (const auto& unfit : fit(overlaid(below, next.api), candidates, next.unfit)) {
    report.unfit.push_back(unfit.label);
  }
  for_each_kind(
      [&]<class Object>() { objects_of<Object>(next.api).merge(objects_of<Object>(candidates)); });

  std::string fixed;
  next.each<VifConfig>([&](const VifConfig& vif, Owner) {
    const auto old = now.wanted<VifConfig>(vif.name);
    if (!old) return;
    if (const auto keys = fixed_vif_keys(*old->object, vif); !keys.empty()) {
      fixed += (fixed.empty() ? "" : "\n") + label<VifConfig>(vif.name) + ": " + keys +
               " cannot change while it is attached; leave it out, reload, and put it in again, or "
               "restart weftd";
    }
  });
  if (!fixed.empty()) return Error{fixed};

  report.difference = difference(now, next);
  return reload;
}

Result<ConfigManager::Reloaded> ConfigManager::finish(Reload reload) {
  auto applied = apply(reload.report.difference.update);
  if (!applied) return applied.error();
  reload.report.generation = *applied;
  intent_ = std::move(reload.next);
  changed();
  return std::move(reload.report);
}

template Result<Generation> ConfigManager::put(const SecurityGroupConfig&);
template Result<Generation> ConfigManager::put(const VrfConfig&);
template Result<Generation> ConfigManager::put(const NeighbourConfig&);
template Result<Generation> ConfigManager::put(const VifConfig&);
template Result<Generation> ConfigManager::put(const TunnelConfig&);
template Result<Generation> ConfigManager::put(const DecapConfig&);
template Result<Generation> ConfigManager::put(const RouteConfig&);
template Result<Generation> ConfigManager::erase<SecurityGroupConfig>(const std::string&);
template Result<Generation> ConfigManager::erase<VrfConfig>(const std::string&);
template Result<Generation> ConfigManager::erase<NeighbourConfig>(const IpAddress&);
template Result<Generation> ConfigManager::erase<VifConfig>(const std::string&);
template Result<Generation> ConfigManager::erase<TunnelConfig>(const std::string&);
template Result<Generation> ConfigManager::erase<DecapConfig>(const std::string&);
template Result<Generation> ConfigManager::erase<RouteConfig>(const RouteKey&);

}  // namespace weft::agent
