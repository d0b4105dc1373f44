#pragma once
/// What a batch amounts to when it names an object more than once: the last word counts, and
/// objects that it deletes and puts never vanish in between.

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "weft/forwarding.hpp"

namespace weft {

/// By position: whether a later change makes this one void. A deletion speaks of its own generation
/// only.
template <class Identifier, class Object>
std::vector<bool> superseded(const std::vector<Change<Identifier, Object>>& changes) {
  std::vector<bool> result(changes.size());
  if (changes.size() < 2) return result;
  std::unordered_set<std::uint32_t> put_later;      // by index
  std::unordered_set<std::uint32_t> deleted_later;  // by raw id
  for (std::size_t i = changes.size(); i-- > 0;) {
    const Identifier id = changes[i].id;
    result[i] = put_later.contains(id.index());
    if (changes[i].object) {
      result[i] = result[i] || deleted_later.contains(id.raw());
      put_later.insert(id.index());
    } else {
      deleted_later.insert(id.raw());
    }
  }
  return result;
}

/// The same for routes: one change a prefix of a VRF.
inline std::vector<bool> superseded(const std::vector<RouteChange>& routes) {
  std::vector<bool> result(routes.size());
  if (routes.size() < 2) return result;
  struct Hash {
    std::size_t operator()(const std::pair<VrfId, IpPrefix>& key) const noexcept {
      return std::hash<IpPrefix>{}(key.second) * 31 + key.first.raw();
    }
  };
  std::unordered_set<std::pair<VrfId, IpPrefix>, Hash> later;
  for (std::size_t i = routes.size(); i-- > 0;) {
    result[i] = !later.insert({routes[i].vrf, routes[i].prefix}).second;
  }
  return result;
}

/// Whether an id will name something once the batch has been applied to `table`.
template <class Identifier, class Table>
class Presence {
 public:
  template <class Object>
  Presence(const std::vector<Change<Identifier, Object>>& changes, const Table& table)
      : table_(table) {
    for (const auto& change : changes) {
      if (change.object) {
        changed_[change.id.index()] = change.id;
      } else if ((*this)(change.id)) {
        changed_[change.id.index()] = Identifier{};
      }
    }
  }
  [[nodiscard]] bool operator()(Identifier id) const {
    if (!id.valid()) return false;
    if (const auto found = changed_.find(id.index()); found != changed_.end()) {
      return found->second == id;
    }
    const auto* entry = table_.get(id);
    return entry != nullptr && entry->id == id;
  }

 private:
  const Table& table_;
  std::unordered_map<std::uint32_t, Identifier> changed_;
};
template <class Identifier, class Object, class Table>
Presence(const std::vector<Change<Identifier, Object>>&, const Table&)
    -> Presence<Identifier, Table>;

}  // namespace weft
