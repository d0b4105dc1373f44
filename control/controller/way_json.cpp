#include "controller/way_json.hpp"

namespace weft::controller {
namespace {

Json way_json(const Way& way) {
  return {{"kind", describe(way.kind).name},
          {"number", way.number},
          {"source", to_string(way.source)},
          {"remote", to_string(way.remote)}};
}

std::optional<Way> parse_way(const Json& json) {
  const auto text = [&](const char* key) {
    return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : "";
  };
  if (!json.is_object() || !json.contains("number") || !json["number"].is_number_unsigned()) {
    return std::nullopt;
  }
  const auto source = parse_ip(text("source"));
  const auto remote = parse_ip(text("remote"));
  for (const auto& info : tunnel_kinds) {
    const bool meant = info.name == text("kind") && !info.network.empty();
    if (meant && source && remote) return Way{info.kind, json["number"], *source, *remote};
  }
  return std::nullopt;
}

}  // namespace

std::string to_json(const PairWays& ways) {
  Json out = Json::object();
  if (ways.current) out["current"] = way_json(*ways.current);
  if (!ways.olds.empty()) out["olds"] = Json::array();
  for (const auto& old : ways.olds) out["olds"].push_back(way_json(old));
  return out.dump();
}

std::optional<PairWays> parse_pair_ways(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  PairWays out;
  if (const auto current = json.find("current"); current != json.end()) {
    out.current = parse_way(*current);
    if (!out.current) return std::nullopt;
  }
  const auto olds = json.find("olds");
  if (olds == json.end()) return out;
  if (!olds->is_array()) return std::nullopt;
  for (const auto& old : *olds) {
    const auto way = parse_way(old);
    if (!way) return std::nullopt;
    out.olds.push_back(*way);
  }
  return out;
}

}  // namespace weft::controller
