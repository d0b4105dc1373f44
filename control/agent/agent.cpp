#include "agent/agent.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <filesystem>

#include "agent/protocol_names.hpp"
#include "agent/vif_rules.hpp"

namespace weft::agent {

namespace {

using namespace std::chrono_literals;

constexpr auto tick_period = 100ms;
constexpr unsigned ticks_per_look = 10;
constexpr auto link_period = 20ms;
constexpr auto reclaim_period = 10ms;
constexpr double log_lines_per_second = 1;
constexpr double log_burst = 10;

PacketCount since(const PacketCount& now, const PacketCount& then) {
  return {now.packets - then.packets, now.bytes - then.bytes};
}

}  // namespace

Agent::Agent(boost::asio::io_context& io, ForwardingPlane& plane, Clock clock)
    : plane_(plane),
      clock_(std::move(clock)),
      neighbours_(model_, *this, clock_),
      compiler_(
          io, plane,
          [this](PolicyId id, PolicyCompiler::Made made) { policy_compiled(id, std::move(made)); }),
      resolver_(
          model_, [this](const Batch& batch) { return apply(batch); }, neighbours_, compiler_),
      bfd_(model_, plane, clock_,
           [this](const NeighbourKey& key, bool alive) {
             report(resolver_.put_alive(key, alive), key);
           }),
      manager_(plane, model_, resolver_),
      io_(io),
      proxy_(model_, plane),
      icmp_(model_, plane, clock_),
      path_mtu_(model_, resolver_, clock_),
      observations_(plane),
      events_(io),
      tick_(io),
      links_(io),
      reclaim_(io),
      log_(log_lines_per_second, log_burst) {}

Agent::~Agent() {
  stop();
  if (helper_.joinable()) helper_.join();
}

Status Agent::start(const Config& config, const std::string& state_file) {
  ObjectSet kept;
  if (!state_file.empty()) {
    auto read = read_state(state_file, config);
    if (!read) return read.error();
    kept = std::move(*read);
  }
  auto unfit = manager_.start(config, std::move(kept), objects_of_controllers(config, state_file));
  if (!unfit) return unfit.error();
  for (const auto& object : *unfit) {
    SPDLOG_WARN("{} from {} is left out: {}; it is tried again at each reload", object.label,
                state_file, to_string(object.complaints.front()));
  }
  if (!state_file.empty()) {
    state_ = std::make_unique<StateWriter>(io_, state_file, [this] {
      const auto& intent = manager_.intent();
      return [api = intent.api, left_out = intent.unfit, node = intent.config.node] {
        return state_text(api, left_out, node);
      };
    });
  }
  manager_.on_change([this] {
    if (state_) state_->changed();
    if (channel_) channel_->intent_changed();
  });
  if (journal_) {
    manager_.on_follow([this](const Update& update) { journal_->note(update); });
  }
  watch_links();
  bfd_.settle();
  wait_to_watch_links();
  events_.assign(plane_.event_descriptor());
  wait_for_events();
  wait_for_tick();
  started_ = true;
  if (config.controllers.empty()) return ok();
  channel_ = std::make_unique<Channel>(io_, manager_, times_, [this] { return reloading_; });
  return channel_->start(config, std::filesystem::path(config_path_).parent_path());
}

/// What controllers had put when weftd ended, and from now on the journal of what they put.
ObjectSet Agent::objects_of_controllers(const Config& config, const std::string& state_file) {
  if (state_file.empty() || config.controllers.empty()) return {};
  const auto path = state_file + ".channel";
  auto read = ChannelJournal::read(path, config);
  if (!read.damage.empty()) {
    SPDLOG_WARN("{}: {}; controllers will tell again what is missing", path, read.damage);
  }
  journal_ = std::make_unique<ChannelJournal>(path, read.objects, config.node);
  return std::move(read.objects);
}

void Agent::reload(bool dry_run, ReloadDone done) {
  if (reloading_) {
    done(Error{"another reload is under way; try again when it is done"});
    return;
  }
  reloading_ = true;
  prepare_reload(dry_run, std::move(done));
}

void Agent::prepare_reload(bool dry_run, ReloadDone done) {
  if (helper_.joinable()) helper_.join();  // what it was to tell is here, so it has ended
  helper_ = std::thread([this, dry_run, done = std::move(done), path = config_path_,
                         intent = manager_.intent(), version = manager_.version()] {
    using Prepared = Result<ConfigManager::Reload>;
    const auto loaded = load_config(path);
    std::string wrong;
    for (const auto& diagnostic : loaded.diagnostics) {
      wrong += (wrong.empty() ? "" : "\n") + to_string(diagnostic);
    }
    auto prepared = loaded.config ? ConfigManager::prepare(intent, *loaded.config) : Error{wrong};
    if (loaded.config && !prepared) prepared = Error{path + ": " + prepared.error().message};
    const auto result = std::make_shared<Prepared>(std::move(prepared));
    boost::asio::post(io_, [this, dry_run, done, version, result] {
      const auto timer = times_.time("reload");
      if (version != manager_.version()) {
        prepare_reload(dry_run, done);  // the API has changed something meanwhile
        return;
      }
      reloading_ = false;
      done(finish_reload(std::move(*result), dry_run));
    });
  });
}

Result<ConfigManager::Reloaded> Agent::finish_reload(Result<ConfigManager::Reload> prepared,
                                                     bool dry_run) {
  if (!prepared) return prepared.error();
  if (dry_run) {
    prepared->report.generation = resolver_.generation();
    return prepared->report;
  }
  auto done = manager_.finish(std::move(*prepared));
  if (!done) return Error{config_path_ + ": " + done.error().message};
  if (channel_) channel_->renew_certificates();
  const auto& d = done->difference;
  SPDLOG_INFO("reload of {}: {} added, {} changed, {} removed", config_path_, d.added.size(),
              d.changed.size(), d.removed.size());
  return done;
}

void Agent::stop() {
  // The descriptor is the data plane's to close.
  if (events_.is_open()) events_.release();
  tick_.cancel();
  links_.cancel();
  reclaim_.cancel();
  if (channel_) channel_->stop();
  if (state_) state_->flush();
}

Result<Generation> Agent::apply(const Batch& batch) {
  auto result = plane_.apply(batch);
  if (result) reclaim_soon();
  return result;
}

void Agent::post(std::function<void()> work) { boost::asio::post(io_, std::move(work)); }

void Agent::policy_compiled(PolicyId id, PolicyCompiler::Made made) {
  const auto timer = times_.time("policy");
  if (const auto status = resolver_.policy_compiled(id, std::move(made)); !status) {
    SPDLOG_ERROR("{}", fmt::join(failed_policies(resolver_.vifs_that_wait_for(id)), "\n"));
  }
  if (resolver_.compiling()) return;
  for (const auto& done : std::exchange(settling_, {})) done();
}

void Agent::when_policies_settle(std::function<void(const std::string&)> done) {
  const auto tell = [this, done = std::move(done), vifs = resolver_.concerned()] {
    done(fmt::format("{}", fmt::join(failed_policies(vifs), "\n")));
  };
  if (!resolver_.compiling()) return tell();
  settling_.emplace_back(tell);
}

std::vector<std::string> Agent::failed_policies(const std::set<std::string>& vifs) const {
  std::vector<std::string> out;
  for (const auto& name : vifs) {
    const auto vif = model_.vifs.find(name);
    if (vif == model_.vifs.end()) continue;
    const auto policy = model_.policies.find(vif->second.next.id);
    if (policy == model_.policies.end() || policy->second.error.empty()) continue;
    const VifPolicy& now = vif->second.policy;
    out.push_back(fmt::format("vif {}: its security groups are not in force: {}; {}", name,
                              policy->second.error,
                              now.rules != nullptr ? "those that it had before are"
                              : now.id.valid()     ? "it is closed"
                                                   : "it is open"));
  }
  return out;
}

void Agent::reclaim_soon() {
  if (reclaiming_) return;
  reclaiming_ = true;
  wait_to_reclaim();
}

void Agent::wait_to_reclaim() {
  reclaim_.expires_after(reclaim_period);
  reclaim_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    const auto timer = times_.time("reclaim");
    resolver_.finish_deletions(plane_);
    plane_.reclaim();
    if (resolver_.deleting() || plane_.table_sizes().deferred > 0) {
      wait_to_reclaim();
    } else {
      reclaiming_ = false;
    }
  });
}

void Agent::wait_for_events() {
  events_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [this](const boost::system::error_code& error) {
                       if (error) return;
                       const auto timer = times_.time("events");
                       plane_.drain_events(*this);
                       wait_for_events();
                     });
}

void Agent::wait_for_tick() {
  tick_.expires_after(tick_period);
  tick_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    const auto timer = times_.time("tick");
    neighbours_.tick();
    path_mtu_.tick();
    observations_.tick(clock_());
    if (bfd_.settle()) reclaim_soon();
    if (++ticks_ % ticks_per_look == 0) {
      watch_checksums();
      watch_workers();
    }
    wait_for_tick();
  });
}

void Agent::wait_to_watch_links() {
  links_.expires_after(link_period);
  links_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    const auto timer = times_.time("links");
    watch_links();
    wait_to_watch_links();
  });
}

void Agent::watch_links() {
  for (const auto& [id, name] : model_.port_names) {
    const bool up = plane_.link_up(id);
    if (up == links_up_.contains(id)) continue;
    const auto result = resolver_.put_link(id, up);
    if (!result && log_.take(clock_())) SPDLOG_ERROR("port {}: {}", name, result.error().message);
    if (!result) continue;
    if (up) {
      links_up_.insert(id);
      SPDLOG_INFO("port {}: link up", name);
      neighbours_.announce(id);
    } else {
      links_up_.erase(id);
      SPDLOG_WARN("port {}: link down", name);
    }
  }
}

/// A kernel that leaves checksums to hardware loses all TCP and nothing else: somebody must be
/// told.
void Agent::watch_checksums() {
  for (const auto& counters : plane_.counters().ports) {
    auto& known = unfinished_[counters.port];
    if (counters.unfinished_checksums <= known || !log_.take(clock_())) continue;
    for (const auto& status : plane_.ports()) {
      if (status.id != counters.port) continue;
      SPDLOG_WARN(
          "{} ({}): {} packets came with unfinished TCP or UDP checksums and were dropped; "
          "run `ethtool -K IF tx off` on the peer end of this interface",
          status.name, status.device, counters.unfinished_checksums - known);
    }
    known = counters.unfinished_checksums;
  }
}

/// A worker that is awake passes a quiescent point each turn, and one that sleeps needs none: a
/// grace period that does not end means that one stands still.
void Agent::watch_workers() {
  if (worker_grace_ && !plane_.grace_over(*worker_grace_)) return;
  worker_grace_ = plane_.begin_grace();
  worker_grace_since_ = clock_();
  worker_loops_.clear();
  for (const auto& worker : plane_.counters().workers) worker_loops_.push_back(worker.loops);
}

std::vector<std::string> Agent::ailments() const {
  std::vector<std::string> out;
  if (!started_) return {"weftd is starting"};
  const auto since =
      std::chrono::duration_cast<std::chrono::seconds>(clock_() - worker_grace_since_);
  if (worker_grace_ && since >= 2s && !plane_.grace_over(*worker_grace_)) {
    const auto workers = plane_.counters().workers;
    for (std::size_t i = 0; i < std::min(workers.size(), worker_loops_.size()); ++i) {
      if (workers[i].loops != worker_loops_[i]) continue;
      out.push_back(
          fmt::format("the worker on lcore {} has stood still for {} s; see `weftctl show "
                      "workers`, and restart weftd if it stays so",
                      workers[i].lcore, since.count()));
    }
  }
  std::set<std::string> vifs;
  for (const auto& [name, vif] : model_.vifs) vifs.insert(name);
  std::ranges::copy(failed_policies(vifs), std::back_inserter(out));
  for (const auto& status : plane_.ports()) {
    if (model_.port(status.id) && !status.link_up) {
      out.push_back(fmt::format("the link of port {} ({}) is down", status.name, status.device));
    }
  }
  return out;
}

CountersSnapshot Agent::counters() const {
  auto all = plane_.counters();
  for (auto& port : all.ports) {
    const auto before = model_.baselines.ports.find(port.port);
    if (before == model_.baselines.ports.end()) continue;
    port.rx = since(port.rx, before->second.rx);
    port.tx = since(port.tx, before->second.tx);
  }
  return all;
}

PacketCount Agent::nexthop_count(NexthopId id) const {
  const auto before = model_.baselines.nexthops.find(id.index());
  const auto count = plane_.nexthop_counters(id);
  return before == model_.baselines.nexthops.end() ? count : since(count, before->second);
}

PacketCount Agent::decap_count(DecapId id) const {
  return model_.baselines.since_it_is(id, plane_.decap_counters(id));
}

PacketCount Agent::decap_count(const DecapEntry& entry) const {
  PacketCount all = entry.left;
  all += decap_count(entry.id);
  for (const auto& [name, id] : entry.marks) all += decap_count(id);
  for (const auto id : entry.leaving) all += decap_count(id);
  return all;
}

void Agent::on_punt(const PuntedPacket& packet) {
  switch (packet.kind) {
    case PuntClass::neighbour:
      if (packet.vif.valid() || packet.decap.valid()) {
        proxy_.receive(packet);
      } else {
        neighbours_.receive(packet);
      }
      break;
    case PuntClass::local:
      if (!path_mtu_.receive(packet)) icmp_.receive_local(packet);
      break;
    case PuntClass::icmp_error:
      icmp_.receive_dropped(packet);
      break;
    case PuntClass::liveness:
      break;  // it never comes here
  }
}

void Agent::on_neighbour_needed(const NeighbourNeeded& event) {
  neighbours_.need({event.port, event.address});
}

void Agent::on_denied(const DeniedPacket& packet) {
  const auto end = [&](const IpAddress& address, std::uint16_t port) {
    if (!wire::has_ports(packet.protocol) || port == 0) return to_string(address);
    return address.is_v4() ? fmt::format("{}:{}", to_string(address), port)
                           : fmt::format("[{}]:{}", to_string(address), port);
  };
  const VifObject* vif = model_.vif(packet.by.vif);
  const auto* rules = vif != nullptr ? vif->policy.rules.get() : nullptr;
  SPDLOG_INFO("denied: {} {} to {}, {} of vif {}: {}{}", protocol_text(packet.protocol),
              end(packet.source, packet.source_port),
              end(packet.destination, packet.destination_port),
              packet.by.egress ? "egress" : "ingress", vif != nullptr ? vif->config.name : "?",
              rules != nullptr ? origin_text(*rules, packet.by.egress, packet.by.rule)
                               : "its rules are not in force yet",
              packet.untold == 0 ? "" : fmt::format("; {} more before", packet.untold));
}

void Agent::on_sent(const SentPacket& packet) { path_mtu_.sent(packet); }

void Agent::on_trace(const TracedPacket& packet) { observations_.on_trace(packet); }

void Agent::on_capture(const CapturedFrame& frame) { observations_.on_capture(frame); }

void Agent::report(const Result<Generation>& result, const NeighbourKey& key) {
  if (!result && log_.take(clock_())) {
    SPDLOG_ERROR("neighbour {}: {}", to_string(key.address), result.error().message);
  }
}

void Agent::send(PortId port, const Frame& frame) {
  plane_.inject({Injection::ToPort{port}, frame});
}

void Agent::neighbour_changed(const NeighbourKey& key, std::optional<MacAddress> mac) {
  report(resolver_.put_neighbour(key, mac), key);
}

void Agent::neighbour_gone(const NeighbourKey& key) { report(resolver_.erase_neighbour(key), key); }

std::uint64_t Agent::packets_to(const NeighbourKey& key) {
  const auto found = model_.adjacencies.find(key);
  if (found == model_.adjacencies.end()) return 0;
  return plane_.nexthop_counters(found->second.nexthop).packets;
}

void Agent::address_conflict(PortId port, const IpAddress& own, const MacAddress& other) {
  if (!log_.take(clock_())) return;
  SPDLOG_ERROR("port {}: {} claims our address {}; give one of the two another",
               model_.port_names.at(port), to_string(other), to_string(own));
}

void Agent::drop(DropReason reason) { plane_.count_drop(reason); }

}  // namespace weft::agent
