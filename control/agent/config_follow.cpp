/// How a node follows its controllers: their objects between those of the file and of the API.
#include <algorithm>
#include <functional>
#include <optional>

#include "agent/config_manager.hpp"
#include "agent/neighbourhood.hpp"

namespace weft::agent {

template <class Object>
Result<Object> ConfigManager::checked(const KeyOf<Object>& key, const Json& json) const {
  const auto own = label<Object>(key);
  Neighbourhood neighbourhood(intent_);
  neighbourhood.around<Object>(json, key);
  const auto outcome = neighbourhood.check(ObjectKind<Object>::list, json, own);
  const auto& wrong = outcome.unreadable.empty() ? outcome.contradictions : outcome.unreadable;
  if (!wrong.empty()) {
    std::string text;
    for (const auto& complaint : wrong) text += (text.empty() ? "" : "; ") + to_string(complaint);
    return Error{text};
  }
  return (outcome.config.*ObjectKind<Object>::configs).back();
}

/// What the data plane is to be told when the channel comes to have `object` (null: none) of `key`.
template <class Object>
void ConfigManager::change_in_force(Update& update, const KeyOf<Object>& key,
                                    const Object* object) const {
  if (intent_.hidden<Object>(Owner::channel, key)) return;
  auto& changes = update.*ObjectKind<Object>::changes;
  if (object != nullptr) {
    changes.put.push_back({*object, Owner::channel});
  } else if (const auto behind = intent_.behind<Object>(Owner::channel, key)) {
    changes.put.push_back({*behind->object, behind->owner});
  } else if (agent::find<Object>(intent_.channel, key) != nullptr) {
    changes.erase.push_back(key);
  }
}

/// Why not, or nothing.
std::optional<std::string> ConfigManager::follow_at_once(const Update& update) {
  Update effective;
  for_each_kind([&]<class Object>() {
    const auto& wanted = update.*ObjectKind<Object>::changes;
    for (const auto& put : wanted.put) {
      const auto key = ObjectKind<Object>::key(put.config);
      const auto* now = agent::find<Object>(intent_.channel, key);
      if (now == nullptr || *now != put.config) {
        change_in_force<Object>(effective, key, &put.config);
      }
    }
    for (const auto& key : wanted.erase) change_in_force<Object>(effective, key, nullptr);
  });
  if (!effective.empty()) {
    if (const auto applied = apply(std::move(effective)); !applied) return applied.error().message;
  }
  for_each_kind([&]<class Object>() {
    const auto& wanted = update.*ObjectKind<Object>::changes;
    auto& objects = objects_of<Object>(intent_.channel);
    for (const auto& put : wanted.put) {
      objects.insert_or_assign(ObjectKind<Object>::key(put.config), put.config);
    }
    for (const auto& key : wanted.erase) objects.erase(key);
  });
  followed_(update);
  return std::nullopt;
}

/// Moves the keys that others refer to from `update` to what leaves later.
template <class Object>
void ConfigManager::keep_what_is_in_use(Update& update) {
  if constexpr (std::is_same_v<KeyOf<Object>, std::string>) {
    auto& erase = (update.*ObjectKind<Object>::changes).erase;
    if (erase.empty()) return;
    const auto names = names_in_use(intent_, ObjectKind<Object>::word);
    const auto used = [&](const std::string& key) {
      return names.contains(key) && !intent_.behind<Object>(Owner::channel, key) &&
             !intent_.hidden<Object>(Owner::channel, key);
    };
    const auto stay = std::stable_partition(erase.begin(), erase.end(), std::not_fn(used));
    auto& later = (leaving_.*ObjectKind<Object>::changes).erase;
    later.insert(later.end(), stay, erase.end());
    erase.erase(stay, erase.end());
  }
}

std::vector<ConfigManager::Refused> ConfigManager::follow(const Update& update) {
  std::vector<Refused> refused;
  // Those that were to leave do so now, unless they are wanted again.
  Update wanted = update;
  for_each_kind([&]<class Object>() {
    auto& changes = wanted.*ObjectKind<Object>::changes;
    for (auto& key : std::exchange((leaving_.*ObjectKind<Object>::changes).erase, {})) {
      const auto same = [&](const auto& put) { return ObjectKind<Object>::key(put.config) == key; };
      if (std::ranges::none_of(changes.put, same)) changes.erase.push_back(std::move(key));
    }
  });
  const auto attempt = [&](const Update& part) {
    if (part.empty() || !follow_at_once(part)) return;
    for_each_kind([&]<class Object>() {
      for (const auto& put : (part.*ObjectKind<Object>::changes).put) {
        Update one;
        (one.*ObjectKind<Object>::changes).put.push_back(put);
        if (const auto why = follow_at_once(one)) {
          refused.push_back({label<Object>(ObjectKind<Object>::key(put.config)), *why});
        }
      }
    });
    for_each_kind([&]<class Object>() {
      for (const auto& key : (part.*ObjectKind<Object>::changes).erase) {
        Update one;
        (one.*ObjectKind<Object>::changes).erase.push_back(key);
        if (const auto why = follow_at_once(one)) refused.push_back({label<Object>(key), *why});
      }
    });
  };
  // What names others goes with the puts, in one batch; what is named follows when it is free.
  Update first = wanted;
  Update second;
  const auto set_aside = [&]<class Object>() {
    (second.*ObjectKind<Object>::changes).erase =
        std::exchange((first.*ObjectKind<Object>::changes).erase, {});
  };
  set_aside.template operator()<SecurityGroupConfig>();
  set_aside.template operator()<VrfConfig>();
  set_aside.template operator()<TunnelConfig>();
  attempt(first);
  for_each_kind([&]<class Object>() { keep_what_is_in_use<Object>(second); });
  attempt(second);
  if (!wanted.empty()) ++version_;
  return refused;
}

template Result<SecurityGroupConfig> ConfigManager::checked(const std::string&, const Json&) const;
template Result<VrfConfig> ConfigManager::checked(const std::string&, const Json&) const;
template Result<TunnelConfig> ConfigManager::checked(const std::string&, const Json&) const;
template Result<DecapConfig> ConfigManager::checked(const std::string&, const Json&) const;
template Result<RouteConfig> ConfigManager::checked(const RouteKey&, const Json&) const;

}  // namespace weft::agent
