#include "io/attached_device.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <rte_bus_vdev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mempool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <iterator>

#include "io/kernel_end.hpp"

namespace weft::io {
namespace {

constexpr long reminder_ns = 250'000'000;

std::string unique_vdev(const std::string& driver) {
  static std::atomic<unsigned> number{0};
  return fmt::format("{}{}", driver, number.fetch_add(1));
}

Error at_device(const PortRequest& request, const std::string& why) {
  return Error{fmt::format("{} (device `{}`): {}", request.name, request.device, why)};
}

}  // namespace

Result<std::shared_ptr<AttachedDevice>> AttachedDevice::open(const PortRequest& request,
                                                             unsigned workers, rte_mempool* pool) {
  const unsigned wanted = request.shared_queues ? 1 : workers;
  auto spec = parse_device(request.device, wanted, request.mac, request.mtu_bytes);
  if (!spec) return spec.error();
  std::shared_ptr<AttachedDevice> device(new AttachedDevice);
  device->request_ = request;
  device->spec_ = std::move(*spec);
  const auto scope = NetnsScope::enter(device->spec_.netns);
  if (!scope) return scope.error();
  const std::vector<int> sockets_before = packet_sockets();
  if (const Status status = device->attach(); !status) return status.error();
  if (const Status status = device->configure(workers, pool); !status) return status.error();
  if (const Status status = device->set_up_host(request); !status) return status.error();
  device->find_descriptors(sockets_before);
  if (const Status status = device->remind(); !status) return status.error();
  return device;
}

Status AttachedDevice::admit(const PortRequest& request) {
  if (spec_.scheme == "af_packet") {
    if (const Status status = check_interface(request); !status) {
      return at_device(request, status.error().message);
    }
  }
  return set_up_host(request);
}

Status AttachedDevice::check_interface(const PortRequest& request) const {
  const std::string& interface = spec_.interface;
  const auto mtu = interface_mtu(interface);
  if (!mtu) return Error{fmt::format("there is no interface `{}` here; see `ip link`", interface)};
  if (*mtu < request.mtu_bytes) {
    return Error{
        fmt::format("the interface's MTU is {}, {} is configured; run `ip link set {} mtu {}` "
                    "or lower `mtu`",
                    *mtu, request.mtu_bytes, interface, request.mtu_bytes)};
  }
  const bool host = !request.host.empty();
  const auto is_ours = [&request](const IpAddress& address) {
    return std::find(request.addresses.begin(), request.addresses.end(), address) !=
           request.addresses.end();
  };
  if (const auto held = kernel_holds(interface, is_ours)) {
    const std::string address = to_string(*held);
    return Error{fmt::format(
        "the kernel holds {} on `{}` too, so two stacks would answer; take it off by `ip addr del "
        "{} dev {}`{}",
        address, interface, address, interface,
        host ? fmt::format(", and the kernel has it back on `{}`", request.host)
             : ". Does this host need it itself, for SSH say? Give the port the key `host: "
               "\"tap:weft0\"` as well, and the kernel has it back on that tap (README, \"One "
               "NIC: the host interface\")")};
  }
  const auto is_global = [](const IpAddress& address) {
    return address.is_v4() || !address.v6().link_local();
  };
  if (const auto held = host ? kernel_holds(interface, is_global) : std::nullopt) {
    const std::string address = to_string(*held);
    return Error{
        fmt::format("the kernel holds {} on `{}`, where it will hear nothing any more; add "
                    "it to the port's `addresses` and run `ip addr del {} dev {}`",
                    address, interface, address, interface)};
  }
  if (host && has_ipv6_gateway(interface)) {
    return Error{
        fmt::format("the kernel still sends IPv6 through a gateway on `{}`, where it hears nothing "
                    "any more; run `ip -6 route flush dev {}`",
                    interface, interface)};
  }
  if (host && merges_packets(interface)) {
    return Error{fmt::format(
        "`{}` puts TCP segments together to packets that are larger than the MTU, so "
        "the host's TCP would not work; run `ethtool -K {} gro off lro off rx-gro-hw off`",
        interface, interface)};
  }
  return ok();
}

Status AttachedDevice::set_up_host(const PortRequest& request) {
  if (spec_.scheme == "af_packet" && !request.host.empty()) {
    auto drop = IngressDrop::attach(spec_.interface);
    if (!drop) return at_device(request, drop.error().message);
    drop_ = std::move(*drop);
  }
  if (spec_.scheme == "tap" && !request.kernel_addresses.empty()) {
    const Status status =
        configure_kernel_end(spec_.interface, request.kernel_addresses, request.kernel_gateways);
    if (!status) return at_device(request, status.error().message);
  }
  return ok();
}

Status AttachedDevice::attach() {
  const auto fail = [this](const std::string& why) { return at_device(request_, why); };
  if (spec_.scheme == "af_packet") {
    if (const Status status = check_interface(request_); !status) {
      return fail(status.error().message);
    }
  }
  if (spec_.scheme == "tap" && interface_mtu(spec_.interface)) {
    return fail(fmt::format("an interface `{}` is there already; remove it or choose another name",
                            spec_.interface));
  }
  vdev_ = spec_.scheme == "dpdk" ? spec_.driver : unique_vdev(spec_.driver);
  const int error = rte_eal_hotplug_add("vdev", vdev_.c_str(), spec_.arguments.c_str());
  if (error != 0) {
    return fail(fmt::format("DPDK cannot attach it ({}, arguments `{}`): {}{}", vdev_,
                            spec_.arguments, rte_strerror(-error),
                            error == -EPERM || error == -EACCES ? "; run as root" : ""));
  }
  if (rte_eth_dev_get_port_by_name(vdev_.c_str(), &index_) != 0) {
    rte_eal_hotplug_remove("vdev", vdev_.c_str());
    return fail("it is not an Ethernet device");
  }
  attached_ = true;
  return ok();
}

Status AttachedDevice::configure(unsigned workers, rte_mempool* pool) {
  const auto fail = [this](const char* step, int error) {
    return at_device(request_, fmt::format("{}: {}", step, rte_strerror(-error)));
  };
  rte_eth_dev_info info{};
  if (const int error = rte_eth_dev_info_get(index_, &info); error != 0) {
    return fail("cannot read the device's abilities", error);
  }
  const bool each = spec_.multi_queue && !request_.shared_queues && info.max_rx_queues >= workers &&
                    info.max_tx_queues >= workers;
  queues_ = each ? workers : 1;
  shared_ = queues_ < workers;
  rte_eth_conf conf{};
  if (spec_.scheme == "tap") conf.intr_conf.rxq = 1;  // gives the queue a descriptor to sleep on
  const auto queues = static_cast<std::uint16_t>(queues_);
  if (const int error = rte_eth_dev_configure(index_, queues, queues, &conf); error != 0) {
    return fail("cannot configure the queues", error);
  }
  constexpr std::uint16_t descriptors = 1024;
  std::uint16_t rx = descriptors;
  std::uint16_t tx = descriptors;
  rte_eth_dev_adjust_nb_rx_tx_desc(index_, &rx, &tx);
  for (std::uint16_t q = 0; q < queues; ++q) {
    int error = rte_eth_rx_queue_setup(index_, q, rx, SOCKET_ID_ANY, nullptr, pool);
    if (error == 0) error = rte_eth_tx_queue_setup(index_, q, tx, SOCKET_ID_ANY, nullptr);
    if (error != 0) {  // drivers have many words for a lack of memory
      rte_malloc_socket_stats heap{};
      rte_malloc_get_socket_stats(rte_socket_id_by_idx(0), &heap);
      return fail(
          fmt::format("cannot set up a queue ({} packet buffers and {} KiB of DPDK's memory "
                      "are free; where that is little, raise dpdk.memory_mb)",
                      rte_mempool_avail_count(pool), heap.heap_freesz_bytes >> 10)
              .c_str(),
          error);
    }
  }
  if (spec_.scheme == "tap") {
    if (const int error = rte_eth_dev_set_mtu(index_, request_.mtu_bytes); error != 0) {
      return fail("cannot set the MTU", error);
    }
  }
  if (const int error = rte_eth_dev_start(index_); error != 0) return fail("does not start", error);
  rte_eth_promiscuous_enable(index_);  // frames to a VRF's router MAC are not the device's own
  return ok();
}

void AttachedDevice::find_descriptors(const std::vector<int>& sockets_before) {
  if (spec_.scheme == "af_packet") {
    const std::vector<int> now = packet_sockets();
    std::set_difference(now.begin(), now.end(), sockets_before.begin(), sockets_before.end(),
                        std::back_inserter(descriptors_));
    for (const int fd : descriptors_) {  // what the kernel itself sends there is not for us
      const int on = 1;
      setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
    }
    return;
  }
  if (spec_.scheme == "tap") {
    for (unsigned q = 0; q < queues_; ++q) {
      descriptors_.push_back(
          rte_eth_dev_rx_intr_ctl_q_get_fd(index_, static_cast<std::uint16_t>(q)));
    }
  }
}

Status AttachedDevice::remind() {
  const int signal = spec_.scheme == "tap" ? fcntl(descriptor(0), F_GETSIG) : 0;
  if (signal <= 0) return ok();
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = signal;
  timer_t timer{};
  const itimerspec period{.it_interval = {0, reminder_ns}, .it_value = {0, reminder_ns}};
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) {
    return Error{
        fmt::format("{}: no timer for its reader: {}", request_.name, rte_strerror(errno))};
  }
  reminder_ = timer;
  timer_settime(timer, 0, &period, nullptr);
  return ok();
}

AttachedDevice::~AttachedDevice() {
  if (reminder_) timer_delete(*reminder_);
  if (!attached_) return;
  const auto scope = NetnsScope::enter(spec_.netns);
  rte_eth_dev_stop(index_);
  rte_eth_dev_close(index_);
  rte_eal_hotplug_remove("vdev", vdev_.c_str());
}

PortStatus AttachedDevice::status() const {
  PortStatus status;
  rte_ether_addr mac{};
  rte_eth_macaddr_get(index_, &mac);
  std::copy(std::begin(mac.addr_bytes), std::end(mac.addr_bytes), status.mac.bytes.begin());
  status.rx_queues = static_cast<std::uint16_t>(queues_);
  status.link_up = link_up();
  status.may_leave_checksums = spec_.may_leave_checksums;
  return status;
}

bool AttachedDevice::link_up() const {
  if (vanished()) return false;
  // DPDK's driver says that it is up, always.
  if (spec_.scheme == "af_packet") return interface_running(spec_.interface);
  rte_eth_link link{};
  return rte_eth_link_get_nowait(index_, &link) == 0 && link.link_status != 0;
}

std::uint64_t AttachedDevice::lost_for_buffers() const {
  rte_eth_stats stats{};
  return rte_eth_stats_get(index_, &stats) == 0 ? stats.rx_nombuf : 0;
}

bool AttachedDevice::vanished() const {
  const int fd = descriptor(0);
  if (fd < 0) return false;
  if (spec_.scheme == "af_packet") {
    sockaddr_ll where{};
    socklen_t size = sizeof where;
    return getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size) == 0 &&
           where.sll_ifindex <= 0;
  }
  if (spec_.scheme == "tap") {
    ifreq request{};
    return ioctl(fd, TUNGETIFF, &request) != 0 && errno == EBADFD;
  }
  return false;
}

std::uint16_t AttachedDevice::transmit(unsigned worker, rte_mbuf** packets, std::uint16_t count) {
  if (!shared_) {
    return rte_eth_tx_burst(index_, static_cast<std::uint16_t>(worker), packets, count);
  }
  rte_spinlock_lock(&transmit_lock_);
  const std::uint16_t sent = rte_eth_tx_burst(index_, 0, packets, count);
  rte_spinlock_unlock(&transmit_lock_);
  return sent;
}

}  // namespace weft::io
