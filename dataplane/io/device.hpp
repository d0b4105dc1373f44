#pragma once
/// Device names (`af_packet:eth1`, `tap:vm1@vm1-ns`, …) and how DPDK is asked for them.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weft/address.hpp"
#include "weft/result.hpp"

namespace weft::io {

/// What to hand to rte_eal_hotplug_add, and where.
struct DeviceSpec {
  std::string scheme;  ///< af_packet, tap, pcap, null or dpdk
  std::string driver;  ///< vdev name without number, `net_tap`; whole for `dpdk:`
  std::string arguments;
  std::string interface;     ///< kernel interface, where there is one
  std::string netns;         ///< name under /run/netns; empty: our own
  bool multi_queue = false;  ///< a queue pair for each worker is possible
  bool may_leave_checksums = false;
};

/// `queues`: queue pairs wanted, `mac`: for tap, the address of the kernel's end.
Result<DeviceSpec> parse_device(const std::string& device, unsigned queues,
                                const std::optional<MacAddress>& mac, std::uint16_t mtu_bytes);

/// While it lives the calling thread is in a network namespace of /run/netns; empty name: stays.
class NetnsScope {
 public:
  static Result<std::unique_ptr<NetnsScope>> enter(const std::string& name);
  ~NetnsScope();
  NetnsScope(const NetnsScope&) = delete;
  NetnsScope& operator=(const NetnsScope&) = delete;

 private:
  explicit NetnsScope(int home) : home_(home) {}
  int home_;
};

/// MTU of a kernel interface of this thread's namespace; nullopt when there is none.
std::optional<unsigned> interface_mtu(const std::string& interface);

/// Whether such an interface is up and has a carrier.
bool interface_running(const std::string& interface);

/// The first `wanted` address that the kernel holds on `interface` of this thread's namespace.
std::optional<IpPrefix> kernel_holds(const std::string& interface,
                                     const std::function<bool(const IpAddress&)>& wanted);

/// Whether the kernel or the NIC puts TCP segments together (GRO, LRO) before AF_PACKET sees them.
bool merges_packets(const std::string& interface);

/// AF_PACKET sockets of this process, ascending.
std::vector<int> packet_sockets();

}  // namespace weft::io
