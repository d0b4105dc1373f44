/// The router's ports: each is a device, or one VLAN of a device that others share.
#include <fmt/format.h>

#include <algorithm>

#include "io/router.hpp"

namespace weft::io {
namespace {

/// What tells the ports of a device apart; nothing where one has all of it.
std::vector<VlanPort> vlans_of(const std::vector<const AttachedPort*>& ports) {
  if (ports.size() == 1 && ports.front()->vlan() == 0) return {};
  std::vector<VlanPort> vlans;
  for (const AttachedPort* port : ports) vlans.push_back({port->vlan(), port->index()});
  return vlans;
}

}  // namespace

Result<PortStatus> Router::open_port(const PortRequest& request) {
  if (ports_.size() >= max_ports) {
    return Error{fmt::format("{}: there are {} ports and VIFs, and DPDK takes no more; delete some",
                             request.name, max_ports)};
  }
  auto device = device_for(request);
  if (!device) return device.error();
  const std::uint16_t index = indices_.take();
  if (index >= max_ports) {
    return Error{fmt::format("{}: more than {} ports", request.name, max_ports)};
  }
  const PortId id(index, generations_[index]++);
  counters_before_[index] = port_totals(index);
  ports_.push_back(std::make_unique<AttachedPort>(id, request, std::move(*device), indices_));
  publish_ports();
  return ports_.back()->status();
}

/// A new device, or one that has ports already of which this one tells itself apart.
Result<std::shared_ptr<AttachedDevice>> Router::device_for(const PortRequest& request) {
  const auto workers = static_cast<unsigned>(workers_.size());
  const AttachedPort* first = nullptr;
  for (const auto& port : ports_) {
    const PortRequest& other = port->request();
    if (other.device != request.device || (other.vlan == 0 && request.vlan == 0)) continue;
    if (other.vlan == request.vlan) {
      return Error{fmt::format("{} (device `{}`): VLAN {} is that of {}; choose another",
                               request.name, request.device, request.vlan, other.name)};
    }
    if (other.mtu_bytes != request.mtu_bytes || other.shared_queues != request.shared_queues) {
      return Error{
          fmt::format("{} (device `{}`): MTU and queues must be those of {}, which has "
                      "another VLAN of the device",
                      request.name, request.device, other.name)};
    }
    if (first == nullptr) first = port.get();
  }
  if (first != nullptr) {
    if (const Status status = first->device().admit(request); !status) return status.error();
    return first->shared_device();
  }
  auto device = AttachedDevice::open(request, workers, eal_->pool());
  if (device && (*device)->queues() < workers) (*device)->set_worker(least_busy());
  return device;
}

/// The ports by their devices, in the order in which they were opened.
std::vector<std::vector<const AttachedPort*>> Router::by_device() const {
  std::vector<std::vector<const AttachedPort*>> devices;
  for (const auto& port : ports_) {
    const auto same = std::ranges::find_if(
        devices, [&](const auto& ports) { return &ports.front()->device() == &port->device(); });
    if (same != devices.end()) {
      same->push_back(port.get());
    } else {
      devices.push_back({port.get()});
    }
  }
  return devices;
}

/// The worker that polls the fewest of the ports which have no queue for each.
unsigned Router::least_busy() const {
  std::vector<unsigned> devices(workers_.size());
  for (const auto& ports : by_device()) {
    const AttachedDevice& device = ports.front()->device();
    if (device.queues() < workers_.size()) ++devices[device.worker()];
  }
  return static_cast<unsigned>(std::min_element(devices.begin(), devices.end()) - devices.begin());
}

Status Router::close_port(PortId id) {
  const auto found = std::find_if(ports_.begin(), ports_.end(),
                                  [id](const auto& port) { return port->id() == id; });
  if (found == ports_.end()) return Error{fmt::format("no port has the id {}", id.index())};
  const AttachedPort* port = found->release();
  ports_.erase(found);
  const bool last = std::ranges::none_of(
      ports_, [&](const auto& other) { return &other->device() == &port->device(); });
  if (last) {
    control_counters_.drops[static_cast<std::size_t>(DropReason::buffer_exhausted)].add(
        port->device().lost_for_buffers());
  }
  observers_.forget_port(port->index());
  publish_ports();
  rcu_.retire(port);
  return ok();
}

unsigned Router::poller_of(const AttachedDevice& device, unsigned queue) const {
  return device.queues() == workers_.size() ? queue : device.worker();
}

/// Each worker polls its own queue of devices that have one for each; of the others one worker
/// polls the queue as long as the device lives, and hands out what it receives.
void Router::publish_ports() {
  ++view_number_;
  std::vector<std::unique_ptr<PortView>> views;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    views.push_back(std::make_unique<PortView>());
    views.back()->number = view_number_;
    for (const auto& port : ports_) views.back()->ports[port->index()] = port.get();
  }
  for (const auto& ports : by_device()) {
    const AttachedDevice& device = ports.front()->device();
    const bool for_all = options_.handoff && device.queues() < workers_.size();
    for (unsigned queue = 0; queue < device.queues(); ++queue) {
      PortView& view = *views[poller_of(device, queue)];
      view.receive.push_back({device.index(), static_cast<std::uint16_t>(queue), for_all,
                              ports.front()->index(), vlans_of(ports)});
      if (const int fd = device.descriptor(queue); fd >= 0) {
        view.descriptors.push_back(fd);
      } else {
        view.all_have_descriptors = false;
      }
    }
  }
  for (std::size_t i = 0; i < workers_.size(); ++i) workers_[i]->set_ports(views[i].release());
}

std::vector<PortStatus> Router::ports() const {
  std::vector<PortStatus> all;
  for (const auto& port : ports_) all.push_back(port->status());
  return all;
}

bool Router::link_up(PortId id) const {
  const auto port = std::ranges::find(ports_, id, [](const auto& p) { return p->id(); });
  return port != ports_.end() && (*port)->device().link_up();
}

/// Where a frame comes in that arrives at the device of a port.
Ingress Router::ingress_of_frame(PortId id, rte_mbuf* frame) const {
  for (const auto& ports : by_device()) {
    const auto here = std::ranges::find(ports, id, [](const auto* port) { return port->id(); });
    if (here == ports.end()) continue;
    const std::vector<VlanPort> vlans = vlans_of(ports);
    if (vlans.empty()) break;
    const Sorted sorted = sort_frame(vlans, frame);
    Ingress ingress =
        ingress_of(state_.tables(), sorted.port != nullptr ? sorted.port->port : id.index());
    ingress.refused = sorted.reason;
    return ingress;
  }
  return ingress_of(state_.tables(), id.index());
}

std::uint16_t Router::vlan_of(PortId id) const {
  const auto port = std::ranges::find(ports_, id, [](const auto& p) { return p->id(); });
  return port != ports_.end() ? (*port)->vlan() : std::uint16_t{0};
}

}  // namespace weft::io
