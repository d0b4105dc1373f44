#pragma once
/// From intents to what each pair of nodes needs, as a pure function of the model.

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/model.hpp"

namespace weft::controller {

/// How a sender's packets of a network get to a receiver.
struct Way {
  TunnelKind kind = TunnelKind::none;
  std::uint32_t number = 0;  ///< VNI, key or label
  IpAddress source;          ///< the sender's tunnel address
  IpAddress remote;          ///< the receiver's, of the same family
  friend bool operator==(const Way&, const Way&) = default;

  /// Whether a receiver that lets in the one lets in the other.
  [[nodiscard]] bool looks_like(const Way& other) const {
    return kind == other.kind && number == other.number && source == other.source;
  }
};

struct Pair {
  std::string sender;
  std::string receiver;
  friend auto operator<=>(const Pair&, const Pair&) = default;
};

/// A route of the VRF: into the tunnel of `network` to `node`; no node: nowhere.
struct PlannedRoute {
  IpPrefix prefix;
  std::string network;
  std::string node;
  friend auto operator<=>(const PlannedRoute&, const PlannedRoute&) = default;
};

struct NetworkPlan {
  std::set<std::string> members;  ///< nodes that have the VRF
  std::map<Pair, Way> ways;       ///< from all who may send, to all members
  std::vector<Pair> unreachable;  ///< that share no kind or address family
  std::map<IpPrefix, PlannedRoute> routes;
  /// Security groups that it names, and those that their rules name, with the addresses of VMs.
  std::map<std::string, SecurityGroupConfig> groups;
  Network network{};
  Numbers numbers{};
  friend bool operator==(const NetworkPlan&, const NetworkPlan&) = default;
};

class Planner {
 public:
  /// `as_number` stands in networks' own route targets.
  Planner(const Model& model, std::uint32_t as_number) : model_(model), as_number_(as_number) {}

  /// Nodes where the network is: by intent, because a VM is there, or because they subscribed.
  [[nodiscard]] std::set<std::string> members(const std::string& network) const;
  [[nodiscard]] std::set<std::string> import_targets(const Network& network) const;
  [[nodiscard]] std::set<std::string> export_targets(const Network& network) const;
  /// Networks that take routes of this one, itself among them where it takes its own.
  [[nodiscard]] std::set<std::string> importers(const Network& network) const;
  /// Networks of which this one takes routes.
  [[nodiscard]] std::set<std::string> exporters(const Network& network) const;
  /// Of a network that is not there: an empty one.
  [[nodiscard]] NetworkPlan plan(const std::string& network) const;
  /// Networks whose plan depends on the object as it is now. Looked at before and after a change.
  [[nodiscard]] std::set<std::string> touched(const Key& key) const;

  /// To be told of each network that changed, before plan() and after it has changed in the model.
  void index(const std::string& network);

 private:
  [[nodiscard]] std::string own_target(const Network& network) const;
  void add_related(const std::string& network, std::set<std::string>& into) const;
  [[nodiscard]] std::set<std::string> networks_of(const std::string& node) const;
  void add_vm_routes(const std::string& exporter, NetworkPlan& plan) const;
  void add_groups(NetworkPlan& plan) const;
  [[nodiscard]] std::vector<IpPrefix> group_members(const std::string& group) const;
  /// Networks whose rules speak of the group.
  void add_users(const std::string& group, std::set<std::string>& into) const;

  struct Targets {
    std::set<std::string> imports;
    std::set<std::string> exports;
  };
  const Model& model_;
  std::uint32_t as_number_;
  std::map<std::string, Targets> indexed_;
  std::map<std::string, std::set<std::string>> importers_of_;  ///< by route target
  std::map<std::string, std::set<std::string>> exporters_of_;
};

}  // namespace weft::controller
