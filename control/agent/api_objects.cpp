/// POST, PUT and DELETE: objects. Bodies speak the words of `weft.yaml`.

#include <fmt/format.h>

#include <algorithm>

#include "agent/api_json.hpp"
#include "agent/config_manager.hpp"
#include "agent/neighbourhood.hpp"

namespace weft::agent::api {

namespace {

using Complaints = std::vector<Complaint>;

std::string target_text(const RouteTarget& via) {
  if (!via.tunnel.empty()) return "via tunnel " + via.tunnel;
  if (!via.vif.empty()) return "to vif " + via.vif;
  if (!via.vrf.empty()) return "on in vrf " + via.vrf;
  if (!via.gateways.empty()) {
    std::string text;
    for (const auto& gateway : via.gateways) {
      text += (text.empty() ? "via " : " and ") + to_string(gateway);
    }
    return text;
  }
  if (!via.ecmp.empty()) {
    std::string text = "by ecmp via ";
    for (const auto& way : via.ecmp) {
      text += (&way == via.ecmp.data() ? "" : ", ") +
              (way.tunnel.empty() ? "vif " + way.vif : "tunnel " + way.tunnel);
    }
    return text;
  }
  return "nowhere: discard";
}

template <class Object>
std::string said(const Object& object, const char* what) {
  const auto name = label<Object>(ObjectKind<Object>::key(object));
  if constexpr (std::is_same_v<Object, RouteConfig>) {
    return name + " leads " + target_text(object.via);
  }
  return name + " " + what;
}

/// The members that name an object of the kind.
template <class Object>
std::vector<std::string_view> key_members() {
  if constexpr (std::is_same_v<Object, RouteConfig>) return {"vrf", "prefix"};
  if constexpr (std::is_same_v<Object, NeighbourConfig>) return {"address"};
  return {"name"};
}

template <class Object>
std::optional<KeyOf<Object>> read_key(const Json& json, std::optional<Failure>& failure) {
  std::vector<std::string_view> all;
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) all.push_back(key);
  }
  Members body(json, "", all);
  for (const auto member : key_members<Object>()) {
    for (const auto given : all) {
      const bool meant = given != member && !body.has(member) && yaml::nearest(given, {member});
      if (meant) body.fail(given, "unknown key" + yaml::did_you_mean(given, {member}));
    }
    body.require(member);
  }
  std::optional<KeyOf<Object>> key;
  if constexpr (std::is_same_v<Object, RouteConfig>) {
    const auto vrf = body.text("vrf");
    const auto prefix = body.prefix("prefix");
    if (vrf && prefix) key = RouteKey{*vrf, prefix->masked()};
  } else if constexpr (std::is_same_v<Object, NeighbourConfig>) {
    key = body.address("address");
  } else {
    key = body.text("name");
  }
  failure = body.failure();
  return key;
}

/// Names that lead nowhere, told with the names that there are.
std::optional<Failure> check_names(const Model& model, const Json& json) {
  const auto named = [](const Json& in, const char* key,
                        const auto& objects) -> std::optional<Failure> {
    const auto name = text_of(in, key);
    if (name.empty() || objects.contains(name)) return std::nullopt;
    return no_such(key, name, objects);
  };
  const auto via = json.find("via");
  const Json& target = via == json.end() ? json : *via;
  for (const auto& name : texts_of(json, "security_groups")) {
    if (!model.security_groups.contains(name)) {
      return no_such("security group", name, model.security_groups);
    }
  }
  if (auto failure = named(json, "vrf", model.vrfs)) return failure;
  if (auto failure = named(target, "vrf", model.vrfs)) return failure;
  if (auto failure = named(target, "vif", model.vifs)) return failure;
  for (const Json& way : ecmp_members(target)) {
    if (auto failure = named(way, "vif", model.vifs)) return failure;
    if (auto failure = named(way, "tunnel", model.tunnels)) return failure;
  }
  return named(target, "tunnel", model.tunnels);
}

template <class Object>
Failure nothing_called(const Model& model, const KeyOf<Object>& key) {
  if constexpr (std::is_same_v<Object, SecurityGroupConfig>) {
    return no_such("security group", key, model.security_groups);
  }
  if constexpr (std::is_same_v<Object, VrfConfig>) return no_such("vrf", key, model.vrfs);
  if constexpr (std::is_same_v<Object, VifConfig>) return no_such("vif", key, model.vifs);
  if constexpr (std::is_same_v<Object, TunnelConfig>) return no_such("tunnel", key, model.tunnels);
  if constexpr (std::is_same_v<Object, DecapConfig>) return no_such("decap", key, model.decaps);
  return Failure{404, "there is no " + label<Object>(key)};
}

Failure told(const Complaints& complaints, const std::string& own, unsigned status) {
  std::string text;
  for (const auto& complaint : complaints) {
    if (complaint.label == own) {
      text += (text.empty() ? "" : "\n") + (complaint.key.empty() ? "" : complaint.key + ": ") +
              complaint.message;
    } else {
      text += (text.empty() ? "" : "\n") + to_string(complaint);
    }
  }
  return {status, text};
}

/// What the body says laid over what is there; null takes a member away.
Json merged(Json base, const Json& body) {
  // Either of the two: the one that is given makes the other void.
  if (body.contains("vrf") && !body.contains("vif")) base.erase("vif");
  if (body.contains("vif") && !body.contains("vrf") && base.contains("sources")) base.erase("vrf");
  for (const auto& [key, value] : body.items()) {
    if (value.is_null()) {
      base.erase(key);
    } else {
      base[key] = value;
    }
  }
  return base;
}

template <class Object>
Reply put(Agent& agent, const Json& body, bool must_be_new) {
  constexpr auto word = ObjectKind<Object>::word;
  std::optional<Failure> failure;
  const auto key = read_key<Object>(body, failure);
  if (failure) return *failure;
  const auto& intent = agent.manager().intent();
  const auto existing = intent.wanted<Object>(*key);
  const auto own = label<Object>(*key);
  if (existing && must_be_new) {
    return Failure{409, fmt::format("{} is there already, owned by the {}; change it with "
                                    "`weftctl {} set`",
                                    own, owner_name(existing->owner), word)};
  }
  const auto& node = intent.config.node;
  const Json whole = existing ? merged(object_json(*existing->object, node), body) : body;
  failure = check_names(agent.model(), whole);
  if (failure) return *failure;

  Neighbourhood neighbourhood(intent);
  neighbourhood.around<Object>(whole, *key);
  const auto outcome = neighbourhood.check(ObjectKind<Object>::list, whole, own);
  if (!outcome.unreadable.empty()) {
    // Whoever meant to change one has given little, and nothing wrong.
    const auto given = [&](const Complaint& c) {
      return body.contains(c.key.substr(0, c.key.find_first_of(".[")));
    };
    const auto missing = [](const Complaint& c) {
      return c.message.starts_with("required, but missing");
    };
    const bool incomplete = std::ranges::none_of(outcome.unreadable, given) &&
                            std::ranges::any_of(outcome.unreadable, missing);
    if (existing || must_be_new || !incomplete) return told(outcome.unreadable, own, 400);
    auto none = nothing_called<Object>(agent.model(), *key);
    none.message += ". To create it, give ";
    for (const auto& complaint : outcome.unreadable) {
      none.message += (&complaint == outcome.unreadable.data() ? "" : ", ") + complaint.key;
    }
    none.message += " too";
    return none;
  }
  if (!outcome.good()) return told(outcome.contradictions, own, 409);
  const Object object = (outcome.config.*ObjectKind<Object>::configs).back();
  if constexpr (std::is_same_v<Object, VifConfig>) {
    const auto fixed = existing ? fixed_vif_keys(*existing->object, object) : "";
    if (!fixed.empty()) {
      return Failure{409, own + ": " + fixed +
                              " cannot change while it is attached; delete it and "
                              "add it anew"};
    }
  }
  const auto result = agent.manager().put(object);
  if (!result) return Failure{409, result.error().message};
  std::string message = said(object, existing ? "has changed" : "is new");
  if (existing && existing->owner != Owner::api) {
    message += fmt::format(" (in place of the {}'s)", owner_name(existing->owner));
  }
  return Json{{"message", message}, {"generation", *result}};
}

template <class Object>
Reply erase(Agent& agent, const Json& body) {
  constexpr auto word = ObjectKind<Object>::word;
  std::optional<Failure> failure;
  const auto key = read_key<Object>(body, failure);
  if (failure) return *failure;
  for (const auto& [member, value] : body.items()) {
    const auto known = key_members<Object>();
    if (std::ranges::find(known, member) != known.end()) continue;
    return Failure{400, member.substr(0, 64) + ": unknown key" + yaml::did_you_mean(member, known)};
  }
  auto& manager = agent.manager();
  const auto& intent = manager.intent();
  const auto own = label<Object>(*key);
  const auto there = intent.wanted<Object>(*key);
  if (!there && find<Object>(intent.unfit, *key) != nullptr) {
    const auto result = manager.erase<Object>(*key);
    return Json{{"message", own + ", which had no place, is gone"}, {"generation", *result}};
  }
  if (!there) {
    if constexpr (std::is_same_v<Object, RouteConfig>) {
      const auto& model = agent.model();
      const auto vrf = model.vrfs.find(key->vrf);
      if (vrf == model.vrfs.end()) return no_such("vrf", key->vrf, model.vrfs);
      if (!model.ribs.at(vrf->second.id).at(key->prefix).empty()) {
        return Failure{409, own + " follows from a port, vif, subnet or neighbour; change that"};
      }
    }
    if constexpr (std::is_same_v<Object, NeighbourConfig>) {
      return Failure{404,
                     "there is no static " + own + "; those that were learned go by themselves"};
    }
    if constexpr (std::is_same_v<Object, VifConfig>) {
      if (agent.model().vifs.contains(*key)) {
        return Failure{409, own + " goes with the port that has the key host: take that out of " +
                                agent.config_path() + " and restart weftd"};
      }
    }
    return nothing_called<Object>(agent.model(), *key);
  }
  if (there->owner == Owner::file) {
    return Failure{409, fmt::format("{} is the file's: take it out of {} and run `weftctl reload`, "
                                    "or put another in its place with `weftctl {} set`",
                                    own, agent.config_path(), word)};
  }
  if (there->owner == Owner::channel) {
    return Failure{409, fmt::format("{} comes from the controller: change it there, or put another "
                                    "in its place with `weftctl {} set`",
                                    own, word)};
  }
  std::string message = own + " is gone";
  if (const auto behind = intent.behind<Object>(Owner::api, *key)) {
    const auto whose = owner_name(behind->owner);
    message = fmt::format("{} again, as the {} says", said(*behind->object, "is"), whose);
    if constexpr (!std::is_same_v<Object, RouteConfig>) {
      message = fmt::format("{} is again as the {} says", own, whose);
    }
    Neighbourhood neighbourhood(intent);
    const auto json = object_json(*behind->object, intent.config.node);
    neighbourhood.around<Object>(json, *key);
    const auto outcome = neighbourhood.check(ObjectKind<Object>::list, json, own);
    if (!outcome.good()) {
      auto contradicts = told(outcome.contradictions, own, 409);
      contradicts.message =
          fmt::format("the {}'s {} cannot come back: {}", whose, own, contradicts.message);
      return contradicts;
    }
  } else if constexpr (std::is_same_v<KeyOf<Object>, std::string>) {
    if (const auto users = referrers(intent, word, *key); !users.empty()) {
      return Failure{409, own + " is in use by " + some_of(users) + "; change or delete " +
                              (users.size() == 1 ? "it" : "them") + " first"};
    }
  }
  const auto result = manager.erase<Object>(*key);
  if (!result) return Failure{409, result.error().message};
  return Json{{"message", message}, {"generation", *result}};
}

}  // namespace

std::optional<Reply> change_object(Agent& agent, std::string_view method, std::string_view kind,
                                   const Json& body) {
  std::optional<Reply> reply;
  for_each_kind([&]<class Object>() {
    if (ObjectKind<Object>::word != kind) return;
    if (method == "DELETE") reply = erase<Object>(agent, body);
    if (method == "PUT" || method == "POST") reply = put<Object>(agent, body, method == "POST");
  });
  return reply;
}

std::variant<bool, Failure> read_reload(const Json& json) {
  Members body(json, "", {"dry_run"});
  const bool dry_run = body.boolean("dry_run").value_or(false);
  if (body.failure()) return *body.failure();
  return dry_run;
}

Reply reloaded(const Result<ConfigManager::Reloaded>& done, bool dry_run) {
  if (!done) return Failure{409, done.error().message};
  const auto& d = done->difference;
  const auto message =
      fmt::format("{}{} added, {} changed, {} removed{}", dry_run ? "would be: " : "",
                  d.added.size(), d.changed.size(), d.removed.size(),
                  done->unfit.empty() ? "" : "; without a place: " + some_of(done->unfit));
  return Json{{"message", message},   {"added", d.added},     {"changed", d.changed},
              {"removed", d.removed}, {"unfit", done->unfit}, {"generation", done->generation},
              {"dry_run", dry_run}};
}

}  // namespace weft::agent::api
