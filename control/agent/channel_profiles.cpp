#include "agent/channel_profiles.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <tuple>

namespace weft::agent {

namespace {

/// The kind of what stands behind each change, for its generation alone.
constexpr std::string_view generation_mark = "generation";

/// Kinds that controllers may put; devices are the node's own matter.
template <class Object>
constexpr bool from_controllers =
    !std::is_same_v<Object, VifConfig> && !std::is_same_v<Object, NeighbourConfig>;

bool known(const std::string& kind) {
  bool found = false;
  for_each_kind([&]<class Object>() {
    found = found || (from_controllers<Object> && ObjectKind<Object>::word == kind);
  });
  return found;
}

/// The key that a profile's name stands for.
template <class Object>
std::optional<KeyOf<Object>> key_of_name(const std::string& name) {
  if constexpr (std::is_same_v<Object, RouteConfig>) {
    const auto space = name.find(' ');
    if (space == std::string::npos) return std::nullopt;
    const auto prefix = parse_prefix(std::string_view(name).substr(space + 1));
    if (!prefix) return std::nullopt;
    return RouteKey{name.substr(0, space), prefix->masked()};
  } else {
    return name;
  }
}

/// Whether an object is the one that its profile's name says.
template <class Object>
bool bears(const Json& json, const std::string& name) {
  if constexpr (std::is_same_v<Object, RouteConfig>) {
    return text_of(json, "vrf") + " " + text_of(json, "prefix") == name;
  } else {
    return text_of(json, "name") == name;
  }
}

}  // namespace

void ChannelProfiles::hear(std::size_t source, channel::ProfileItems items) {
  for (auto& profile : items.profiles) {
    auto& heard = heard_[source];
    heard.generation = std::max(heard.generation, profile.generation);
    if (profile.id.kind == generation_mark) continue;
    Voices& voices = profiles_[profile.id];
    const auto before = voices.empty() ? std::string() : strongest(voices).json;
    if (const auto old = voices.find(source); old != voices.end()) {
      bytes_ -= old->second.json.size();
    }
    bytes_ += profile.json.size();
    voices.insert_or_assign(source, Told{profile.generation, std::move(profile.json), false});
    if (strongest(voices).json != before || refused_.contains(profile.id)) {
      changed_.insert(profile.id);
    }
  }
  for (const auto& id : items.withdrawn) {
    const auto found = profiles_.find(id);
    if (found == profiles_.end()) continue;
    const auto voice = found->second.find(source);
    if (voice == found->second.end()) continue;
    bytes_ -= voice->second.json.size();
    found->second.erase(voice);
    changed_.insert(id);
  }
}

void ChannelProfiles::mark_stale(std::size_t source) {
  for (auto& [id, voices] : profiles_) {
    if (const auto voice = voices.find(source); voice != voices.end()) voice->second.stale = true;
  }
  // What comes with the next session counts, however its numbers relate to the last one's.
  heard_[source] = {};
}

void ChannelProfiles::sweep(std::size_t source) {
  for (auto& [id, voices] : profiles_) {
    const auto voice = voices.find(source);
    if (voice == voices.end() || !voice->second.stale) continue;
    bytes_ -= voice->second.json.size();
    voices.erase(voice);
    changed_.insert(id);
  }
}

std::size_t ChannelProfiles::stale() const {
  return static_cast<std::size_t>(std::ranges::count_if(profiles_, [](const auto& profile) {
    return std::ranges::all_of(profile.second, [](const auto& v) { return v.second.stale; });
  }));
}

std::size_t ChannelProfiles::stale(std::size_t source) const {
  return static_cast<std::size_t>(std::ranges::count_if(profiles_, [&](const auto& profile) {
    const auto voice = profile.second.find(source);
    return voice != profile.second.end() && voice->second.stale;
  }));
}

/// Of controllers that live the one that has counted furthest.
const ChannelProfiles::Told& ChannelProfiles::strongest(const Voices& voices) {
  return std::ranges::max_element(voices, {},
                                  [](const auto& voice) {
                                    return std::tuple(!voice.second.stale, voice.second.generation);
                                  })
      ->second;
}

void ChannelProfiles::refuse(const channel::ProfileName& name, const std::string& why) {
  if (const auto before = refused_.find(name); before == refused_.end() || before->second != why) {
    SPDLOG_WARN("{} {} of a controller has no place here: {}", name.kind, name.name, why);
  }
  refused_.insert_or_assign(name, why);
}

template <class Object>
void ChannelProfiles::apply_kind(std::set<channel::ProfileName>& names) {
  constexpr auto word = ObjectKind<Object>::word;
  Update update;
  auto& changes = update.*ObjectKind<Object>::changes;
  std::map<std::string, channel::ProfileName> by_label;
  for (auto name = names.begin(); name != names.end();) {
    if (name->kind != word) {
      ++name;
      continue;
    }
    const auto id = *name;
    name = names.erase(name);
    const auto key = key_of_name<Object>(id.name);
    const auto voices = profiles_.find(id);
    const auto json = voices == profiles_.end()
                          ? Json()
                          : Json::parse(strongest(voices->second).json, nullptr, false);
    if (!key || !json.is_object() || !bears<Object>(json, id.name)) {
      refuse(id, "its text is not the JSON of an object of that kind and name");
      continue;
    }
    auto object = manager_.checked<Object>(*key, json);
    if (!object) {
      refuse(id, object.error().message);
      continue;
    }
    refused_.erase(id);
    by_label.emplace(label<Object>(*key), id);
    changes.put.push_back({std::move(*object), Owner::channel});
  }
  for (const auto& [what, why] : manager_.follow(update)) refuse(by_label.at(what), why);
  if constexpr (std::is_same_v<Object, TunnelConfig>) {
    for (const auto& put : changes.put) {
      if (refused_.contains({std::string(word), put.config.name})) continue;
      const auto key = agent::key_of(put.config.profile);
      const auto before = tunnel_keys_.find(put.config.name);
      if (before != tunnel_keys_.end() && before->second == key) continue;
      if (before != tunnel_keys_.end()) tunnels_.erase(before->second);
      tunnel_keys_.insert_or_assign(put.config.name, key);
      tunnels_.insert_or_assign(key, put.config.name);
      tunnels_changed_ = true;
    }
  }
}

void ChannelProfiles::apply(std::size_t most) {
  std::set<channel::ProfileName> put;
  std::set<channel::ProfileName> gone;
  while (!changed_.empty() && put.size() + gone.size() < most) {
    auto node = changed_.extract(changed_.begin());
    const auto voices = profiles_.find(node.value());
    const bool none = voices == profiles_.end() || voices->second.empty();
    if (none && voices != profiles_.end()) profiles_.erase(voices);
    if (!known(node.value().kind)) {
      if (!none) refuse(node.value(), "weftd takes no such kind from a controller");
      continue;
    }
    (none ? gone : put).insert(std::move(node.value()));
  }
  // In the order in which kinds rest on each other; what failed since something went that stood
  // in its way, is tried again behind that.
  for_each_kind([&]<class Object>() {
    if constexpr (from_controllers<Object>) apply_kind<Object>(put);
  });
  if (gone.empty()) return;
  Update update;
  for_each_kind([&]<class Object>() {
    if constexpr (from_controllers<Object>) {
      for (const auto& id : gone) {
        if (id.kind != ObjectKind<Object>::word) continue;
        if (const auto key = key_of_name<Object>(id.name)) {
          (update.*ObjectKind<Object>::changes).erase.push_back(*key);
        }
      }
    }
  });
  for (const auto& id : gone) {
    refused_.erase(id);
    const auto tunnel = tunnel_keys_.find(id.name);
    if (id.kind != ObjectKind<TunnelConfig>::word || tunnel == tunnel_keys_.end()) continue;
    tunnels_.erase(tunnel->second);
    tunnel_keys_.erase(tunnel);
    tunnels_changed_ = true;
  }
  (void)manager_.follow(update);
  for (const auto& [id, why] : refused_) changed_.insert(id);
}

std::optional<channel::Applied> ChannelProfiles::take_acknowledgement(std::size_t source) {
  auto& heard = heard_[source];
  if (!changed_.empty() || heard.applied == heard.generation) return std::nullopt;
  heard.applied = heard.generation;
  channel::Applied out{.generation = heard.generation, .refused = {}};
  for (const auto& [id, why] : refused_) out.refused.push_back({id, why});
  return out;
}

}  // namespace weft::agent
