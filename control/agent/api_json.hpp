#pragma once
/// What the parts of the API share: replies, and reading untrusted JSON.

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/agent.hpp"
#include "agent/object_json.hpp"
#include "agent/yaml_reader.hpp"
#include "weft/address.hpp"
#include "weft/result.hpp"

namespace weft::agent::api {

using Query = std::map<std::string, std::string>;

struct Failure {
  unsigned status = 400;
  std::string message;
};
using Reply = std::variant<Json, Failure>;

Reply show(Agent& agent, const std::string& table, const Query& query);
/// POST (add), PUT (create or change) and DELETE; nothing when there are no objects of that kind.
std::optional<Reply> change_object(Agent& agent, std::string_view method, std::string_view kind,
                                   const Json& body);
/// Whether a reload is asked for as a rehearsal.
std::variant<bool, Failure> read_reload(const Json& body);
Reply reloaded(const Result<ConfigManager::Reloaded>& done, bool dry_run);
/// Sessions to controllers, and what came of them.
Reply show_control(Agent& agent, const Query& query);
/// Objects that controllers told, and why some have no place here.
Reply show_profiles(Agent& agent, const Query& query);
Reply explain(Agent& agent, const Json& body);
/// What the stages decided, with the names of what they used.
Json explanation(Agent& agent, const ExplainReport& report);

/// Where a next hop leads, as an operator calls it.
std::string use_text(const Model& model, NexthopId id);

/// An untrusted body. Objects keep the order of their members in a list, where each new one is
/// looked for, so they may not have any number of them.
Result<Json> parse_body(const std::string& text);

/// Beyond this many rows a table is cut off, and names are not searched for a likely one.
inline constexpr std::size_t rows_max = 10000;

template <class Object>
Failure no_such(const std::string& kind, const std::string& name,
                const Model::Named<Object>& objects) {
  std::vector<std::string_view> names;
  if (objects.size() <= rows_max) {
    for (const auto& [other, object] : objects) names.push_back(other);
  }
  return {404, "there is no " + kind + " " + yaml::quoted(name) + yaml::did_you_mean(name, names)};
}

/// The members of one JSON object. Each getter answers nullopt for a member that is missing; what
/// is there but not as wanted is kept as the failure, the first one only.
class Members {
 public:
  Members(const Json& object, std::string path, std::vector<std::string_view> known);

  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }
  [[nodiscard]] const Json* find(std::string_view key) const;
  std::optional<std::string> text(std::string_view key);
  std::optional<bool> boolean(std::string_view key);
  std::optional<IpAddress> address(std::string_view key);
  std::optional<IpPrefix> prefix(std::string_view key);
  std::optional<MacAddress> mac(std::string_view key);
  template <class Integer>
  std::optional<Integer> number(std::string_view key, Integer low, Integer high) {
    const auto value = integer(key, low, high);
    if (!value) return std::nullopt;
    return static_cast<Integer>(*value);
  }

  void require(std::string_view key);
  void fail(std::string_view key, const std::string& message);
  [[nodiscard]] const std::optional<Failure>& failure() const { return failure_; }

 private:
  std::optional<std::uint64_t> integer(std::string_view key, std::uint64_t low, std::uint64_t high);
  template <class T>
  std::optional<T> parsed(std::string_view key, std::optional<T> (*parse)(std::string_view),
                          const char* wanted);

  const Json& object_;
  std::string path_;
  std::optional<Failure> failure_;
};

}  // namespace weft::agent::api
