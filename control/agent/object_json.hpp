#pragma once
/// Objects as JSON in the words of `weft.yaml`: what the API takes and what is kept across a
/// restart.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "agent/config.hpp"
#include "agent/yaml_reader.hpp"

namespace weft::agent {

using Json = nlohmann::ordered_json;  // keeps the order in which things are told

// A local address that follows from the node's tunnel address is left out, so that it follows on.
/// A rule of a security group: what it names, in the words of `weft.yaml`.
Json rule_json(const RuleConfig& rule);
Json object_json(const SecurityGroupConfig& group, const NodeConfig& node);
Json object_json(const VrfConfig& vrf, const NodeConfig& node);
Json object_json(const NeighbourConfig& neighbour, const NodeConfig& node);
Json object_json(const VifConfig& vif, const NodeConfig& node);
/// TTL or DSCP of an outer header.
Json number_or_copy(std::uint8_t number, bool copy);
Json object_json(const TunnelConfig& tunnel, const NodeConfig& node);
Json object_json(const DecapConfig& decap, const NodeConfig& node);
Json object_json(const RouteConfig& route, const NodeConfig& node);
Json object_json(const PortConfig& port);
Json object_json(const NodeConfig& node);

/// The tree that the configuration's readers take. Maps in it are called `label` in messages, since
/// they stand in no line. What is nested deeper than any object becomes null.
yaml::Element to_element(const Json& json, const std::string& label);

// What stands in the JSON of an object that nobody has checked, as far as it can be read.
/// A text, or none.
std::string text_of(const Json& json, const char* key);
/// The texts of a list, or a single one.
std::vector<std::string> texts_of(const Json& json, const char* key);
/// The members of an ecmp route.
std::vector<Json> ecmp_members(const Json& via);

}  // namespace weft::agent
