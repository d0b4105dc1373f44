#pragma once
/// From the model to forwarding: every operation works out what it changes in the data plane and
/// tells it in one batch. When the data plane refuses, the model is as it was.
///
/// One thread: the control thread.

#include <deque>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "agent/id_allocator.hpp"
#include "agent/model.hpp"
#include "agent/transaction.hpp"
#include "agent/update.hpp"
#include "weft/forwarding.hpp"

namespace weft::agent {

/// Who finds out the MAC addresses of neighbours; tells the resolver by put_neighbour().
class NeighbourKeeper {
 public:
  virtual ~NeighbourKeeper() = default;
  /// A tunnel, gateway or route rests on this neighbour: resolve it now and keep it resolved.
  virtual void pin(const NeighbourKey& key) = 0;
  virtual void unpin(const NeighbourKey& key) = 0;
  virtual void add_static(const NeighbourKey& key, const MacAddress& mac) = 0;
  /// From now on the neighbour has to answer for itself.
  virtual void remove_static(const NeighbourKey& key) = 0;
};

/// Who makes policies fit for the data plane.
class PolicyCompiler {
 public:
  using Made = Result<std::shared_ptr<const CompiledPolicy>>;
  virtual ~PolicyCompiler() = default;
  /// One that lets nothing through.
  virtual Made closed() = 0;
  /// The answer goes to Resolver::policy_compiled(), at any later time.
  virtual void compile(PolicyId id, std::shared_ptr<const VifRules> rules) = 0;
};

class Resolver {
 public:
  using Apply = std::function<Result<Generation>(const Batch&)>;

  Resolver(Model& model, Apply apply, NeighbourKeeper& keeper, PolicyCompiler& compiler)
      : model_(model), apply_(std::move(apply)), keeper_(keeper), compiler_(compiler) {}

  /// The devices that were opened for a configuration, in its order.
  struct Devices {
    std::vector<PortStatus> ports;
    std::vector<PortStatus> vifs;
    std::optional<PortStatus> host{};
  };
  /// The whole node, once, in one batch.
  Result<Generation> load(const Config& config, const Devices& devices);
  /// The same with owners: of `config` it takes the node and its ports, the objects from `objects`,
  /// among whose devices is that of the host.
  Result<Generation> load(const Config& config, std::span<const PortStatus> ports,
                          const Update& objects);

  /// Changes objects while the node forwards, in one batch; what is erased follows in another one,
  /// see finish_deletions().
  Result<Generation> update(const Update& update);

  Result<Generation> put_route(const RouteConfig& route, Owner owner);
  Result<Generation> erase_route(const std::string& vrf, const IpPrefix& prefix);
  /// Creates the tunnel, or changes it under its id.
  Result<Generation> put_tunnel(const TunnelConfig& tunnel, Owner owner);

  /// What is known now of the way to the remotes of these tunnels, all of which have the same.
  Result<Generation> put_paths(const std::vector<std::string>& names, const TunnelPath& path);

  /// A neighbour is known to exist; `mac` empty: not resolved.
  Result<Generation> put_neighbour(const NeighbourKey& key, std::optional<MacAddress> mac);
  /// The link of a fabric port is up, or down: then packets go by other neighbours, where there are
  /// some.
  Result<Generation> put_link(PortId port, bool up);
  /// A gateway forwards, or does not, as BFD has found out: the same.
  Result<Generation> put_alive(const NeighbourKey& key, bool alive);
  /// Forgets a neighbour that nothing rests on.
  Result<Generation> erase_neighbour(const NeighbourKey& key);

  /// A policy is ready, or cannot be had: the VIFs that wait for it are under it now, or keep what
  /// they have.
  Status policy_compiled(PolicyId id, PolicyCompiler::Made made);
  /// Whether VIFs wait for policies.
  [[nodiscard]] bool compiling() const;
  [[nodiscard]] std::set<std::string> vifs_that_wait_for(PolicyId id) const;
  /// VIFs of whose rules the last update spoke.
  [[nodiscard]] const std::set<std::string>& concerned() const { return concerned_; }

  /// Whether objects wait to be deleted.
  [[nodiscard]] bool deleting() const { return !deletions_.empty(); }
  /// Deletes what no worker can hold any more. To be called about every 10 ms while deleting().
  void finish_deletions(ForwardingPlane& plane);

  /// Of the last batch that was applied.
  [[nodiscard]] Generation generation() const { return generation_; }

 private:
  Result<Generation> publish(Transaction& tx);

  /// Next hops and VRFs whose names are asked for until the transaction is complete.
  struct Erased {
    std::vector<NexthopId> nexthops;
    std::vector<VrfId> vrfs;
  };
  Status apply_update(Transaction& tx, const Update& update);
  void delete_nexthop(Transaction& tx, NexthopId id);
  void delete_adjacency(Transaction& tx, AdjacencyId id);

  void add_vrf(Transaction& tx, const VrfConfig& config, VrfId id, Owner owner);
  void put_vrf(Transaction& tx, const VrfConfig& config, Owner owner);
  void remove_vrf(Transaction& tx, const std::string& name, Erased& erased);
  void add_port(Transaction& tx, const PortConfig& config, const PortStatus& status);
  /// The VIF of this host's kernel, which takes over the addresses of `port`.
  void add_host(Transaction& tx, const PortConfig& port, const PortStatus& tap);
  /// The next hop of an address of the router: the control thread, or the host.
  [[nodiscard]] NexthopId receiver(const IpAddress& address) const;
  Status add_vif(Transaction& tx, const VifConfig& config, const PortStatus& status, Owner owner);
  Status put_vif(Transaction& tx, const VifConfig& config, Owner owner, const Update& update);
  void publish_vif(Transaction& tx, const VifObject& vif);
  static Vif forwarding_vif(const VifObject& vif);
  void remove_vif(Transaction& tx, const std::string& name, Erased& erased);
  void change_security_groups(Transaction& tx,
                              const Update::Changes<SecurityGroupConfig, std::string>& changes);
  /// The policy of each VIF, after groups or who is in them have changed.
  Status refresh_policies(Transaction& tx, const Update& update);
  /// Puts those VIFs under it that wait for it.
  Status enforce(PolicyId id, std::shared_ptr<const CompiledPolicy> compiled);
  VifPolicy policy_for(Transaction& tx, std::shared_ptr<const VifRules> rules);
  Status close(Transaction& tx);
  void drop_unused_policies(Transaction& tx);
  /// A VRF keeps flows if some VIF in it does; the underlay, if some port does.
  void refresh_flows(Transaction& tx);
  /// The addresses at which the node takes packets for itself, after decaps changed.
  void refresh_local_addresses(Transaction& tx);
  Status add_static_neighbour(Transaction& tx, const NeighbourConfig& config, Owner owner);
  void remove_static_neighbour(Transaction& tx, const IpAddress& address);
  Status change_decaps(Transaction& tx, const Update::Changes<DecapConfig, std::string>& changes);
  Status publish_entry(Transaction& tx, const DecapKey& key);
  /// Their ids: a mark that keeps its name keeps its counter.
  std::vector<DecapId> put_marks(Transaction& tx, const DecapKey& key,
                                 const std::vector<DecapMark>& marks);
  void delete_decap(Transaction& tx, DecapId id);
  /// Adds what a mark that is gone has counted to what its entry has.
  void absorb_mark(const ForwardingPlane& plane, const DecapKey& key, DecapId mark);
  Status remove_route(Transaction& tx, const std::string& vrf, const IpPrefix& prefix);
  void remove_tunnel(Transaction& tx, const std::string& name, Erased& erased);
  Status add_route(Transaction& tx, const RouteConfig& route, Owner owner);
  Status add_tunnel(Transaction& tx, const TunnelConfig& tunnel, Owner owner);

  /// Puts or (without `entry`) takes the candidate of `source`; publishes when the best changed.
  void change_route(Transaction& tx, VrfId vrf, const IpPrefix& prefix, RouteSource source,
                    std::optional<RibEntry> entry);
  /// `old`: where the route has led until now.
  Result<NexthopId> target_nexthop(Transaction& tx, const RouteConfig& route,
                                   std::optional<NexthopId> old);
  [[nodiscard]] Result<NexthopId> tunnel_nexthop(const std::string& name) const;
  [[nodiscard]] Result<NexthopId> vif_nexthop(const std::string& name) const;
  /// The route's ecmp next hop: that of `old`, changed as little as its members demand, or a new
  /// one.
  Result<NexthopId> ecmp_nexthop(Transaction& tx, const std::vector<EcmpMember>& ways,
                                 std::optional<NexthopId> old);
  /// A configured route does not lead to `target` any more.
  void leave_target(Transaction& tx, NexthopId target);
  Result<NexthopId> gateways_nexthop(Transaction& tx, const RouteConfig& route);
  /// The default route of each family, by the gateways of all ports.
  void add_default_routes(Transaction& tx);
  /// The neighbour that an address in a port's subnet is.
  Result<NeighbourKey> gateway_neighbour(const IpAddress& gateway) const;
  Result<NexthopId> decap_nexthop(const DecapConfig& config) const;
  /// Lets the entry rest on another neighbour, or on none.
  void lean(Transaction& tx, const DecapKey& key, std::optional<NeighbourKey> via);
  NexthopId add_nexthop(Transaction& tx, const Nexthop& nexthop, NexthopUse use);

  /// The neighbour's adjacency; created, with its next hop and host route, when it is new.
  AdjacencyObject adjacency(Transaction& tx, const NeighbourKey& key);
  void publish_adjacency(Transaction& tx, const NeighbourKey& key, const AdjacencyObject& a);
  void set_mac(Transaction& tx, const NeighbourKey& key, std::optional<MacAddress> mac);
  AdjacencyObject pin(Transaction& tx, const NeighbourKey& key);
  void unpin(Transaction& tx, const NeighbourKey& key);

  /// What leads to neighbours: their adjacency, and the interface next hop behind which it stands.
  struct Exit {
    AdjacencyId adjacency;
    NexthopId nexthop;
  };
  [[nodiscard]] Exit exit_to(const Ways& ways) const;
  /// The same for who comes to rest on it.
  Exit pin(Transaction& tx, const Ways& ways);
  void unpin(Transaction& tx, const Ways& ways);
  /// The same for a route, which makes gateways of them.
  Exit pin_gateways(Transaction& tx, const Ways& ways);
  void unpin_gateways(Transaction& tx, const Ways& ways);
  void publish_ways(Transaction& tx, const Ways& ways, AdjacencyId id);
  /// Changes a neighbour, and what it shares packets with if it comes to be usable or not.
  void put_adjacency(Transaction& tx, const NeighbourKey& key, const AdjacencyObject& a);
  /// The host route of a neighbour stands only where the underlay would send there directly.
  void refresh_host_route(Transaction& tx, const NeighbourKey& key);

  /// The neighbours through which the underlay reaches `address`.
  [[nodiscard]] Ways underlay_next(const IpAddress& address) const;
  static nexthop::Tunnel forwarding_tunnel(const TunnelObject& tunnel, AdjacencyId adjacency);
  void settle_tunnel(Transaction& tx, const std::string& name, TunnelObject tunnel);
  /// Routes of the underlay for addresses in `prefix` changed.
  void underlay_changed(Transaction& tx, const IpPrefix& prefix);

  template <class Identifier>
  Identifier take(Transaction& tx, IdAllocator<Identifier>& ids) {
    const auto id = ids.allocate();
    if (id.valid()) {
      tx.on_undo([&ids, id] { ids.release(id); });
    } else {
      tx.exhausted = true;
    }
    return id;
  }
  Model& model_;
  Apply apply_;
  NeighbourKeeper& keeper_;
  PolicyCompiler& compiler_;
  Generation generation_ = 0;

  IdAllocator<VrfId> vrf_ids_;
  IdAllocator<VifId> vif_ids_;
  IdAllocator<PolicyId> policy_ids_;
  IdAllocator<NexthopId> nexthop_ids_;
  IdAllocator<AdjacencyId> adjacency_ids_;
  IdAllocator<DecapId> decap_ids_;
  NexthopId discard_;
  NexthopId receive_;
  std::set<std::string> concerned_;
  PolicyId closed_;  ///< invalid until it is needed

  struct Deletion {
    Transaction::Deletions what;
    std::optional<std::uint64_t> grace;  ///< set when the wait has begun
  };
  std::deque<Deletion> deletions_;
};

}  // namespace weft::agent
