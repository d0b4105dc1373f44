/// POST, PUT and DELETE: objects. Bodies speak the words of `weft.yaml`.

#include <fmt/format.h>

#include <algorithm>

#include "agent/api_json.hpp"
#include "agent/config_manager.hpp"

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

std::string text_of(const Json& json, const char* key) {
  if (!json.is_object()) return "";
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

/// The texts of a list, or a single one.
std::vector<std::string> texts_of(const Json& json, const char* key) {
  std::vector<std::string> out;
  if (const auto single = text_of(json, key); !single.empty()) return {single};
  if (!json.is_object() || !json.contains(key) || !json[key].is_array()) return out;
  for (const auto& item : json[key]) {
    if (item.is_string()) out.push_back(item.get<std::string>());
  }
  return out;
}

/// Security groups that an object is in, or that its rules speak of.
std::vector<std::string> group_names_in(const Json& json) {
  auto names = texts_of(json, "security_groups");
  for (const auto* direction : {"ingress", "egress"}) {
    const auto rules = json.find(direction);
    if (rules == json.end() || !rules->is_array()) continue;
    for (const auto& rule : *rules) {
      for (const auto* side : {"from", "to"}) {
        for (const auto& peer : texts_of(rule, side)) {
          if (peer.starts_with(group_scheme)) names.push_back(peer.substr(group_scheme.size()));
        }
      }
    }
  }
  return names;
}

/// Objects that could contradict a new one, so that a check need not look at all of them.
class Neighbourhood {
 public:
  explicit Neighbourhood(const Intent& intent) : intent_(intent), document_(intent.config) {}

  void group(const std::string& name) {
    const auto wanted = intent_.wanted<SecurityGroupConfig>(name);
    if (!seen_.insert(label<SecurityGroupConfig>(name)).second) return;
    if (!wanted) {  // all of them, since one was meant
      intent_.each<SecurityGroupConfig>(
          [&](const SecurityGroupConfig& other, Owner) { group(other.name); });
      return;
    }
    groups_in(object_json(*wanted->object, intent_.config.node));
    document_.add(*wanted->object);
  }
  /// Those that an object is in, or that its rules speak of.
  void groups_in(const Json& json) {
    for (const auto& name : group_names_in(json)) group(name);
  }
  void vrf(const std::string& name) {
    const auto wanted = intent_.wanted<VrfConfig>(name);
    if (!wanted || !seen_.insert(label<VrfConfig>(name)).second) return;
    groups_in(object_json(*wanted->object, intent_.config.node));
    document_.add(*wanted->object);
  }
  void vif(const std::string& name) {
    const auto wanted = intent_.wanted<VifConfig>(name);
    if (!wanted || !seen_.insert(label<VifConfig>(name)).second) return;
    vrf(wanted->object->vrf);
    groups_in(object_json(*wanted->object, intent_.config.node));
    document_.add(*wanted->object);
  }
  void tunnel(const std::string& name) {
    const auto wanted = intent_.wanted<TunnelConfig>(name);
    if (wanted && seen_.insert(label<TunnelConfig>(name)).second) document_.add(*wanted->object);
  }
  void route(const std::string& vrf_name, const IpPrefix& prefix) {
    const auto wanted = intent_.wanted<RouteConfig>({vrf_name, prefix});
    if (!wanted || !seen_.insert(label<RouteConfig>({vrf_name, prefix})).second) return;
    const auto& via = wanted->object->via;
    vrf(vrf_name);
    vrf(via.vrf);
    vif(via.vif);
    tunnel(via.tunnel);
    for (const auto& way : via.ecmp) {
      vif(way.vif);
      tunnel(way.tunnel);
    }
    document_.add(*wanted->object);
  }

  /// Looks up what is around an object; it is given as JSON, of which nothing is known yet.
  template <class Object>
  void around(const Json& json, const KeyOf<Object>& own);

  /// The object itself comes last, so that it is the one that is complained of.
  ObjectDocument::Outcome check(std::string_view list, const Json& json, const std::string& name) {
    document_.add(list, json, name);
    return document_.check();
  }

 private:
  const Intent& intent_;
  ObjectDocument document_;
  std::set<std::string> seen_;
};

std::vector<IpAddress> addresses_of(const Json& json, const char* key) {
  std::vector<IpAddress> out;
  for (const auto& text : texts_of(json, key)) {
    if (const auto address = parse_ip(text)) out.push_back(*address);
  }
  return out;
}

template <>
void Neighbourhood::around<SecurityGroupConfig>(const Json& json, const std::string& own) {
  seen_.insert(label<SecurityGroupConfig>(own));
  groups_in(json);
}

template <>
void Neighbourhood::around<VrfConfig>(const Json& json, const std::string& own) {
  seen_.insert(label<VrfConfig>(own));
  groups_in(json);
  const auto id = json.find("id");
  intent_.each<VrfConfig>([&](const VrfConfig& other, Owner) {
    if (id != json.end() && *id == other.id && other.name != own) vrf(other.name);
  });
  // The VRF itself is not in the document yet, and those inside it refer to it.
  const auto subnets = json.find("subnets");
  intent_.each<VifConfig>([&](const VifConfig& vif_config, Owner) {
    if (vif_config.vrf == own) vif(vif_config.name);
  });
  if (subnets == json.end() || !subnets->is_array()) return;
  for (const auto& subnet : *subnets) {
    if (const auto gateway = parse_ip(text_of(subnet, "gateway"))) {
      route(own, IpPrefix::host(*gateway));
    }
    if (const auto prefix = parse_prefix(text_of(subnet, "prefix"))) route(own, prefix->masked());
  }
}

template <>
void Neighbourhood::around<NeighbourConfig>(const Json& json, const IpAddress&) {
  vrf(text_of(json, "vrf"));
}

template <>
void Neighbourhood::around<VifConfig>(const Json& json, const std::string& own) {
  seen_.insert(label<VifConfig>(own));
  const auto vrf_name = text_of(json, "vrf");
  const auto device = text_of(json, "device");
  const auto mac = parse_mac(text_of(json, "mac"));
  const auto addresses = addresses_of(json, "addresses");
  groups_in(json);
  vrf(vrf_name);
  intent_.each<VifConfig>([&](const VifConfig& other, Owner) {
    if (other.name == own) return;
    const bool shares = std::ranges::any_of(other.addresses, [&](const IpAddress& address) {
      return std::ranges::find(addresses, address) != addresses.end();
    });
    const bool same_vrf = other.vrf == vrf_name && (other.mac == mac || shares);
    if (other.device == device || same_vrf) vif(other.name);
  });
  for (const auto& address : addresses) route(vrf_name, IpPrefix::host(address));
}

template <>
void Neighbourhood::around<TunnelConfig>(const Json& json, const std::string& own) {
  seen_.insert(label<TunnelConfig>(own));
  intent_.each<DecapConfig>([&](const DecapConfig& other, Owner) {
    if (other.tunnel == own) document_.add(other);
  });
  if (text_of(json, "payload") != "nsh") return;
  intent_.each<RouteConfig>([&](const RouteConfig& other, Owner) {
    if (other.via.names_tunnel(own)) route(other.vrf, other.prefix);
  });
}

template <>
void Neighbourhood::around<DecapConfig>(const Json& json, const std::string& own) {
  vrf(text_of(json, "vrf"));
  vif(text_of(json, "vif"));
  tunnel(text_of(json, "tunnel"));
  intent_.each<DecapConfig>([&](const DecapConfig& other, Owner) {
    const std::string network(describe(other.kind).network);
    const std::uint32_t number = has_nsh(other.kind) ? other.vni >> 8 : other.vni;
    const bool same = network.empty() || (json.contains(network) && json[network] == number);
    if (other.name == own || !same) return;
    vrf(other.vrf);
    vif(other.vif);
    tunnel(other.tunnel);
    document_.add(other);
  });
}

/// The members of an ecmp route, as far as they can be read.
std::vector<Json> ecmp_members(const Json& via) {
  if (!via.is_object() || !via.contains("ecmp") || !via["ecmp"].is_array()) return {};
  return {via["ecmp"].begin(), via["ecmp"].end()};
}

template <>
void Neighbourhood::around<RouteConfig>(const Json& json, const RouteKey& own) {
  seen_.insert(label<RouteConfig>(own));
  vrf(own.vrf);
  if (const auto via = json.find("via"); via != json.end()) {
    vrf(text_of(*via, "vrf"));
    vif(text_of(*via, "vif"));
    tunnel(text_of(*via, "tunnel"));
    for (const Json& way : ecmp_members(*via)) {
      vif(text_of(way, "vif"));
      tunnel(text_of(way, "tunnel"));
    }
  }
  if (own.prefix.length != own.prefix.address.width_bits()) return;
  intent_.each<VifConfig>([&](const VifConfig& other, Owner) {
    const bool has =
        std::ranges::find(other.addresses, own.prefix.address) != other.addresses.end();
    if (other.vrf == own.vrf && has) vif(other.name);
  });
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
  if (existing && (existing->owner == Owner::file)) message += " (in place of the file's)";
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
  std::string message = own + " is gone";
  if (const auto* of_file = find<Object>(intent.file, *key)) {
    message = said(*of_file, "is as the file says") + " again, as the file says";
    if constexpr (!std::is_same_v<Object, RouteConfig>)
      message = own + " is again as the file says";
    Neighbourhood neighbourhood(intent);
    const auto json = object_json(*of_file, intent.config.node);
    neighbourhood.around<Object>(json, *key);
    const auto outcome = neighbourhood.check(ObjectKind<Object>::list, json, own);
    if (!outcome.good()) {
      auto contradicts = told(outcome.contradictions, own, 409);
      contradicts.message = "the file's " + own + " cannot come back: " + contradicts.message;
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
