#include "channel_world.hpp"

#include <fmt/format.h>

#include "agent/object_json.hpp"
#include "version_fields.hpp"

namespace weft::bench {
namespace {

using Change = LightController::Change;

constexpr std::uint32_t local = 0xc0000201;    // 192.0.2.1
constexpr std::uint32_t remote = 0xc0000202;   // 192.0.2.2
constexpr std::uint32_t vm = 0x0a010001;       // 10.1.0.1
constexpr std::uint32_t far_vms = 0x0a020000;  // 10.2.0.0
constexpr std::uint32_t first_vni = 1000;
constexpr std::uint32_t first_fleeting_vni = 5000;
constexpr MacAddress router_mac{{2, 0, 0x5e, 0, 1, 1}};
constexpr MacAddress vm_mac{{2, 0, 0, 0, 1, 1}};
constexpr MacAddress gateway_mac{{2, 0, 0, 0, 9, 9}};

std::string address(std::uint32_t value) { return to_string(IpAddress(Ipv4Address{value})); }

Change decap_change(const std::string& name, std::uint32_t vni, const char* sources) {
  return {
      {"decap", name},
      fmt::format(R"({{"name": "{}", "kind": "vxlan", "vni": {}, "vrf": "blue", "sources": {}}})",
                  name, vni, sources)};
}

}  // namespace

std::string ChannelWorld::config(const std::string& fabric_device, const std::string& vm_device,
                                 const std::string& node) {
  return fmt::format(
      R"(node: {{name: {0}, tunnel_address: {1}}}
ports: [{{name: fab0, device: "{2}", addresses: [{1}/24], gateway: 192.0.2.254, mtu: 1500}}]
neighbours: [{{vrf: underlay, address: 192.0.2.254, mac: "{3}"}}]
vrfs: [{{name: blue, id: 1, router_mac: "{4}", subnets: [{{prefix: 10.1.0.0/24, gateway: 10.1.0.254}}]}}]
vifs: [{{name: vm1, device: "{5}", vrf: blue, mac: "{6}", addresses: [{7}]}}]
)",
      node, address(local), fabric_device, to_string(gateway_mac), to_string(router_mac), vm_device,
      to_string(vm_mac), address(vm));
}

std::vector<Bytes> ChannelWorld::from_vm(unsigned flows) {
  std::vector<Bytes> frames;
  for (unsigned i = 0; i < flows; ++i) {
    frames.push_back(
        small_frame({router_mac, vm_mac},
                    {vm, far_vms + i * 101 % tunnels, static_cast<std::uint16_t>(1024 + i), 2000}));
  }
  return frames;
}

std::vector<Bytes> ChannelWorld::from_fabric(unsigned flows, const MacAddress& port) {
  std::vector<Bytes> frames;
  for (unsigned i = 0; i < flows; ++i) {
    const auto source_port = static_cast<std::uint16_t>(1024 + i);
    frames.push_back(vxlan_frame(
        {port, gateway_mac}, {remote, local, static_cast<std::uint16_t>(49152 + i % 16384), 4789},
        first_vni + i % decaps,
        small_frame({router_mac, gateway_mac}, {far_vms + i % tunnels, vm, source_port, 2000})));
  }
  return frames;
}

Change ChannelWorld::tunnel(unsigned number) const {
  const Version version = published_[number].load(std::memory_order_relaxed);
  const auto name = fmt::format("t{}", number);
  const unsigned port = first_source_port(version);
  return {
      {"tunnel", name},
      fmt::format(
          R"({{"name": "{}", "kind": "vxlan", "vni": {}, "remote": "{}", "port": {}, "source_ports": "{}-{}", )"
          R"("inner_destination_mac": "{}", "ttl": {}, "dscp": {}}})",
          name, number << 16 | version, address(remote_of(number, version)), udp_port(version),
          port, port + 0xff, to_string(inner_mac(number, version)), outer_ttl(version),
          outer_dscp(version))};
}

Change ChannelWorld::route(unsigned destination) const {
  const auto prefix = address(far_vms + destination) + "/32";
  return {{"route", "blue " + prefix},
          fmt::format(R"({{"vrf": "blue", "prefix": "{}", "via": {{"tunnel": "t{}"}}}})", prefix,
                      destination ^ (routes_[destination] & 1))};
}

Change ChannelWorld::decap(unsigned number) const {
  return decap_change(
      fmt::format("d{}", number), first_vni + number,
      (decaps_[number] & 1) == 0 ? R"(["192.0.2.2/32"])" : R"(["10.0.0.0/8", "192.0.2.0/24"])");
}

Change ChannelWorld::fleeting_decap(unsigned number) const {
  auto change =
      decap_change(fmt::format("f{}", number), first_fleeting_vni + number, R"(["192.0.2.0/24"])");
  if (!there_[number]) change.json.reset();
  return change;
}

Change ChannelWorld::noted(Change change) {
  if (change.json) {
    last_.insert_or_assign(change.id, *change.json);
  } else {
    last_.erase(change.id);
  }
  return change;
}

std::vector<Change> ChannelWorld::world() {
  std::vector<Change> out;
  for (unsigned i = 0; i < tunnels; ++i) out.push_back(noted(tunnel(i)));
  for (unsigned i = 0; i < tunnels; ++i) out.push_back(noted(route(i)));
  for (unsigned i = 0; i < decaps; ++i) out.push_back(noted(decap(i)));
  return out;
}

/// Of ten: five tunnels, three routes, a decap, and one that comes or goes.
std::vector<Change> ChannelWorld::change(unsigned count) {
  std::vector<Change> out;
  for (unsigned i = 0; i < count; ++i) {
    const auto kind = changes_++ % 10;
    if (kind < 5) {
      next_tunnel_ = (next_tunnel_ + 101) % tunnels;
      published_[next_tunnel_].fetch_add(1, std::memory_order_release);
      out.push_back(noted(tunnel(next_tunnel_)));
    } else if (kind < 8) {
      next_route_ = (next_route_ + 37) % tunnels;
      ++routes_[next_route_];
      out.push_back(noted(route(next_route_)));
    } else if (kind < 9) {
      next_decap_ = (next_decap_ + 23) % decaps;
      ++decaps_[next_decap_];
      out.push_back(noted(decap(next_decap_)));
    } else {
      next_fleeting_ = (next_fleeting_ + 23) % fleeting;
      there_[next_fleeting_] = !there_[next_fleeting_];
      out.push_back(noted(fleeting_decap(next_fleeting_)));
    }
  }
  return out;
}

const char* ChannelWorld::encapsulated_fault(std::span<const std::uint8_t> frame) {
  const TunnelFrame read = read_tunnel_frame(frame);
  if (read.fault != nullptr) return read.fault;
  if (read_number(frame.data() + 14 + 12, 4) != local) return "the outer source is not ours";
  const Version published = published_[read.tunnel].load(std::memory_order_acquire);
  const auto version = static_cast<Version>(read.version);
  Version& seen = seen_[read.tunnel];
  if (static_cast<std::int16_t>(version - seen) < 0) return "an older version than one before";
  if (static_cast<std::int16_t>(version - published) > 0) return "a version that nobody told";
  if (settled_.load(std::memory_order_acquire) && version != published)
    return "not the last version";
  seen = version;
  return nullptr;
}

/// But what the router itself says there: its announcements by ARP.
void ChannelWorld::judge_encapsulated(std::span<const std::uint8_t> frame) {
  if (read_number(frame.data() + 12, 2) == 0x0806) return;
  verdicts_.note(frame, encapsulated_fault(frame));
}

void ChannelWorld::judge_decapsulated(std::span<const std::uint8_t> frame) {
  const auto fault = [&]() -> const char* {
    if (frame.size() != 60) return "the packet has another length";
    if (std::memcmp(frame.data(), vm_mac.bytes.data(), 6) != 0) return "it is not for the VM's MAC";
    if (std::memcmp(frame.data() + 6, router_mac.bytes.data(), 6) != 0) {
      return "it is not from the router's MAC";
    }
    if (frame[14 + 8] != 63) return "the TTL is not one less";
    return nullptr;
  };
  verdicts_.note(frame, fault());
}

std::size_t ChannelWorld::differences(const agent::ConfigManager& manager) const {
  const auto& has = manager.intent().channel;
  const auto& node = manager.intent().config.node;
  std::size_t out = 0;
  std::size_t compared = 0;
  agent::for_each_kind([&]<class Object>() {
    for (const auto& [key, object] : agent::objects_of<Object>(has)) {
      ++compared;
      const auto json = agent::object_json(object, node);
      const std::string name =
          std::is_same_v<Object, agent::RouteConfig>
              ? agent::text_of(json, "vrf") + " " + agent::text_of(json, "prefix")
              : agent::text_of(json, "name");
      const auto told = last_.find({std::string(agent::ObjectKind<Object>::word), name});
      if (told == last_.end()) {
        ++out;
        continue;
      }
      // Of what was said; the rest are defaults.
      const auto said = agent::Json::parse(told->second);
      for (const auto& [field, value] : said.items()) {
        if (!json.contains(field) || json[field] != value) {
          ++out;
          break;
        }
      }
    }
  });
  return out + (compared < last_.size() ? last_.size() - compared : 0);
}

}  // namespace weft::bench
