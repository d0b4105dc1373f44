#pragma once
/// What is wanted of the node, and by whom. Of several objects with one key that of the API is in
/// force, else that of the control channel, else that of the file.

#include <array>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/objects.hpp"

namespace weft::agent {

struct Intent {
  Config config;      ///< the file as it was read last
  ObjectSet file;     ///< its objects by key
  ObjectSet channel;  ///< what controllers asked for
  ObjectSet api;      ///< what the API asked for
  ObjectSet
      unfit;  ///< what the API asked for and what has no place beside the file; kept for later

  template <class Object>
  struct Wanted {
    const Object* object = nullptr;
    Owner owner = Owner::file;
    std::optional<Owner> instead_of{};  ///< who else has one of that key
  };

  /// Whose objects go before whose.
  static constexpr std::array order{Owner::api, Owner::channel, Owner::file};
  [[nodiscard]] const ObjectSet& of(Owner owner) const {
    return owner == Owner::api ? api : owner == Owner::channel ? channel : file;
  }
  ObjectSet& of(Owner owner) { return const_cast<ObjectSet&>(std::as_const(*this).of(owner)); }

  template <class Object>
  [[nodiscard]] std::optional<Wanted<Object>> wanted(const KeyOf<Object>& key) const {
    std::optional<Wanted<Object>> found;
    for (const Owner owner : order) {
      const auto* object = agent::find<Object>(of(owner), key);
      if (object == nullptr) continue;
      if (found) {
        found->instead_of = owner;
        break;
      }
      found = Wanted<Object>{object, owner};
    }
    return found;
  }

  /// What would be in force if `owner` had nothing of that key: of those behind it.
  template <class Object>
  [[nodiscard]] std::optional<Wanted<Object>> behind(Owner owner, const KeyOf<Object>& key) const {
    bool passed = false;
    for (const Owner other : order) {
      const auto* object = passed ? agent::find<Object>(of(other), key) : nullptr;
      if (object != nullptr) return Wanted<Object>{object, other};
      passed = passed || other == owner;
    }
    return std::nullopt;
  }
  /// Whether one of those that go before `owner` has an object of that key.
  template <class Object>
  [[nodiscard]] bool hidden(Owner owner, const KeyOf<Object>& key) const {
    for (const Owner other : order) {
      if (other == owner) return false;
      if (agent::find<Object>(of(other), key) != nullptr) return true;
    }
    return false;
  }

  /// Calls `f(object, owner)` for each object of a kind that counts.
  template <class Object, class F>
  void each(F&& f) const {
    for (auto owner = order.rbegin(); owner != order.rend(); ++owner) {
      for (const auto& [key, object] : objects_of<Object>(of(*owner))) {
        if (!hidden<Object>(*owner, key)) f(object, *owner);
      }
    }
  }
};

/// Labels of the objects that cannot do without this one.
std::vector<std::string> referrers(const Intent& intent, std::string_view kind,
                                   const std::string& name);

/// Names of objects of a kind that others refer to.
std::set<std::string> names_in_use(const Intent& intent, std::string_view kind);

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
