/// POST /v1/explain: what would become of a packet.

#include "agent/api_json.hpp"
#include "agent/frame_builder.hpp"
#include "agent/vif_rules.hpp"
#include "wire/ipv4.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weft::agent::api {

namespace {

constexpr std::size_t frame_max_bytes = 16384;

/// Where the packet arrives, and whom frames there come from and go to.
struct Ingress {
  PortId port;
  MacAddress far_mac;
  MacAddress router_mac;
  std::vector<IpAddress> far_addresses;
  std::uint16_t vlan = 0;  ///< of frames there
};

std::variant<Ingress, Failure> find_ingress(const Model& model, Members& body) {
  const auto vif_name = body.text("vif");
  const auto port_name = body.text("port");
  if (body.failure()) return *body.failure();
  if (vif_name.has_value() == port_name.has_value()) {
    return Failure{400, "say where the packet arrives: either vif or port"};
  }
  if (vif_name) {
    const auto found = model.vifs.find(*vif_name);
    if (found == model.vifs.end()) return no_such("vif", *vif_name, model.vifs);
    const auto& vif = found->second;
    return Ingress{vif.port, vif.config.mac, model.vrf(vif.vrf)->config.router_mac,
                   vif.config.addresses, 0};
  }
  const auto found = model.ports.find(*port_name);
  if (found == model.ports.end()) return no_such("port", *port_name, model.ports);
  // Any MAC will do as the far end of a fabric port; this one is nobody's.
  constexpr MacAddress somebody{{0x02, 0, 0, 0, 0, 0xfe}};
  return Ingress{found->second.id, somebody, found->second.mac, {}, found->second.config.vlan};
}

std::optional<std::vector<std::uint8_t>> parse_hex(std::string_view text) {
  std::vector<std::uint8_t> out;
  int high = -1;
  for (const char c : text) {
    int nibble = 0;
    if (c >= '0' && c <= '9') {
      nibble = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      nibble = c - 'a' + 10;
    } else if (c >= 'A' && c <= 'F') {
      nibble = c - 'A' + 10;
    } else if (high < 0 && (c == ' ' || c == ':' || c == '\n')) {
      continue;
    } else {
      return std::nullopt;
    }
    if (high < 0) {
      high = nibble;
    } else {
      out.push_back(static_cast<std::uint8_t>(high << 4 | nibble));
      high = -1;
    }
  }
  if (high >= 0 || out.empty() || out.size() > frame_max_bytes) return std::nullopt;
  return out;
}

std::string to_hex(const std::vector<std::uint8_t>& bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const auto byte : bytes) out += {digits[byte >> 4], digits[byte & 15]};
  return out;
}

std::uint8_t read_protocol(Members& fields, bool v4) {
  const auto number = [](wire::IpProtocol protocol) { return static_cast<std::uint8_t>(protocol); };
  const auto icmp = number(v4 ? wire::IpProtocol::icmp : wire::IpProtocol::icmpv6);
  const auto* value = fields.find("protocol");
  if (value == nullptr) return icmp;
  if (value->is_number()) return fields.number<std::uint8_t>("protocol", 0, 255).value_or(0);
  const auto name = fields.text("protocol").value_or("");
  if (name == "icmp") return icmp;
  if (name == "tcp") return number(wire::IpProtocol::tcp);
  if (name == "udp") return number(wire::IpProtocol::udp);
  const bool digits = name.size() <= 3 && name.find_first_not_of("0123456789") == std::string::npos;
  const int decimal = digits && !name.empty() ? std::stoi(name) : -1;
  if (decimal < 0 || decimal > 255) {
    fields.fail("protocol", "wanted icmp, tcp, udp or a number from 0 to 255");
  }
  return static_cast<std::uint8_t>(decimal);
}

std::variant<std::vector<std::uint8_t>, Failure> frame_from(const Json& json,
                                                            const Ingress& ingress) {
  Members fields(json, "fields",
                 {"src", "dst", "protocol", "source_port", "destination_port", "ttl", "bytes",
                  "dont_fragment", "source_mac", "destination_mac"});
  PacketFields packet;
  fields.require("dst");
  const auto destination = fields.address("dst");
  auto source = fields.address("src");
  if (!source && destination) {
    for (const auto& own : ingress.far_addresses) {
      if (own.family() == destination->family() && !source) source = own;
    }
    if (!source) fields.fail("src", "is missing, and the ingress has no address to take instead");
  }
  packet.destination = destination.value_or(IpAddress{});
  packet.source = source.value_or(IpAddress{});
  packet.protocol = read_protocol(fields, packet.destination.is_v4());
  packet.source_port = fields.number<std::uint16_t>("source_port", 0, 65535).value_or(49152);
  packet.destination_port = fields.number<std::uint16_t>("destination_port", 0, 65535).value_or(7);
  packet.ttl = fields.number<std::uint8_t>("ttl", 0, 255).value_or(64);
  packet.bytes = fields.number<std::uint16_t>("bytes", 20, 9216).value_or(64);
  packet.dont_fragment = fields.boolean("dont_fragment").value_or(false);
  packet.source_mac = fields.mac("source_mac").value_or(ingress.far_mac);
  packet.destination_mac = fields.mac("destination_mac").value_or(ingress.router_mac);
  packet.vlan = ingress.vlan;
  if (fields.failure()) return *fields.failure();
  auto frame = build_frame(packet);
  if (!frame) return Failure{400, "fields: " + frame.error().message};
  return *frame;
}

std::string port_name(Agent& agent, PortId id) {
  for (const auto& status : agent.plane().ports()) {
    if (id.valid() && status.id == id) return status.name;
  }
  return {};
}

/// The names of what a step was about to use.
std::string names_of(Agent& agent, const ExplainStep& step) {
  const Model& model = agent.model();
  if (step.stage == "decap" && step.decap.valid()) {
    for (const auto& [key, entry] : model.decap_entries) {
      if (entry.counts_under(step.decap))
        return fmt::format("decap {}", fmt::join(entry.profiles, ", "));
    }
  }
  if (step.stage == "resolve") {
    std::string names;
    if (const auto vrf = model.vrf_names.find(step.vrf); vrf != model.vrf_names.end()) {
      names = "vrf " + vrf->second;
    }
    const auto use = model.nexthops.find(step.nexthop);
    if (use != model.nexthops.end() && !use->second.name.empty()) {
      constexpr std::string_view kinds[] = {"", "vif", "vrf", "vif", "tunnel", "port", "port", ""};
      names += fmt::format(", {} {}", kinds[static_cast<std::size_t>(use->second.kind)],
                           use->second.name);
    }
    return names;
  }
  if (step.policy) {
    const VifObject* vif = model.vif(step.policy->vif);
    if (vif == nullptr) return {};
    return fmt::format("vif {}: {}", vif->config.name,
                       vif->policy.rules != nullptr
                           ? origin_text(*vif->policy.rules, step.policy->egress, step.policy->rule)
                           : "its rules are not in force yet");
  }
  if (step.stage == "output") return port_name(agent, step.port);
  return {};
}

}  // namespace

Json explanation(Agent& agent, const ExplainReport& report) {
  Json steps = Json::array();
  for (const auto& step : report.steps) {
    const std::string names = names_of(agent, step);
    steps.push_back(Json{{"stage", step.stage},
                         {"text", names.empty() ? step.text : step.text + " (" + names + ")"}});
  }
  const auto& reason = describe(report.reason);
  return Json{{"steps", steps},
              {"verdict", report.verdict},
              {"reason", reason.name},
              {"explanation", reason.explanation},
              {"port", port_name(agent, report.port)},
              {"frame_hex", to_hex(report.frame)}};
}

Reply explain(Agent& agent, const Json& json) {
  Members body(json, "", {"vif", "port", "hex", "fields"});
  const auto found = find_ingress(agent.model(), body);
  if (const auto* failure = std::get_if<Failure>(&found)) return *failure;
  const auto& ingress = std::get<Ingress>(found);
  if (body.has("hex") == body.has("fields")) {
    return Failure{400, "describe the packet: either hex or fields"};
  }
  std::vector<std::uint8_t> frame;
  if (body.has("hex")) {
    const auto bytes = parse_hex(body.text("hex").value_or(""));
    if (!bytes) {
      return Failure{400, "hex: wanted pairs of hexadecimal digits, at most " +
                              std::to_string(frame_max_bytes) + " bytes"};
    }
    frame = *bytes;
  } else {
    auto built = frame_from(*body.find("fields"), ingress);
    if (const auto* failure = std::get_if<Failure>(&built)) return *failure;
    frame = std::get<0>(std::move(built));
  }
  return explanation(agent, agent.plane().explain({ingress.port, frame}));
}

}  // namespace weft::agent::api
