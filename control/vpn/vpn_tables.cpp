#include "vpn/vpn_tables.hpp"

#include <algorithm>
#include <iterator>
#include <limits>

namespace weft::vpn {
namespace {

AttributesRef standing(const Path* path) {
  return path == nullptr || path->use == Use::damped ? AttributesRef() : path->attributes;
}

void sort_unique(auto& list) {
  std::ranges::sort(list);
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

bool meet(const std::vector<RouteTarget>& a, const std::vector<RouteTarget>& b) {
  for (auto x = a.begin(), y = b.begin(); x != a.end() && y != b.end();) {
    if (*x == *y) return true;
    ++(*x < *y ? x : y);
  }
  return false;
}

}  // namespace

Result<NetworkId> VpnTables::set_network(const NetworkConfig& config) {
  const auto known = names_.find(config.name);
  const auto of_rd = rds_.find(config.rd);
  if (of_rd != rds_.end() && (known == names_.end() || known->second != of_rd->second)) {
    return Error{"network " + config.name + ": route distinguisher " + to_string(config.rd) +
                 " is that of network " + networks_[of_rd->second].config.name +
                 "; give each network its own"};
  }
  if (known != names_.end() && of_rd == rds_.end()) {
    return Error{"network " + config.name + ": its route distinguisher is " +
                 to_string(networks_[known->second].config.rd) + " and cannot become " +
                 to_string(config.rd) + "; remove the network first"};
  }
  NetworkId id;
  if (known == names_.end()) {
    id = networks_.add({config, std::make_unique<Table>(sources_, pool_)});
    names_.emplace(config.name, id);
    rds_.emplace(config.rd, id);
  } else {
    id = known->second;
    index(id, false);
    networks_[id].config = config;
  }
  sort_unique(networks_[id].config.import_targets);
  sort_unique(networks_[id].config.export_targets);
  index(id, true);
  relink(id);
  return id;
}

void VpnTables::remove_network(NetworkId id) {
  if (network(id) == nullptr) return;
  if (on_path) {
    networks_[id].table->each([&](const Nlri& nlri, const Table::Route& route) {
      for (const Path& path : route.paths) {
        if (path.teller.published_in == id) {
          report(id, nlri, path.teller.source, standing(&path), {});
        }
      }
    });
  }
  NetworkConfig& config = networks_[id].config;
  names_.erase(config.name);
  rds_.erase(config.rd);
  index(id, false);
  config.import_targets.clear();
  config.export_targets.clear();
  relink(id);
  jobs_.emplace_back(RemoveJob{id});
}

std::optional<NetworkId> VpnTables::find_network(std::string_view name) const {
  const auto at = names_.find(name);
  if (at == names_.end()) return std::nullopt;
  return at->second;
}

const NetworkConfig* VpnTables::network(NetworkId id) const {
  const Network* const found = networks_.find(id);
  // One that goes has no name any more.
  return found == nullptr || find_network(found->config.name) != id ? nullptr : &found->config;
}

const Table* VpnTables::table(NetworkId id) const {
  return network(id) == nullptr ? nullptr : networks_[id].table.get();
}

/// Writes down whose targets they are, or no more.
void VpnTables::index(NetworkId id, bool present) {
  const auto note = [&](TargetIndex& index, const std::vector<RouteTarget>& targets) {
    for (const RouteTarget target : targets) {
      auto& networks = index[target];
      if (present) {
        networks.push_back(id);
      } else if (std::erase(networks, id) != 0 && networks.empty()) {
        index.erase(target);
      }
    }
  };
  note(importing_, networks_[id].config.import_targets);
  note(exporting_, networks_[id].config.export_targets);
}

/// Begins whatever follows for the networks that its routes shall stand in, and those whose routes
/// shall stand in it.
void VpnTables::relink(NetworkId id) {
  const auto among = [](const TargetIndex& index, const std::vector<RouteTarget>& targets,
                        std::vector<NetworkId> present) {
    for (const RouteTarget target : targets) {
      const auto at = index.find(target);
      if (at != index.end()) std::ranges::copy(at->second, std::back_inserter(present));
    }
    sort_unique(present);
    return present;
  };
  const Network& of = networks_[id];
  for (const NetworkId to : among(importing_, of.config.export_targets, of.importers)) link(id, to);
  for (const NetworkId from : among(exporting_, of.config.import_targets, of.exporters)) {
    if (from != id) link(from, id);
  }
}

/// Where it costs nothing, at once.
void VpnTables::link(NetworkId from, NetworkId to) {
  LinkJob job{from, to};
  bool done = false;
  if (networks_[from].table->empty()) {
    run(job, done);
  } else {
    jobs_.emplace_back(job);
  }
}

std::size_t VpnTables::run(LinkJob& job, bool& done) {
  done = true;
  Network* const from = networks_.find(job.from);
  Network* const to = networks_.find(job.to);
  if (from == nullptr || to == nullptr) return 0;
  const bool wanted = meet(from->config.export_targets, to->config.import_targets);
  const auto known = std::ranges::lower_bound(from->importers, job.to);
  const bool present = known != from->importers.end() && *known == job.to;
  if (wanted == present) return 0;
  if (wanted) {
    from->importers.insert(known, job.to);
    to->exporters.push_back(job.from);
  } else {
    from->importers.erase(known);
    std::erase(to->exporters, job.from);
  }
  std::vector<std::pair<Nlri, Path>> published;
  from->table->each([&](const Nlri& nlri, const Table::Route& route) {
    for (const Path& path : route.paths) {
      if (path.teller.published_in == job.from) published.emplace_back(nlri, path);
    }
  });
  bool changed = false;
  for (auto& [nlri, path] : published) {
    const Nlri there = nlri.within(to->config.rd);
    if (job.from == job.to) {
      if (path.use == Use::damped) continue;
      changed |= to->table->set_use(there, path.teller, wanted ? Use::here : Use::elsewhere);
    } else if (wanted) {
      if (path.use == Use::elsewhere) path.use = Use::here;
      changed |= to->table->put(there, path);
    } else {
      changed |= to->table->withdraw(there, path.teller);
    }
  }
  if (changed) subscriptions_.changed(job.to);
  return published.size();
}

void VpnTables::sweep(std::vector<SourceId> sources) {
  std::erase_if(sources, [this](SourceId source) {
    const auto* const found = sources_.find(source);
    return found == nullptr || found->stale() == 0;
  });
  if (sources.empty()) return;
  sort_unique(sources);
  jobs_.emplace_back(SweepJob{std::move(sources)});
}

void VpnTables::remove_source(SourceId source) {
  if (sources_.find(source) == nullptr) return;
  sources_.mark_stale(source);
  jobs_.emplace_back(SweepJob{{source}, true});
}

/// One network at a time.
std::size_t VpnTables::run(SweepJob& job, bool& done) {
  const bool left = std::ranges::any_of(job.sources, [this](SourceId id) {
    const auto* const source = sources_.find(id);
    return source != nullptr && source->stale() != 0;
  });
  if (!left || job.next_network >= networks_.indices()) {
    const SourceId leaving = job.sources.front();
    const auto* const source = sources_.find(leaving);
    done = !job.remove || source == nullptr || source->paths == 0;
    if (!done) {
      // Somebody went on to announce.
      sources_.mark_stale(leaving);
      job.next_network = 0;
    } else if (job.remove) {
      sources_.remove(leaving);
    }
    return 0;
  }
  const auto id = networks_.at(job.next_network++);
  if (!id) return 0;
  Network& of = networks_[*id];
  std::vector<std::pair<Nlri, SourceId>> gone;
  std::size_t seen = 0;
  of.table->each([&](const Nlri& nlri, const Table::Route& route) {
    ++seen;
    for (const Path& path : route.paths) {
      const SourceId source = path.teller.source;
      if (path.teller.published_in == *id && std::ranges::binary_search(job.sources, source) &&
          of.table->stale(path)) {
        gone.emplace_back(nlri, source);
      }
    }
  });
  for (const auto& [nlri, source] : gone) withdraw(of, *id, nlri, source);
  // To look is a tenth of the work of a withdrawal.
  return seen / 10 + gone.size();
}

std::size_t VpnTables::run(RemoveJob& job, bool& done) {
  done = true;
  subscriptions_.remove_network(job.network);
  const std::size_t routes = networks_[job.network].table->size();
  networks_.remove(job.network);
  return routes;
}

bool VpnTables::work(std::size_t most_routes) {
  for (std::size_t routes = 0; !jobs_.empty() && routes < most_routes; ++routes) {
    bool done = false;
    routes += std::visit([&](auto& job) { return run(job, done); }, jobs_.front());
    if (done) jobs_.pop_front();
  }
  return !jobs_.empty();
}

bool VpnTables::announce(SourceId source, NetworkId network_id, const Nlri& nlri,
                         Attributes attributes, Time now) {
  const auto* const from = sources_.find(source);
  if (from == nullptr || network(network_id) == nullptr) return false;
  Network& of = networks_[network_id];
  const Nlri key = nlri.within(of.config.rd);
  const Teller teller{source, network_id};
  attributes.virtual_network = of.config.name;
  if (attributes.origin.empty()) attributes.origin = from->name;
  const bool kept =
      !attributes.mobility || from->relayed || claim(network_id, *of.table, key, attributes, now);
  put(of, key,
      {pool_.intern(std::move(attributes)), teller, from->epoch, kept ? Use::here : Use::damped});
  return true;
}

/// Works out the sequence with which `attributes` stand. False: they are held back.
bool VpnTables::claim(NetworkId id, const Table& table, const Nlri& nlri, Attributes& attributes,
                      Time now) {
  const Table::Route* const route = table.find(nlri);
  if (route == nullptr) return true;
  const Path* own = nullptr;    // what this node has said before, to whomever
  const Path* rival = nullptr;  // what another says with the highest sequence
  for (const Path& path : route->paths) {
    if (path.teller.published_in != id || !path.attributes->mobility) continue;
    const Path*& best = path.attributes->origin == attributes.origin ? own : rival;
    if (&best == &rival && path.use == Use::damped) continue;
    if (best == nullptr || path.attributes->sequence() > best->attributes->sequence()) best = &path;
  }
  std::uint32_t& sequence = attributes.mobility->sequence;
  if (own != nullptr) sequence = std::max(sequence, own->attributes->sequence());
  if (rival == nullptr || (rival->attributes->sticky() && !attributes.sticky())) return true;
  const std::uint32_t theirs = rival->attributes->sequence();
  if (own != nullptr) {
    const std::uint32_t before = own->attributes->sequence();
    if (before > theirs || sequence == before || sequence < theirs) return own->use != Use::damped;
  }
  if (!moves_.claim({id, nlri}, rival->attributes->origin, attributes.origin, now)) return false;
  if (sequence <= theirs && theirs != std::numeric_limits<std::uint32_t>::max()) {
    sequence = theirs + 1;
  }
  return true;
}

/// Where it was published, and in all networks that import it.
void VpnTables::put(Network& network, const Nlri& nlri, const Path& path) {
  const NetworkId id = path.teller.published_in;
  AttributesRef before;
  if (on_path) before = standing(network.table->find(nlri, path.teller));
  bool seen_here = false;
  for (const NetworkId importer : network.importers) {
    Network& to = networks_[importer];
    seen_here |= importer == id;
    if (to.table->put(nlri.within(to.config.rd), path)) subscriptions_.changed(importer);
  }
  if (!seen_here) {
    Path held = path;
    if (held.use == Use::here) held.use = Use::elsewhere;
    network.table->put(nlri, held);
  }
  report(id, nlri, path.teller.source, std::move(before), standing(&path));
}

void VpnTables::report(NetworkId id, const Nlri& nlri, SourceId source, AttributesRef before,
                       AttributesRef now) const {
  // Of a network that goes all was reported when it went.
  if (!on_path || before == now || network(id) == nullptr) return;
  on_path({source, id, nlri, std::move(before), std::move(now)});
}

bool VpnTables::withdraw(SourceId source, NetworkId network_id, const Nlri& nlri) {
  if (sources_.find(source) == nullptr || network(network_id) == nullptr) return false;
  Network& of = networks_[network_id];
  withdraw(of, network_id, nlri.within(of.config.rd), source);
  return true;
}

void VpnTables::withdraw(Network& network, NetworkId id, const Nlri& nlri, SourceId source) {
  const Teller teller{source, id};
  if (on_path) report(id, nlri, source, standing(network.table->find(nlri, teller)), {});
  for (const NetworkId importer : network.importers) {
    Network& to = networks_[importer];
    if (to.table->withdraw(nlri.within(to.config.rd), teller)) subscriptions_.changed(importer);
  }
  network.table->withdraw(nlri, teller);
  if (!moves_.damped({id, nlri})) return;
  // Who was held back has no rival any more, when the other one leaves.
  const Table::Route* const left = network.table->find(nlri);
  const bool rivals = left != nullptr && std::ranges::any_of(left->paths, [&](const Path& path) {
                        return path.teller.published_in == id && path.attributes->mobility &&
                               path.use != Use::damped;
                      });
  if (rivals) return;
  moves_.release({id, nlri});
  release(id, nlri);
}

void VpnTables::tick(Time now) {
  for (const auto& [id, nlri] : moves_.expire(now)) release(id, nlri);
}

/// What was held back is not any more.
void VpnTables::release(NetworkId id, const Nlri& nlri) {
  Network* const of = networks_.find(id);
  const Table::Route* const route = of == nullptr ? nullptr : of->table->find(nlri);
  if (route == nullptr) return;
  const std::vector<Path> paths = route->paths;
  for (Path path : paths) {
    if (path.teller.published_in != id || path.use != Use::damped) continue;
    path.use = Use::here;
    put(*of, nlri, path);
  }
}

bool VpnTables::subscribe(SubscriberId subscriber, NetworkId network_id) {
  if (network(network_id) == nullptr) return false;
  subscriptions_.subscribe(subscriber, network_id, *networks_[network_id].table);
  return true;
}

}  // namespace weft::vpn
