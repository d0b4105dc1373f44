#pragma once
/// Brings nodes from one plan to the next, make before break: a receiver lets the new in before its
/// senders are told of it, and lets the old in until they have said that they stopped, and a grace.
///
/// Each pair of nodes moves for itself, as soon as the receiver has acknowledged. A node that says
/// nothing for a while holds nothing back any more, and is shown. No sockets and no clock of its
/// own.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/profile.hpp"

namespace weft::controller {

using Time = std::chrono::steady_clock::time_point;

struct RolloutTimers {
  std::chrono::milliseconds grace{2000};     ///< packets of the old way may be so long under way
  std::chrono::milliseconds silent{300000};  ///< after it nobody waits for a node
};

/// What a node is told. `json` that is empty: the object goes.
struct ProfileChange {
  std::string node;
  std::string key;  ///< `KIND/NAME`
  std::string json;
};

/// Where a pair of nodes is on its way, to be kept over a restart. Nothing: where the plan wants
/// it.
struct PairRecord {
  std::string network;
  Pair pair;
  std::optional<std::string> json;
};

struct RolloutStep {
  std::uint64_t generation = 0;
  std::vector<ProfileChange> changes;  ///< in an order in which each node can apply its own
  std::vector<PairRecord> records;
  [[nodiscard]] bool empty() const { return changes.empty() && records.empty(); }
};

class Rollout {
 public:
  using PlanOf = std::function<NetworkPlan(const std::string& network)>;

  Rollout(PlanOf plan_of, RolloutTimers timers, std::vector<IpPrefix> underlay)
      : plan_of_(std::move(plan_of)), timers_(timers), underlay_(std::move(underlay)) {}

  /// After a restart, before anything else: networks, with the records that were kept, are where
  /// they were. Nodes are told all of it when they come, so the step holds no changes. Of a network
  /// that was deleted nothing is left.
  Result<RolloutStep> restore(std::uint64_t generation, const std::set<std::string>& nodes,
                              const std::set<std::string>& networks,
                              const std::vector<PairRecord>& records, Time now);

  /// The network's plan may have changed.
  void touch(const std::string& network) { queue_.insert(network); }
  /// The node is in the inventory, or not any more, and then nobody waits for it.
  void known(const std::string& node, bool is_known);
  /// A node has applied everything up to `generation`, but the objects that it refuses, by key and
  /// with its reason: all that it does by now.
  void applied(const std::string& node, std::uint64_t generation,
               const std::map<std::string, std::string>& refused, Time now);
  /// What follows from all of this by now. It is to be on the disk before a node hears of it.
  RolloutStep advance(Time now);
  /// When advance() may have something to say although nothing happens.
  [[nodiscard]] std::optional<Time> due() const;

  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  /// All that the node is told at the moment.
  [[nodiscard]] Profiles profiles(const std::string& node) const;
  /// How the sender reaches the receiver in this network at the moment; nothing: not at all.
  [[nodiscard]] std::optional<Way> current(const std::string& network, const Pair& pair) const;
  /// A network but its own that nodes still let in by one of the numbers.
  [[nodiscard]] std::optional<std::string> in_use(const Numbers& numbers) const;

  struct NodeStatus {
    std::uint64_t told = 0;  ///< the last generation that had something for it
    std::uint64_t applied = 0;
    bool silent = false;
    std::map<std::string, std::string> refused;  ///< by key, with the reason
  };
  [[nodiscard]] NodeStatus node(const std::string& name, Time now) const;
  struct NetworkStatus {
    std::size_t ways = 0;
    std::size_t moving = 0;   ///< of them, not yet where the plan wants them
    std::size_t leaving = 0;  ///< ways that are let in for a little longer
    std::set<std::string> waits_for;
    std::size_t unreachable = 0;
  };
  [[nodiscard]] NetworkStatus network(const std::string& name) const;

 private:
  struct Old {
    Way way;
    std::uint64_t left = 0;  ///< the generation that took it from the sender
    std::optional<Time> confirmed{};
  };
  struct PairState {
    std::optional<Way> current;
    std::vector<Old> olds;
    std::string record;  ///< as it is kept; empty: none
  };
  /// What a node was told of a network, and since which generation it lets whom in.
  struct Told {
    NodeProfiles profiles;
    ProfileTerms terms;
    std::map<Entrance, std::map<IpAddress, std::uint64_t>> since;
    std::map<Entrance, std::uint64_t> put;  ///< when its decap was sent last
  };
  struct State {
    NetworkPlan plan;
    std::map<Pair, PairState> pairs;
    std::map<std::string, Told> told;
    /// Nodes, and from which generation on what they acknowledge may change something.
    std::map<std::string, std::uint64_t> waits_for;
    void wait_for(const std::string& node, std::uint64_t generation) {
      auto& wanted = waits_for.try_emplace(node, generation).first->second;
      wanted = std::min(wanted, generation);
    }
    std::optional<Time> ends{};                        ///< the next grace that is over
    std::optional<Time> due{};                         ///< as it stands in the timetable
    std::set<std::pair<bool, std::uint32_t>> numbers;  ///< by which it is let in; labels, VNIs
  };
  struct NodeState {
    std::uint64_t told = 0;
    std::uint64_t applied = 0;
    Time waiting_since{};
    bool known = true;
    std::set<std::string> networks;  ///< that have something for it
    std::map<std::string, std::string> refused;
  };

  [[nodiscard]] bool has_applied(const std::string& node, std::uint64_t generation, Time now) const;
  [[nodiscard]] bool silent(const NodeState& node, Time now) const;
  [[nodiscard]] bool lets_in(const State& state, const Pair& pair, const Way& way, Time now) const;
  [[nodiscard]] bool has_left(const State& state, const Pair& pair, const Old& old, Time now) const;
  [[nodiscard]] std::uint64_t let_in_since(const State& state, const Pair& pair,
                                           const Way& way) const;
  void wake(const std::string& node, std::uint64_t generation);
  void step(const std::string& name, Time now, RolloutStep& out);
  [[nodiscard]] bool move_pairs(State& state, Time now);
  void move_pair(State& state, const Pair& pair, PairState& moving, Time now);
  [[nodiscard]] std::map<std::string, NodeProfiles> wanted_profiles(const State& state) const;
  void tell(const std::string& network, State& state, const std::string& node,
            const NodeProfiles& now, RolloutStep& out);
  void record(const std::string& name, State& state, RolloutStep& out) const;
  void index_numbers(const std::string& name, State& state);
  void schedule(const std::string& name);
  [[nodiscard]] bool has_group(const std::string& node, std::string_view key) const;
  void finish(RolloutStep& out, Time now);

  PlanOf plan_of_;
  RolloutTimers timers_;
  std::vector<IpPrefix> underlay_;
  std::uint64_t generation_ = 0;
  std::map<std::string, State> networks_;
  std::map<std::string, NodeState> nodes_;
  /// By the node that they wait for: networks, and from which generation on.
  std::map<std::string, std::map<std::string, std::uint64_t>> waiting_;
  std::set<std::pair<Time, std::string>> timetable_;
  std::map<std::pair<bool, std::uint32_t>, std::set<std::string>> numbers_;
  /// Networks whose routes lead into another's tunnels, by that.
  std::map<std::string, std::set<std::string>> dependents_;
  std::set<std::string> queue_;
};

}  // namespace weft::controller
