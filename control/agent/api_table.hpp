#pragma once
/// What the tables of GET are made of.

#include <string>
#include <utility>
#include <vector>

#include "agent/api_json.hpp"
#include "agent/objects.hpp"

namespace weft::agent::api {

class Table {
 public:
  Table(std::string title, std::vector<std::string> columns)
      : title_(std::move(title)), columns_(std::move(columns)) {}

  /// One value for each column, in their order; false when the table is full.
  bool add(std::vector<Json> values) {
    if (rows_.size() >= rows_max) {
      truncated_ = true;
      return false;
    }
    Json row = Json::object();
    for (std::size_t i = 0; i < columns_.size(); ++i) row[columns_[i]] = std::move(values[i]);
    rows_.push_back(std::move(row));
    return true;
  }

  [[nodiscard]] Json finish() && {
    Json out{{"title", std::move(title_)}, {"columns", std::move(columns_)}};
    out["rows"] = std::move(rows_);
    if (truncated_) out["truncated"] = true;
    return out;
  }

 private:
  std::string title_;
  std::vector<std::string> columns_;
  Json rows_ = Json::array();
  bool truncated_ = false;
};

template <class Values>
Json texts(const Values& values) {
  Json out = Json::array();
  for (const auto& value : values) out.push_back(to_string(value));
  return out;
}

inline std::string neighbour_text(const Model& model, const NeighbourKey& key) {
  return model.port_names.at(key.port) + " " + to_string(key.address);
}

inline std::string ways_text(const Model& model, const Ways& ways) {
  std::string text;
  for (const auto& key : ways) text += (text.empty() ? "" : ", ") + neighbour_text(model, key);
  return text;
}

/// Who owns an object, and in place of whose it stands.
template <class Object>
std::string owner_text(Agent& agent, const KeyOf<Object>& key, Owner owner) {
  const auto wanted = agent.manager().intent().wanted<Object>(key);
  std::string text(owner_name(owner));
  if (wanted && wanted->instead_of) text += " over " + std::string(owner_name(*wanted->instead_of));
  return text;
}

// api_show_tunnel.cpp
Reply show_tunnels(Agent& agent, const Query& query);
Reply show_decaps(Agent& agent, const Query& query);

}  // namespace weft::agent::api
