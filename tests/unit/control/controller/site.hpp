#pragma once
/// A controller's core without sockets or disk, and nodes that do as they are told, at their pace.

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "controller/document.hpp"
#include "controller/rollout.hpp"

namespace weft::controller::test {

using namespace std::chrono_literals;

struct Instruction {
  std::uint64_t generation = 0;
  std::string key;
  std::string json;
};

/// A vRouter: objects by key, and what is still under way to it.
struct FakeNode {
  std::map<std::string, std::string> objects;
  std::deque<Instruction> waiting;
  std::uint64_t applied = 0;
  std::uint64_t reported = 0;

  void apply_one() {
    const auto next = waiting.front();
    waiting.pop_front();
    if (next.json.empty()) {
      objects.erase(next.key);
    } else {
      objects[next.key] = next.json;
    }
    if (waiting.empty() || waiting.front().generation != next.generation) applied = next.generation;
  }
};

struct Site {
  Site() = default;
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  Model model;
  Planner planner{model, 64512};
  std::vector<IpPrefix> underlay;
  RolloutTimers timers{2000ms, 300000ms};
  Time now{1h};
  std::map<std::string, FakeNode> nodes;
  std::map<std::pair<std::string, Pair>, std::string> kept;  ///< as if on a disk
  std::uint64_t kept_generation = 0;
  Rollout rollout = fresh();

  Rollout fresh() {
    return {[this](const std::string& network) { return planner.plan(network); }, timers, underlay};
  }
  /// The error, or nothing.
  std::string edit(std::vector<Edit> edits) {
    std::set<std::string> touched;
    const auto look = [&] {
      for (const auto& edit : edits) touched.merge(planner.touched(edit.key));
    };
    look();
    const auto keys = edits;
    const auto undo = model.apply(std::move(edits), [this](const Numbers& numbers) {
      const auto user = rollout.in_use(numbers);
      return user ? std::optional("in use by " + *user) : std::nullopt;
    });
    if (!undo) return undo.error().message;
    for (const auto& edit : *undo) {
      if (edit.key.kind == Kind::network) planner.index(edit.key.name);
      if (edit.key.kind == Kind::node)
        rollout.known(edit.key.name, model.find(edit.key) != nullptr);
    }
    edits = keys;
    look();
    for (const auto& name : touched) rollout.touch(name);
    advance();
    return {};
  }
  std::string edit(const std::string& text) {
    auto document = read_document(text, "test");
    if (!document.diagnostics.empty()) return agent::to_string(document.diagnostics.front());
    return edit(std::move(document.edits));
  }
  std::string erase(Kind kind, const std::string& name) { return edit({{{kind, name}, {}}}); }

  void advance() {
    const auto step = rollout.advance(now);
    keep(step);
    for (const auto& change : step.changes) {
      nodes[change.node].waiting.push_back({step.generation, change.key, change.json});
    }
  }
  void keep(const RolloutStep& step) {
    kept_generation = step.generation;
    for (const auto& record : step.records) {
      const auto key = std::pair(record.network, record.pair);
      if (record.json) {
        kept[key] = *record.json;
      } else {
        kept.erase(key);
      }
    }
  }
  void report(const std::string& name) {
    auto& node = nodes[name];
    node.reported = node.applied;
    rollout.applied(name, node.applied, {}, now);
    advance();
  }
  /// A new controller on what was kept; each node has its connection anew and downloads all.
  void restart() {
    std::set<std::string> networks;
    std::set<std::string> known;
    model.each<Node>(Kind::node, [&](const Node& node) { known.insert(node.name); });
    model.each<Network>(Kind::network,
                        [&](const Network& network) { networks.insert(network.name); });
    std::vector<PairRecord> records;
    for (const auto& [key, json] : kept) records.push_back({key.first, key.second, json});
    rollout = fresh();
    const auto step = rollout.restore(kept_generation, known, networks, records, now);
    if (!step) throw std::runtime_error(step.error().message);
    keep(*step);
    for (auto& [name, node] : nodes) {
      node.waiting.clear();
      node.reported = 0;
      const auto generation = rollout.generation();
      const auto all = rollout.profiles(name);
      for (const char* kind : {"security-group/", "vrf/", "decap/", "tunnel/", "route/"}) {
        for (const auto& [key, json] : all) {
          if (key.starts_with(kind)) node.waiting.push_back({generation, key, json});
        }
      }
      for (const char* kind :
           {"route/", "tunnel/", "decap/", "vrf/", "security-group/"}) {  // what is stale goes
        for (const auto& [key, json] : node.objects) {
          if (key.starts_with(kind) && !all.contains(key)) {
            node.waiting.push_back({generation, key, ""});
          }
        }
      }
      if (node.waiting.empty()) node.applied = generation;
    }
  }
  /// Everybody does everything, and time passes, until nothing is left to do.
  void settle() {
    for (bool more = true; more;) {
      more = false;
      for (auto& [name, node] : nodes) {
        while (!node.waiting.empty()) node.apply_one();
        if (node.reported != node.applied) {
          report(name);
          more = true;
        }
      }
      if (const auto due = rollout.due()) {
        now = std::max(now, *due);
        advance();
        more = true;
      }
    }
  }
};

}  // namespace weft::controller::test
