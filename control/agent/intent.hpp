#pragma once
/// What is wanted of the node, and by whom. An object of the API stands in place of the file's of
/// the same key, until it is deleted.

#include <optional>
#include <string>
#include <vector>

#include "agent/objects.hpp"

namespace weft::agent {

struct Intent {
  Config config;   ///< the file as it was read last
  ObjectSet file;  ///< its objects by key
  ObjectSet api;   ///< what the API asked for
  ObjectSet
      unfit;  ///< what the API asked for and what has no place beside the file; kept for later

  template <class Object>
  struct Wanted {
    const Object* object = nullptr;
    Owner owner = Owner::file;
    bool overrides = false;  ///< the file has one of that key, too
  };

  template <class Object>
  [[nodiscard]] std::optional<Wanted<Object>> wanted(const KeyOf<Object>& key) const {
    const auto* of_file = agent::find<Object>(file, key);
    if (const auto* of_api = agent::find<Object>(api, key)) {
      return Wanted<Object>{of_api, Owner::api, of_file != nullptr};
    }
    if (of_file == nullptr) return std::nullopt;
    return Wanted<Object>{of_file, Owner::file, false};
  }

  /// Calls `f(object, owner)` for each object of a kind that counts.
  template <class Object, class F>
  void each(F&& f) const {
    const auto& of_api = objects_of<Object>(api);
    for (const auto& [key, object] : objects_of<Object>(file)) {
      if (!of_api.contains(key)) f(object, Owner::file);
    }
    for (const auto& [key, object] : of_api) f(object, Owner::api);
  }
};

/// Labels of the objects that cannot do without this one.
std::vector<std::string> referrers(const Intent& intent, std::string_view kind,
                                   const std::string& name);

/// What must be done to get from one intent to another.
struct Difference {
  Update update;
  std::vector<std::string> added;  ///< labels
  std::vector<std::string> changed;
  std::vector<std::string> removed;
};
Difference difference(const Intent& from, const Intent& to);

/// Keys whose values differ and cannot follow while the process runs.
std::vector<std::string> fixed_keys(const Config& from, const Config& to);
/// Why this VIF cannot become that one while it is attached; empty when it can.
std::string fixed_vif_keys(const VifConfig& from, const VifConfig& to);

}  // namespace weft::agent
