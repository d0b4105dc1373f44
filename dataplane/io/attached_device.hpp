#pragma once
/// An attached device with its queues, for one port or for several that have VLANs of it.

#include <rte_spinlock.h>

#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/device.hpp"
#include "io/ingress_drop.hpp"
#include "packet/packet.hpp"
#include "weft/forwarding.hpp"

struct rte_mempool;

namespace weft::io {

class AttachedDevice {
 public:
  /// Attaches, configures and starts the device with one queue pair for each of `workers`, or one
  /// for all. Errors name the device, what failed and the remedy where it is known.
  static Result<std::shared_ptr<AttachedDevice>> open(const PortRequest& request, unsigned workers,
                                                      rte_mempool* pool);
  /// Stops and removes the device.
  ~AttachedDevice();
  AttachedDevice(const AttachedDevice&) = delete;
  AttachedDevice& operator=(const AttachedDevice&) = delete;

  /// What the kernel has and does at the interface must not get in the way of one more port,
  /// either.
  Status admit(const PortRequest& request);

  /// DPDK's number of it.
  [[nodiscard]] std::uint16_t index() const { return index_; }
  /// What is the same for all of its ports.
  [[nodiscard]] PortStatus status() const;
  /// Whether it can send.
  [[nodiscard]] bool link_up() const;
  /// Packets that it lost since no buffer was free for them.
  [[nodiscard]] std::uint64_t lost_for_buffers() const;
  [[nodiscard]] unsigned queues() const { return queues_; }
  /// Who polls it, where it has not a queue for each worker: always the same one, since DPDK lets
  /// nobody else look into a queue at the same time.
  void set_worker(unsigned worker) { worker_ = worker; }
  [[nodiscard]] unsigned worker() const { return worker_; }
  /// A descriptor that turns readable when the queue has packets; -1: there is none.
  [[nodiscard]] int descriptor(unsigned queue) const {
    return queue < descriptors_.size() ? descriptors_[queue] : -1;
  }
  /// Sends what the device takes; answers how many. Safe for all workers at once.
  std::uint16_t transmit(unsigned worker, rte_mbuf** packets, std::uint16_t count);

 private:
  AttachedDevice() = default;
  Status attach();
  [[nodiscard]] Status check_interface(const PortRequest& request) const;
  /// The kernel's part in a host interface: nothing at the port, all of it at the tap.
  Status set_up_host(const PortRequest& request);
  Status configure(unsigned workers, rte_mempool* pool);
  /// The kernel has taken the interface away; there is no way back for the device.
  [[nodiscard]] bool vanished() const;
  void find_descriptors(const std::vector<int>& sockets_before);
  /// Makes DPDK's tap look for packets now and then. It reads when a signal has announced some, and
  /// stops where no buffer is free; if the kernel's queue is full by then, whatever comes is
  /// dropped without a signal, and it would never read again.
  Status remind();

  PortRequest request_;  ///< of the first of its ports
  DeviceSpec spec_;
  std::string vdev_;
  std::uint16_t index_ = 0;
  unsigned queues_ = 0;
  unsigned worker_ = 0;
  bool attached_ = false;
  bool shared_ = false;  ///< more workers than queues: transmit takes the lock
  rte_spinlock_t transmit_lock_ = RTE_SPINLOCK_INITIALIZER;
  std::vector<int> descriptors_;
  std::optional<timer_t> reminder_;
  std::unique_ptr<IngressDrop> drop_;
};

}  // namespace weft::io
