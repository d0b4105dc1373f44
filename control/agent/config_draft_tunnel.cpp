/// The sections `tunnels` and `decaps` of `weft.yaml`.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "agent/config_draft.hpp"
#include "agent/tunnel_names.hpp"

namespace weft::agent {
namespace {

using yaml::Map;
using yaml::Placed;
using yaml::Value;

std::optional<TunnelKind> tunnel_kind(const Value& v) {
  const auto word = yaml::text(v);
  if (!word) return std::nullopt;
  if (const auto* info = find_tunnel_kind(*word)) return info->kind;
  const auto now = tunnel_kind_names();
  const std::string all = fmt::format("{}", fmt::join(now, ", "));
  v.error("wanted one of the tunnel kinds that there are: " + all + "; found " +
          yaml::quoted(*word) + yaml::did_you_mean(*word, now));
  return std::nullopt;
}

/// Of the kind that the map names: reads what every kind has if it has it, and refuses it else.
class KindReader {
 public:
  KindReader(Map& map, TunnelKind& kind) : map_(map) {
    map.required("kind", kind, tunnel_kind);
    for (const auto& info : tunnel_kinds) {
      if (info.name == describe(kind).name && map.has(info.network)) kind = info.kind;
    }
    info_ = &describe(kind);
  }
  /// Whether the key was there and could be read.
  template <class T, class Reader>
  bool optional(bool belongs, std::string_view key, T& into, const Reader& reader) {
    if (belongs || !map_.good("kind")) return map_.optional(key, into, reader);
    map_.refuse(key, "tunnels of kind " + std::string(info_->name) + " have none" + hint(key));
    return false;
  }
  template <class T, class Reader>
  bool required(bool belongs, std::string_view key, T& into, const Reader& reader) {
    if (belongs && map_.good("kind") && !map_.has(key)) map_.missing(key);
    return optional(belongs, key, into, reader);
  }
  /// What tells its network, by the name that this has for the kind, and its UDP port.
  void read(std::uint32_t& network, std::uint16_t& port) {
    port = info_->default_udp_port;
    for (const std::string_view name : {"vni", "key", "label"}) {
      if (name == carrier_network_name(info_->kind)) continue;
      required(name == info_->network, name, network,
               yaml::number(info_->least_network, info_->most_network));
    }
    optional(port != 0, "port", port, yaml::number<std::uint16_t>(1, 65535));
  }
  /// Path and index of NSH, and the VNI or key of what stands in front of it. `headed`: the packets
  /// have them already.
  void read_service(std::uint32_t& network, std::optional<std::uint32_t>& carrier, bool headed) {
    const bool nsh = has_nsh(info_->kind);
    std::uint32_t path = 0;
    std::uint8_t index = 255;
    if (headed) {
      for (const std::string_view key : {"path", "index"}) {
        map_.refuse(key, "packets of payload nsh have it already");
      }
    } else {
      required(nsh, "path", path, yaml::number<std::uint32_t>(0, 0xffffff));
      optional(nsh, "index", index, yaml::number<std::uint8_t>(1, 255));
      if (nsh) network = nsh_network(path, index);
    }
    const std::string_view name = carrier_network_name(info_->kind);
    std::uint32_t number = 0;
    if (name == "vni" && required(true, name, number, yaml::number(0U, 0xffffffU)))
      carrier = number;
    if (name == "key" && optional(true, name, number, yaml::number(0U, ~0U))) carrier = number;
  }
  [[nodiscard]] const TunnelKindInfo& info() const { return *info_; }
  [[nodiscard]] bool is(TunnelKind kind) const { return info_->kind == kind; }
  [[nodiscard]] bool has_labels() const { return info_->network == "label"; }

 private:
  [[nodiscard]] std::string hint(std::string_view key) const {
    const bool network = key == "vni" || key == "key" || key == "label";
    if (!network || info_->network.empty()) return "";
    return "; wanted " + std::string(info_->network);
  }

  Map& map_;
  const TunnelKindInfo* info_;
};

auto tunnel_payload(bool nsh) {
  std::vector<std::pair<std::string_view, TunnelPayload>> words{
      {"ethernet", TunnelPayload::ethernet}, {"ip", TunnelPayload::ip}};
  if (nsh) words.emplace_back("nsh", TunnelPayload::nsh);
  return yaml::choice<TunnelPayload>(std::move(words));
}

std::optional<PortRange> port_range(const Value& v) {
  constexpr auto wanted = "a range of UDP ports, like 49152-65535";
  const std::string_view s = v.element().text;
  const auto dash = s.find('-');
  if (!v.scalar() || dash == std::string_view::npos) return v.wanted(wanted);
  const auto number = [](std::string_view digits) -> unsigned {
    unsigned out = 0;
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return failed == std::errc() && end == digits.data() + digits.size() && out <= 65535 ? out : 0;
  };
  const unsigned first = number(s.substr(0, dash));
  const unsigned last = number(s.substr(dash + 1));
  if (first == 0 || last == 0) return v.wanted(wanted);
  if (first > last) return v.wanted("a range of UDP ports, the lower one first");
  return PortRange{static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last)};
}

std::optional<Ipv6Address> segment(const Value& v) {
  const auto address = yaml::address(v);
  if (!address) return std::nullopt;
  if (address->is_v4()) return v.wanted("an IPv6 address, the SID of a segment");
  return address->v6();
}

auto option(bool metadata) {
  return [metadata](const Value& v) -> std::optional<TunnelOption> {
    const auto text = yaml::text(v);
    if (!text) return std::nullopt;
    auto option = parse_option(*text, metadata);
    if (option) return option;
    return v.wanted(metadata ? "metadata as CLASS:TYPE:DATA in hexadecimal, like 0102:03:2a, with "
                               "at most 127 bytes of data"
                             : "an option as CLASS:TYPE:DATA in hexadecimal, like "
                               "0102:80:0000002a, with whole words of data, at most 124 bytes");
  };
}

std::optional<NshContext> context(const Value& v) {
  const auto text = yaml::text(v);
  if (!text) return std::nullopt;
  const auto read = parse_context(*text);
  return read ? read : v.wanted("16 bytes as 32 hexadecimal digits");
}

/// Some of the reserved bits of a kind's header.
auto reserved(TunnelKind kind) {
  return [kind](const Value& v) -> std::optional<std::uint64_t> {
    const auto text = yaml::text(v);
    if (!text) return std::nullopt;
    const auto bits = parse_header_bits(*text);
    if (!bits) return v.wanted("the first eight bytes of the header as 16 hexadecimal digits");
    const std::uint64_t others = *bits & ~reserved_bits(kind);
    if (others == 0) return bits;
    v.error(fmt::format("the bits {} are not reserved; those that {} reserves are {}",
                        header_bits_text(others), describe(kind).name,
                        header_bits_text(reserved_bits(kind))));
    return std::nullopt;
  };
}

/// Whether each header with `later` has `earlier`, too.
bool hides(const DecapMark& earlier, const DecapMark& later) {
  return (earlier.mask & ~later.mask) == 0 && earlier.is_in(later.bits);
}

std::vector<DecapMark> marks(KindReader& of_kind, const Map& map, TunnelKind kind) {
  const auto one = [kind](const Value& v) -> std::optional<DecapMark> {
    DecapMark mark;
    Map members(v);
    members.required("name", mark.name, yaml::name);
    members.required("bits", mark.bits, reserved(kind));
    members.required("mask", mark.mask, reserved(kind));
    members.finish();
    if (!members.good("bits") || !members.good("mask")) return std::nullopt;
    if (mark.mask == 0) members.at("mask").error("wanted at least one bit, found none");
    if (const std::uint64_t others = mark.bits & ~mark.mask; others != 0) {
      members.at("bits").error("the mask leaves out " + header_bits_text(others));
    }
    return mark;
  };
  std::vector<Placed<DecapMark>> list;
  of_kind.optional(reserved_bits(kind) != 0, "marks", list, yaml::placed_list(one));
  if (list.size() > max_marks) {
    map.at("marks").error(fmt::format("wanted at most {}, found {}", max_marks, list.size()));
  }
  for (auto later = list.begin(); later != list.end(); ++later) {
    for (auto earlier = list.begin(); earlier != later; ++earlier) {
      const std::string name = yaml::quoted(earlier->value.name);
      if (earlier->value.name == later->value.name) {
        later->where.error("there is a mark " + name + " already");
      } else if (hides(earlier->value, later->value)) {
        later->where.error("no packet can have it: the mark " + name + " takes them all before");
      }
    }
  }
  return values(std::move(list));
}

std::optional<SegmentBehaviour> behaviour(const Value& v) {
  return yaml::choice<SegmentBehaviour>({segment_behaviours.begin(), segment_behaviours.end()})(v);
}

template <class T, class Reader>
std::vector<T> short_list(KindReader& of_kind, bool belongs, std::string_view key, const Map& map,
                          std::size_t most, const Reader& reader) {
  std::vector<Placed<T>> list;
  if (!of_kind.optional(belongs, key, list, yaml::placed_list(reader))) return {};
  if (const std::size_t found = map.at(key).element().children.size(); found > most) {
    map.at(key).error(fmt::format("wanted at most {}, found {}", most, found));
  }
  return values(std::move(list));
}

std::vector<std::uint32_t> labels(KindReader& of_kind, const Map& map) {
  constexpr std::uint32_t least = 16;  // those below are reserved (RFC 3032 §2.1)
  constexpr std::uint32_t most = 0xfffff;
  return short_list<std::uint32_t>(of_kind, of_kind.has_labels(), "labels", map, max_labels - 1,
                                   yaml::number(least, most));
}

/// Of GENEVE. `metadata`: NSH has its metadata here.
std::vector<TunnelOption> options(KindReader& of_kind, const Map& map, bool metadata) {
  const std::size_t most = metadata ? max_metadata_bytes : max_options_bytes;
  auto list = short_list<TunnelOption>(of_kind, metadata || of_kind.is(TunnelKind::geneve),
                                       "options", map, most / 4, option(metadata));
  std::size_t bytes = 0;
  for (const auto& item : list) bytes += 4 + (item.data.size() + 3) / 4 * 4;
  if (bytes > most) {
    map.at("options").error(
        fmt::format("wanted at most {} bytes of options and their headers, found {}", most, bytes));
  }
  return list;
}

void read_segments(KindReader& of_kind, Map& map, TunnelProfile& profile) {
  const bool srv6 = of_kind.is(TunnelKind::srv6);
  profile.segments = short_list<Ipv6Address>(of_kind, srv6, "segments", map, max_segments, segment);
  of_kind.optional(srv6, "reduced", profile.reduced, yaml::boolean);
  if (!srv6) {
    map.required("remote", profile.remote, yaml::address);
    return;
  }
  map.refuse("remote", "the first segment is the remote");
  if (!map.has("segments")) map.missing("segments");
  if (!profile.segments.empty()) {
    profile.remote = profile.segments.front();
  } else if (map.good("segments")) {
    map.at("segments").error("wanted at least one segment, found none");
  }
}

/// Which of vrf, vif and gateway a decap must have: one, but for SRv6 the one of its behaviour.
void check_target(DecapConfig& config, const Map& map) {
  using enum SegmentBehaviour;
  if (!map.is_map()) return;
  if (config.kind == TunnelKind::srv6 && !map.has("behaviour")) {
    if (map.has("vif")) config.behaviour = dx46;
    if (map.has("gateway")) config.behaviour = end_x;
  }
  if (has_nsh(config.kind)) {
    if (map.has("vrf") + map.has("vif") + map.has("tunnel") == 1) return;
    map.value().error("wanted exactly one of vrf, vif and tunnel");
    return;
  }
  const SegmentBehaviour b = config.behaviour;
  const bool to_vrf = b == dt46 || b == dt4 || b == dt6;
  if (!map.has("behaviour") && to_vrf) {
    if (map.has("vrf") != map.has("vif")) return;
    map.value().error(std::string("wanted exactly one of vrf and vif, found ") +
                      (map.has("vrf") ? "both" : "neither"));
    return;
  }
  const std::string wanted = b == end ? "" : b == end_x ? "gateway" : to_vrf ? "vrf" : "vif";
  for (const std::string key : {"vrf", "vif", "gateway"}) {
    if (map.has(key) == (key == wanted)) continue;
    map.value().error(fmt::format("{} wants {}, found {}{}", behaviour_text(b),
                                  wanted.empty() ? "neither vrf, vif nor gateway" : "a " + wanted,
                                  map.has(key) ? "a " : "no ", key));
    return;
  }
}

}  // namespace

std::optional<MssClamp> read_mss_clamp(const Value& v) {
  const std::string& word = v.element().text;
  if (v.scalar() && word == "off") return MssClamp{};
  if (v.scalar() && word == "auto") return MssClamp{MssClamp::Mode::automatic, 0};
  std::uint16_t bytes = 0;
  const auto [end, failed] = std::from_chars(word.data(), word.data() + word.size(), bytes);
  if (!v.scalar() || failed != std::errc() || end != word.data() + word.size() ||
      bytes < least_mss || bytes > most_mss) {
    return v.wanted(fmt::format("auto, off or bytes from {} to {}", least_mss, most_mss));
  }
  return MssClamp{MssClamp::Mode::fixed, bytes};
}

std::optional<Draft<TunnelConfig>> read_tunnel(const Value& v) {
  Draft<TunnelConfig> tunnel(v);
  auto& [config, map] = tunnel;
  TunnelProfile& profile = config.profile;
  map.required("name", config.name, yaml::name);
  KindReader of_kind(map, profile.kind);
  of_kind.read(profile.vni, profile.destination_port);
  profile.payload = of_kind.info().payload;
  const bool nsh = has_nsh(profile.kind);
  of_kind.optional(of_kind.info().any_payload, "payload", profile.payload, tunnel_payload(nsh));
  const bool headed = profile.payload == TunnelPayload::nsh;
  of_kind.read_service(profile.vni, profile.carrier_network, headed);
  read_segments(of_kind, map, profile);
  profile.labels = labels(of_kind, map);
  profile.options = options(of_kind, map, nsh && !headed);
  of_kind.optional(nsh && !headed, "context", profile.context, context);
  if (map.good("context") && map.good("options")) {
    map.at("context").error("wanted context (MD type 1) or options (MD type 2), found both");
  }
  of_kind.optional(reserved_bits(profile.kind) != 0, "reserved", profile.reserved,
                   reserved(profile.kind));
  const bool on_ip = !of_kind.info().on_ethernet;
  of_kind.optional(on_ip, "local", profile.local, yaml::address);
  of_kind.optional(of_kind.info().default_udp_port != 0, "source_ports", profile.source_ports,
                   port_range);
  if (profile.payload == TunnelPayload::ethernet) {
    map.required("inner_destination_mac", profile.inner_destination_mac, yaml::mac);
  } else {
    map.refuse("inner_destination_mac", "this tunnel holds bare IP packets, which have none");
  }
  of_kind.optional(has_ttl(profile.kind), "ttl", profile.ttl,
                   yaml::number("copy", profile.copy_ttl, profile.ttl, 1, 255));
  if (!on_ip && profile.copy_ttl) {
    map.at("ttl").error("wanted a number from 1 to 255, found copy: there is no outer IP header");
  }
  of_kind.optional(on_ip, "dscp", profile.dscp,
                   yaml::number("copy", profile.copy_dscp, profile.dscp, 0, 63));
  map.optional("zero_udp_checksum6", profile.zero_udp_checksum6, yaml::boolean);
  of_kind.optional(!of_kind.info().on_ethernet, "outer_fragmentation", profile.outer_fragmentation,
                   yaml::boolean);
  map.optional("mss_clamp", profile.mss_clamp, read_mss_clamp);
  map.finish();
  return tunnel;
}

std::optional<DecapDraft> read_decap(const Value& v) {
  DecapDraft decap(v);
  auto& [config, map] = static_cast<Draft<DecapConfig>&>(decap);
  map.required("name", config.name, yaml::name);
  KindReader of_kind(map, config.kind);
  const bool srv6 = of_kind.is(TunnelKind::srv6);
  of_kind.read(config.vni, config.destination_port);
  of_kind.read_service(config.vni, config.carrier_network, false);
  config.labels = labels(of_kind, map);
  config.options = options(of_kind, map, false);
  config.marks = marks(of_kind, map, config.kind);
  of_kind.optional(srv6, "behaviour", config.behaviour, behaviour);
  map.optional("vrf", config.vrf, yaml::name);
  map.optional("vif", config.vif, yaml::name);
  config.relays = of_kind.optional(has_nsh(config.kind), "tunnel", config.tunnel, yaml::name);
  of_kind.optional(srv6, "gateway", config.gateway, [](const Value& value) {
    const auto sid = segment(value);
    return sid ? std::optional(IpAddress(*sid)) : std::nullopt;
  });
  const bool on_ip = !of_kind.info().on_ethernet;
  of_kind.required(on_ip, "sources", decap.sources, yaml::placed_list(yaml::network));
  if (srv6) {
    Ipv6Address sid;
    if (of_kind.required(true, "sid", sid, segment)) config.local = sid;
    map.refuse("local", "an SRv6 decap has a sid");
  } else {
    of_kind.optional(false, "sid", config.local, yaml::address);
    of_kind.optional(on_ip, "local", config.local, yaml::address);
  }
  map.optional("zero_udp_checksum6", config.zero_udp_checksum6, yaml::boolean);
  of_kind.optional(on_ip, "dscp", config.copy_dscp,
                   yaml::choice<bool>({{"keep", false}, {"copy", true}}));
  map.finish();
  check_target(config, map);
  if (on_ip && map.good("sources") && map.at("sources").element().children.empty()) {
    map.at("sources").error("wanted at least one source, found none");
  }
  unique(decap.sources);
  config.sources = values(decap.sources);
  return decap;
}

}  // namespace weft::agent
