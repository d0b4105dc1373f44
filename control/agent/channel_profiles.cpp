#include "agent/channel_profiles.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <tuple>

#include "agent/neighbourhood.hpp"

namespace weft::agent {

namespace {

/// What one stanza has room for; a controller that has more refused is wrong in all of it.
constexpr std::size_t most_refusal_bytes = 64 << 10;
/// The kind of what stands behind all of a generation: before it, there may be more to come.
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

/// The place of a kind among those that rest on one another.
std::size_t rank(std::string_view kind) {
  std::size_t place = 0;
  std::size_t out = std::string_view::npos;
  for_each_kind([&]<class Object>() {
    if (ObjectKind<Object>::word == kind) out = place;
    ++place;
  });
  return out;
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

/// The object without those that it lets in, who are `sources`.
Json without_sources(const std::string& json, std::vector<std::string>& sources) {
  Json object = Json::parse(json, nullptr, false);
  if (!object.is_object() || !object.contains("sources") || !object["sources"].is_array()) {
    return object;
  }
  for (const auto& source : object["sources"]) {
    if (source.is_string()) sources.push_back(source.get<std::string>());
  }
  object.erase("sources");
  return object;
}

constexpr std::string_view decap_kind = ObjectKind<DecapConfig>::word;

/// What is told of an object.
template <class Object>
struct Text {
  channel::ProfileName id;
  KeyOf<Object> key;
  Json json;
};

/// The objects that these describe, in their order, if all of them have their place beside one
/// another and the others. It costs little more than a look at a single one.
template <class Object>
std::vector<Object> all_checked(const Intent& intent, const std::vector<Text<Object>>& texts) {
  Neighbourhood neighbourhood(intent);
  for (const auto& text : texts) neighbourhood.replaces(label<Object>(text.key));
  for (const auto& text : texts) neighbourhood.around<Object>(text.json, text.key);
  for (const auto& text : texts) {
    neighbourhood.add(ObjectKind<Object>::list, text.json, label<Object>(text.key));
  }
  auto outcome = neighbourhood.check();
  if (!outcome.good()) return {};
  auto& all = outcome.config.*ObjectKind<Object>::configs;
  return {std::make_move_iterator(all.end() - std::ssize(texts)),
          std::make_move_iterator(all.end())};
}

}  // namespace

void ChannelProfiles::begin(std::size_t source) { heard_[source].rank = ++events_; }

void ChannelProfiles::hear(std::size_t source, channel::ProfileItems items) {
  for (auto& profile : items.profiles) {
    if (profile.id.kind == generation_mark) {
      auto& heard = heard_[source].generation;
      heard = std::max(heard, profile.generation);
      continue;
    }
    Voices& voices = profiles_[profile.id];
    const auto before = voices.empty() ? std::string() : in_force(profile.id, voices);
    if (const auto old = voices.find(source); old != voices.end()) {
      bytes_ -= old->second.json.size();
    }
    bytes_ += profile.json.size();
    voices.insert_or_assign(source, Told{profile.generation, std::move(profile.json), false});
    if (in_force(profile.id, voices) != before || refused_.contains(profile.id)) {
      changed_.insert(profile.id);
    }
    compare(profile.id, voices);
  }
  for (const auto& id : items.withdrawn) {
    const auto found = profiles_.find(id);
    if (found == profiles_.end() || !found->second.contains(source)) continue;
    fall_silent(id, found->second, source);
  }
}

/// The controller, who told of the object, does so no more.
void ChannelProfiles::fall_silent(const channel::ProfileName& id, Voices& voices,
                                  std::size_t source) {
  const auto before = in_force(id, voices);
  bytes_ -= voices.at(source).json.size();
  voices.erase(source);
  heard_[source].overruled.erase(id);
  compare(id, voices);
  if (voices.empty() || in_force(id, voices) != before) changed_.insert(id);
}

/// What is to come into force of all that is told of an object.
std::string ChannelProfiles::in_force(const channel::ProfileName& id, const Voices& voices) const {
  const auto& text = followed(voices)->second.json;
  const auto agrees = [&](const auto& voice) { return voice.second.json == text; };
  if (id.kind != decap_kind || std::ranges::all_of(voices, agrees)) return text;
  std::vector<std::string> sources;
  Json object = without_sources(text, sources);
  if (!object.is_object()) return text;
  bool all = sources.empty();  // which lets everybody in
  for (const auto& [number, told] : voices) {
    const auto known = sources.size();
    (void)without_sources(told.json, sources);
    all = all || sources.size() == known;
  }
  std::ranges::sort(sources);
  sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
  if (!all) object["sources"] = sources;
  return object.dump();
}

/// Notes which controllers are not followed.
void ChannelProfiles::compare(const channel::ProfileName& id, const Voices& voices) {
  if (voices.empty()) return;
  const auto first = followed(voices);
  const auto essence = [&](const std::string& json) {
    std::vector<std::string> ignored;
    return id.kind == decap_kind ? without_sources(json, ignored).dump() : json;
  };
  for (const auto& [number, told] : voices) {
    auto& heard = heard_[number];
    const bool same = number == first->first || told.json == first->second.json ||
                      essence(told.json) == essence(first->second.json);
    if (same) {
      heard.again = heard.overruled.erase(id) > 0 || heard.again;
    } else {
      heard.again = heard.overruled.insert_or_assign(id, first->first).second || heard.again;
    }
  }
}

void ChannelProfiles::refused_changed() {
  for (auto& heard : heard_) heard.again = true;
}

void ChannelProfiles::mark_stale(std::size_t source) {
  for (auto& [id, voices] : profiles_) {
    const auto voice = voices.find(source);
    if (voice == voices.end()) continue;
    const auto before = in_force(id, voices);
    voice->second.stale = true;
    if (in_force(id, voices) != before) changed_.insert(id);
    compare(id, voices);
  }
  // Of sessions that ended, the last one.
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  // What comes with the next one counts, however its numbers relate to this one's.
  heard_[source] = {.rank = most - ++events_};
}

void ChannelProfiles::sweep(std::size_t source) {
  for (auto& [id, voices] : profiles_) {
    const auto voice = voices.find(source);
    if (voice != voices.end() && voice->second.stale) fall_silent(id, voices, source);
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

/// Of controllers that live the one that has been there for the longest time.
ChannelProfiles::Voices::const_iterator ChannelProfiles::followed(const Voices& voices) const {
  return std::ranges::min_element(voices, {}, [this](const auto& voice) {
    return std::tuple(voice.second.stale, heard_[voice.first].rank);
  });
}

void ChannelProfiles::refuse(const channel::ProfileName& name, const std::string& why) {
  if (const auto before = refused_.find(name); before == refused_.end() || before->second != why) {
    SPDLOG_WARN("{} {} of a controller has no place here: {}", name.kind, name.name, why);
    refused_changed();
  }
  refused_.insert_or_assign(name, why);
}

template <class Object>
void ChannelProfiles::apply_kind(std::set<channel::ProfileName>& names) {
  constexpr auto word = ObjectKind<Object>::word;
  std::vector<Text<Object>> texts;
  for (auto name = names.begin(); name != names.end();) {
    if (name->kind != word) {
      ++name;
      continue;
    }
    const auto id = *name;
    name = names.erase(name);
    const auto key = key_of_name<Object>(id.name);
    const auto voices = profiles_.find(id);
    auto json = voices == profiles_.end()
                    ? Json()
                    : Json::parse(in_force(id, voices->second), nullptr, false);
    if (!key || !json.is_object() || !bears<Object>(json, id.name)) {
      refuse(id, "its text is not the JSON of an object of that kind and name");
      continue;
    }
    texts.push_back({id, *key, std::move(json)});
  }
  if (texts.empty()) return;
  auto objects = all_checked<Object>(manager_.intent(), texts);
  if (objects.empty()) {  // whatever is wrong, it shall keep none of the others away
    std::erase_if(texts, [&](const Text<Object>& text) {
      auto object = manager_.checked<Object>(text.key, text.json);
      if (object) objects.push_back(std::move(*object));
      if (!object) refuse(text.id, object.error().message);
      return !object;
    });
  }
  Update update;
  auto& changes = update.*ObjectKind<Object>::changes;
  for (auto& object : objects) changes.put.push_back({std::move(object), Owner::channel});
  std::map<std::string, channel::ProfileName> by_label;
  for (const auto& text : texts) {
    if (refused_.erase(text.id) > 0) refused_changed();
    by_label.emplace(label<Object>(text.key), text.id);
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

bool ChannelProfiles::ByKind::operator()(const channel::ProfileName& a,
                                         const channel::ProfileName& b) const {
  const auto place = [](const channel::ProfileName& id) { return std::pair(rank(id.kind), id); };
  return a.kind == b.kind ? a.name < b.name : place(a) < place(b);
}

/// What comes, from what others rest on; when all of it has come, what goes, the other way round.
void ChannelProfiles::take_changed(std::size_t most, std::set<channel::ProfileName>& put,
                                   std::set<channel::ProfileName>& gone) {
  const auto is_gone = [this](const channel::ProfileName& id) {
    const auto voices = profiles_.find(id);
    return voices == profiles_.end() || voices->second.empty();
  };
  for (auto at = changed_.begin(); at != changed_.end() && put.size() < most;) {
    if (is_gone(*at)) {
      ++at;
      continue;
    }
    const auto id = *at;
    at = changed_.erase(at);
    if (known(id.kind)) {
      put.insert(id);
    } else {
      refuse(id, "weftd takes no such kind from a controller");
    }
  }
  if (!put.empty()) return;
  while (!changed_.empty() && gone.size() < most) {
    auto node = changed_.extract(std::prev(changed_.end()));
    profiles_.erase(node.value());
    if (known(node.value().kind)) gone.insert(std::move(node.value()));
  }
}

void ChannelProfiles::apply(std::size_t most) {
  std::set<channel::ProfileName> put;
  std::set<channel::ProfileName> gone;
  take_changed(most, put, gone);
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
    if (refused_.erase(id) > 0) refused_changed();
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
  const bool news = heard.applied != heard.generation || heard.again;
  if (!changed_.empty() || heard.generation == 0 || !news) return std::nullopt;
  heard.applied = heard.generation;
  heard.again = false;
  channel::Applied out{.generation = heard.generation, .refused = {}};
  std::size_t bytes = 0;
  const auto refuses = [&](const channel::ProfileName& id, const std::string& why) {
    bytes += id.name.size() + why.size();
    if (bytes <= most_refusal_bytes) out.refused.push_back({id, why});
  };
  for (const auto& [id, why] : refused_) {
    const auto voices = profiles_.find(id);
    if (voices != profiles_.end() && voices->second.contains(source)) refuses(id, why);
  }
  for (const auto& [id, other] : heard.overruled) {
    if (refused_.contains(id)) continue;
    refuses(id, "controller " + sources_[other] + " is followed, who tells another");
  }
  return out;
}

}  // namespace weft::agent
