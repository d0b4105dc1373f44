#pragma once
/// The routes of all virtual networks of a controller, and how they leak by route targets.

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "vpn/moves.hpp"
#include "vpn/subscriptions.hpp"
#include "vpn/table.hpp"
#include "weft/result.hpp"

namespace weft::vpn {

struct NetworkConfig {
  std::string name;
  RouteDistinguisher rd;  ///< one network's alone
  std::vector<RouteTarget> import_targets;
  std::vector<RouteTarget> export_targets;
};

/// A route published in a network stands in each network that imports one of the targets which its
/// network exports, with the RD of the network where it stands. A network that does not import what
/// it exports does not see its own routes. Nothing leaks twice: what was imported is not exported.
///
/// What takes long (a network's targets change, a source is swept, a network goes) is begun by its
/// call and done by `work`, in portions.
///
/// Who assigns sequences: a node publishes an address with its mobility at sequence 0; does it know
/// a route of another node for it, with that one's sequence plus one (RFC 7432 §15). Where a node
/// claims an address that another has, without a higher sequence, since it did not know, the
/// controller assigns one; the node finds it on its own route when that is reflected, and uses it
/// from then on. A node's sequence never falls while its route stands.
class VpnTables {
 public:
  explicit VpnTables(const DampingRule& rule = {}, std::size_t most_withdrawn = 4096)
      : moves_(rule), subscriptions_(most_withdrawn) {}

  /// Adds a network, or changes the one of that name. Refused: another RD than it had, or one that
  /// another network has.
  Result<NetworkId> set_network(const NetworkConfig& config);
  /// Its routes and subscriptions go.
  void remove_network(NetworkId id);
  [[nodiscard]] std::optional<NetworkId> find_network(std::string_view name) const;
  [[nodiscard]] const NetworkConfig* network(NetworkId id) const;
  /// What the network sees, and under `published_in` other than its own what it only holds.
  [[nodiscard]] const Table* table(NetworkId id) const;

  SourceId add_source(std::string name) { return sources_.add(std::move(name)); }
  /// Its session is lost.
  void mark_stale(SourceId source) { sources_.mark_stale(source); }
  /// After its end-of-RIB or a time.
  void sweep(SourceId source);
  /// It does not come back: all that it told goes, then its id.
  void remove_source(SourceId source);
  [[nodiscard]] const Sources& sources() const { return sources_; }

  /// `nlri`: its RD is replaced by the network's, and `virtual_network` by its name. False: there
  /// is no such network or source.
  bool announce(SourceId source, NetworkId network, const Nlri& nlri, Attributes attributes,
                Time now);
  bool withdraw(SourceId source, NetworkId network, const Nlri& nlri, Time now);

  /// Goes on with what was begun, for about that many routes. True: there is more to do.
  bool work(std::size_t most_routes);
  /// Addresses that have been quiet may move again; call it once a second or so.
  void tick(Time now);
  [[nodiscard]] std::vector<DuplicateAddress> duplicates() const { return moves_.duplicates(); }
  std::vector<DuplicateAddress> take_new_duplicates() { return moves_.take_new(); }

  SubscriberId add_subscriber() { return subscriptions_.add(); }
  void remove_subscriber(SubscriberId id) { subscriptions_.remove(id); }
  bool subscribe(SubscriberId subscriber, NetworkId network);
  void unsubscribe(SubscriberId subscriber, NetworkId network) {
    subscriptions_.unsubscribe(subscriber, network);
  }
  void set_ready(SubscriberId id, bool ready) { subscriptions_.set_ready(id, ready); }
  /// See Subscriptions.
  bool next(Delivery& delivery, std::size_t most) { return subscriptions_.next(delivery, most); }
  std::vector<SubscriberId> take_overrun() { return subscriptions_.take_overrun(); }

  [[nodiscard]] std::size_t attribute_sets() const { return pool_.size(); }

 private:
  struct Network {
    NetworkConfig config;
    std::unique_ptr<Table> table;
    std::vector<NetworkId>
        importers;  ///< that hold its routes now, sorted; itself, too, if it sees them
    std::uint8_t generation = 0;
    bool going = false;
  };
  /// Begun, not yet done.
  struct Job {
    enum class Kind : std::uint8_t { link, sweep, remove_network, remove_source } kind;
    NetworkId network{};   ///< link: that exports
    NetworkId importer{};  ///< link
    SourceId source{};
  };

  Network* find(NetworkId id);
  [[nodiscard]] const Network* find(NetworkId id) const;
  void relink(NetworkId id);
  std::size_t run(Job& job);

  Sources sources_;
  AttributePool pool_;
  Moves moves_;
  Subscriptions subscriptions_;
  std::vector<std::unique_ptr<Network>> networks_;
  std::unordered_map<std::string, NetworkId> names_;
  std::deque<Job> jobs_;
};

}  // namespace weft::vpn
