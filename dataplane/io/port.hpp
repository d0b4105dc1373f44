#pragma once
/// A port of the router: all of a device, or one VLAN of it.

#include <bit>
#include <cstdint>
#include <memory>
#include <utility>

#include "io/attached_device.hpp"
#include "tables/counters.hpp"
#include "weft/forwarding.hpp"

namespace weft::io {

/// Which indices ports have. One is free again when its port is destroyed, which no worker knows
/// any more then.
class PortIndices {
 public:
  /// The lowest that is free; max_ports: none is.
  std::uint16_t take() {
    const auto index = static_cast<std::uint16_t>(std::countr_one(taken_));
    if (index < max_ports) taken_ |= std::uint32_t{1} << index;
    return index;
  }
  void give_back(std::uint16_t index) { taken_ &= ~(std::uint32_t{1} << index); }

 private:
  static_assert(max_ports == 32);
  std::uint32_t taken_ = 0;
};

class AttachedPort {
 public:
  /// `id`: its index is of `indices`, which outlive the port.
  AttachedPort(PortId id, PortRequest request, std::shared_ptr<AttachedDevice> device,
               PortIndices& indices)
      : id_(id),
        vlan_(request.vlan),
        device_(std::move(device)),
        request_(std::move(request)),
        indices_(indices) {}
  ~AttachedPort() {
    device_.reset();
    indices_.give_back(index());
  }
  AttachedPort(const AttachedPort&) = delete;
  AttachedPort& operator=(const AttachedPort&) = delete;

  [[nodiscard]] std::uint16_t index() const { return static_cast<std::uint16_t>(id_.index()); }
  /// The index, and which of its ports this is: an index is given anew.
  [[nodiscard]] PortId id() const { return id_; }
  /// Of its frames on the wire; 0: they have no tag.
  [[nodiscard]] std::uint16_t vlan() const { return vlan_; }
  [[nodiscard]] const PortRequest& request() const { return request_; }
  [[nodiscard]] AttachedDevice& device() const { return *device_; }
  [[nodiscard]] const std::shared_ptr<AttachedDevice>& shared_device() const { return device_; }
  [[nodiscard]] PortStatus status() const {
    PortStatus status = device_->status();
    status.id = id_;
    status.name = request_.name;
    status.device = request_.device;
    status.mtu_bytes = request_.mtu_bytes;
    return status;
  }

 private:
  PortId id_;
  std::uint16_t vlan_;
  std::shared_ptr<AttachedDevice> device_;
  PortRequest request_;
  PortIndices& indices_;
};

}  // namespace weft::io
