#include "agent/agent.hpp"

#include <spdlog/spdlog.h>

namespace weft::agent {

namespace {

using namespace std::chrono_literals;

constexpr auto tick_period = 100ms;
constexpr unsigned ticks_per_link_check = 10;
constexpr auto reclaim_period = 10ms;
constexpr double log_lines_per_second = 1;
constexpr double log_burst = 10;

}  // namespace

Agent::Agent(boost::asio::io_context& io, ForwardingPlane& plane, Clock clock)
    : plane_(plane),
      clock_(std::move(clock)),
      neighbours_(model_, *this, clock_),
      resolver_(
          model_, [this](const Batch& batch) { return apply(batch); }, neighbours_),
      proxy_(model_, plane),
      icmp_(model_, plane, clock_),
      observations_(plane),
      events_(io),
      tick_(io),
      reclaim_(io),
      log_(log_lines_per_second, log_burst) {}

Agent::~Agent() { stop(); }

Status Agent::start(const Config& config) {
  Resolver::Devices devices;
  for (const auto& port : config.ports) {
    std::vector<IpAddress> own = config.node.tunnel_addresses;
    for (const auto& prefix : port.addresses) own.push_back(prefix.address);
    auto status = open("port", {port.name, port.device, std::nullopt, port.mtu_bytes,
                                port.workers == QueueSharing::shared, own});
    if (!status) return status.error();
    devices.ports.push_back(*status);
  }
  for (const auto& vif : config.vifs) {
    auto status = open("vif", {vif.name, vif.device, vif.mac, vif.mtu_bytes, false, {}});
    if (!status) return status.error();
    devices.vifs.push_back(*status);
  }
  if (auto loaded = resolver_.load(config, devices); !loaded) return loaded.error();
  watch_links();
  events_.assign(plane_.event_descriptor());
  wait_for_events();
  wait_for_tick();
  return ok();
}

void Agent::stop() {
  // The descriptor is the data plane's to close.
  if (events_.is_open()) events_.release();
  tick_.cancel();
  reclaim_.cancel();
}

Result<PortStatus> Agent::open(const char* what, const PortRequest& request) {
  auto status = plane_.open_port(request);
  if (!status) {
    return Error{
        fmt::format("{} {} ({}): {}", what, request.name, request.device, status.error().message)};
  }
  spdlog::info("{} {}: opened {}, MAC {}", what, request.name, request.device,
               to_string(status->mac));
  return status;
}

Result<Generation> Agent::apply(const Batch& batch) {
  auto result = plane_.apply(batch);
  if (result) reclaim_soon();
  return result;
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
    plane_.reclaim();
    if (plane_.table_sizes().deferred > 0) {
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
                       plane_.drain_events(*this);
                       wait_for_events();
                     });
}

void Agent::wait_for_tick() {
  tick_.expires_after(tick_period);
  tick_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    neighbours_.tick();
    observations_.tick(clock_());
    if (++ticks_ % ticks_per_link_check == 0) {
      watch_links();
      watch_checksums();
    }
    wait_for_tick();
  });
}

void Agent::watch_links() {
  for (const auto& status : plane_.ports()) {
    if (!model_.port(status.id)) continue;
    if (!status.link_up) {
      if (links_up_.erase(status.id) != 0) spdlog::warn("port {}: link down", status.name);
    } else if (links_up_.insert(status.id).second) {
      spdlog::info("port {}: link up", status.name);
      neighbours_.announce(status.id);
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
      spdlog::warn(
          "{} ({}): {} packets came with unfinished TCP or UDP checksums and were dropped; "
          "run `ethtool -K IF tx off` on the peer end of this interface",
          status.name, status.device, counters.unfinished_checksums - known);
    }
    known = counters.unfinished_checksums;
  }
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
      icmp_.receive_local(packet);
      break;
    case PuntClass::icmp_error:
      icmp_.receive_dropped(packet);
      break;
  }
}

void Agent::on_neighbour_needed(const NeighbourNeeded& event) {
  neighbours_.need({event.port, event.address});
}

void Agent::on_trace(const TracedPacket& packet) { observations_.on_trace(packet); }

void Agent::on_capture(const CapturedFrame& frame) { observations_.on_capture(frame); }

void Agent::report(const Result<Generation>& result, const NeighbourKey& key) {
  if (!result && log_.take(clock_())) {
    spdlog::error("neighbour {}: {}", to_string(key.address), result.error().message);
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
  spdlog::error("port {}: {} claims our address {}; give one of the two another",
                model_.port_names.at(port), to_string(other), to_string(own));
}

void Agent::drop(DropReason reason) { plane_.count_drop(reason); }

}  // namespace weft::agent
