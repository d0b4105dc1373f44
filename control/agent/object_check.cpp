#include "agent/object_check.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <set>

#include "agent/config_check.hpp"
#include "agent/config_draft.hpp"

namespace weft::agent {

std::string to_string(const Complaint& complaint) {
  return complaint.label + ": " + (complaint.key.empty() ? "" : complaint.key + ": ") +
         complaint.message;
}

ObjectDocument::ObjectDocument(const Config& infrastructure) {
  infrastructure_.node = infrastructure.node;
  infrastructure_.ports = infrastructure.ports;
  for (const auto& port : infrastructure.ports) {
    add("ports", object_json(port), "port " + port.name);
  }
}

void ObjectDocument::add(std::string_view list, Json object, std::string label) {
  auto& items = lists_[std::string(list)];
  items.push_back({std::move(object), std::move(label)});
}

ObjectDocument::Outcome ObjectDocument::check() const {
  using Kind = yaml::Element::Kind;
  const auto word = [](std::string_view text) {
    yaml::Element key;
    key.kind = Kind::scalar;
    key.text = text;
    return key;
  };
  yaml::Element root;
  root.kind = Kind::map;
  root.children.push_back(word("node"));
  root.children.push_back(to_element(object_json(infrastructure_.node), "node"));
  for (const auto& [name, items] : lists_) {
    yaml::Element list;
    list.kind = Kind::list;
    for (const auto& item : items) list.children.push_back(to_element(item.json, item.label));
    root.children.push_back(word(name));
    root.children.push_back(std::move(list));
  }
  Outcome outcome;
  yaml::Report report("");
  ConfigDraft draft = read_draft(yaml::Value(root, "", report));
  outcome.unreadable = complaints(report.sorted());
  if (!outcome.unreadable.empty()) return outcome;
  agent::check(draft);
  outcome.contradictions = complaints(report.sorted());
  outcome.config = take_config(draft);
  return outcome;
}

/// A key such as `vifs[3].mac` becomes the object's label and `mac`.
std::vector<Complaint> ObjectDocument::complaints(
    const std::vector<Diagnostic>& diagnostics) const {
  std::vector<Complaint> out;
  for (const auto& diagnostic : diagnostics) {
    const std::string_view key = diagnostic.key;
    const auto open = key.find('[');
    const auto close = key.find(']');
    std::size_t index = 0;
    const auto list = lists_.find(key.substr(0, open));
    if (open == std::string_view::npos || close == std::string_view::npos || list == lists_.end()) {
      out.push_back({"node", diagnostic.key, diagnostic.message});
      continue;
    }
    std::from_chars(key.data() + open + 1, key.data() + close, index);
    auto rest = key.substr(close + 1);
    if (rest.starts_with('.')) rest.remove_prefix(1);
    out.push_back({list->second.at(index).label, std::string(rest), diagnostic.message});
  }
  return out;
}

Config overlaid(Config config, const ObjectSet& over) {
  for_each_kind([&]<class Object>() {
    auto& configs = config.*ObjectKind<Object>::configs;
    const auto& objects = objects_of<Object>(over);
    std::erase_if(configs, [&](const Object& object) {
      return objects.contains(ObjectKind<Object>::key(object));
    });
    for (const auto& [key, object] : objects) configs.push_back(object);
  });
  return config;
}

namespace {

std::vector<Complaint> contradictions(const Config& config) {
  ObjectDocument document(config);
  for_each_kind([&]<class Object>() {
    for (const auto& object : config.*ObjectKind<Object>::configs) document.add(object);
  });
  auto outcome = document.check();
  auto& all = outcome.unreadable;
  all.insert(all.end(), outcome.contradictions.begin(), outcome.contradictions.end());
  return all;
}

/// Names of groups that speak of one another, which can only be had together.
std::vector<std::vector<std::string>> clusters(const ObjectSet& set) {
  std::vector<std::vector<std::string>> out;
  std::set<std::string> seen;
  const auto& groups = set.security_groups;
  for (const auto& [name, group] : groups) {
    if (!seen.insert(name).second) continue;
    std::vector<std::string> cluster{name};
    for (std::size_t i = 0; i < cluster.size(); ++i) {
      for (const auto& [other, config] : groups) {
        const bool bound =
            config.names_group(cluster[i]) || groups.at(cluster[i]).names_group(other);
        if (bound && seen.insert(other).second) cluster.push_back(other);
      }
    }
    out.push_back(std::move(cluster));
  }
  return out;
}

}  // namespace

std::vector<Unfit> fit(const Config& base, ObjectSet& wanted, ObjectSet& unfit) {
  // In an order in which nothing refers to what comes later.
  struct Candidate {
    std::string label;
    std::function<void(ObjectSet&)> put;
  };
  std::vector<Candidate> candidates;
  for (const auto& cluster : clusters(wanted)) {
    std::string names;
    ObjectSet together;
    for (const auto& name : cluster) {
      names += (names.empty() ? "" : ", ") + name;
      together.security_groups.emplace(name, wanted.security_groups.at(name));
    }
    candidates.push_back({label<SecurityGroupConfig>(names), [together](ObjectSet& set) {
                            for (const auto& [name, group] : together.security_groups) {
                              set.security_groups.insert_or_assign(name, group);
                            }
                          }});
  }
  for_each_kind([&]<class Object>() {
    if constexpr (std::is_same_v<Object, SecurityGroupConfig>) return;
    for (const auto& [key, object] : objects_of<Object>(wanted)) {
      candidates.push_back({label<Object>(key), [key = key, object = object](ObjectSet& set) {
                              objects_of<Object>(set).insert_or_assign(key, object);
                            }});
    }
  });
  std::vector<Unfit> rejected;
  ObjectSet kept;
  // A group that is good as a whole is settled by one look; a bad one is halved.
  const std::function<void(std::size_t, std::size_t)> settle = [&](std::size_t from,
                                                                   std::size_t to) {
    if (from == to) return;
    ObjectSet tried = kept;
    for (std::size_t i = from; i < to; ++i) candidates[i].put(tried);
    auto wrong = contradictions(overlaid(base, tried));
    if (wrong.empty()) {
      kept = std::move(tried);
    } else if (to - from == 1) {
      rejected.push_back({candidates[from].label, std::move(wrong)});
      candidates[from].put(unfit);
    } else {
      const auto middle = from + (to - from) / 2;
      settle(from, middle);
      settle(middle, to);
    }
  };
  settle(0, candidates.size());
  wanted = std::move(kept);
  return rejected;
}

}  // namespace weft::agent
