#pragma once
/// A node's profiles that change all the time, as a controller tells them, and the packets that
/// show which version of them they met.
///
///    VM's port:     packets to 10.2.0.d, by routes that flip between the tunnels d and d ^ 1
///    fabric's port: packets of the decaps' VNIs to the VM; decaps of other VNIs come and go

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "agent/config_manager.hpp"
#include "frames.hpp"
#include "light_controller.hpp"
#include "verdicts.hpp"

namespace weft::bench {

class ChannelWorld {
 public:
  static constexpr unsigned tunnels = 256;
  static constexpr unsigned decaps = 64;    ///< whose packets come
  static constexpr unsigned fleeting = 64;  ///< decaps that come and go

  /// Of weft.yaml: ports, neighbour, VRF and VIF, but no controller.
  static std::string config(const std::string& fabric_device, const std::string& vm_device,
                            const std::string& node);
  static std::vector<Bytes> from_vm(unsigned flows);
  static std::vector<Bytes> from_fabric(unsigned flows, const MacAddress& port);

  // On the controller's thread.
  std::vector<LightController::Change> world();
  std::vector<LightController::Change> change(unsigned count);

  // On the worker's thread, and counters for all.
  void judge_encapsulated(std::span<const std::uint8_t> frame);
  void judge_decapsulated(std::span<const std::uint8_t> frame);
  /// Whether nothing but the newest version is right.
  void settle(bool settled) { settled_.store(settled, std::memory_order_release); }
  [[nodiscard]] const Verdicts& verdicts() const { return verdicts_; }

  /// While nothing changes: how many objects the node has otherwise than they were told last.
  [[nodiscard]] std::size_t differences(const agent::ConfigManager& manager) const;

 private:
  using Version = std::uint16_t;
  LightController::Change tunnel(unsigned number) const;
  LightController::Change route(unsigned destination) const;
  LightController::Change decap(unsigned number) const;
  LightController::Change fleeting_decap(unsigned number) const;
  LightController::Change noted(LightController::Change change);
  const char* encapsulated_fault(std::span<const std::uint8_t> frame);

  std::array<std::atomic<Version>, tunnels> published_{};
  std::array<Version, tunnels> seen_{};
  std::array<unsigned, tunnels> routes_{};
  std::array<unsigned, decaps> decaps_{};
  std::array<bool, fleeting> there_{};
  std::uint64_t changes_ = 0;
  unsigned next_tunnel_ = 0;
  unsigned next_route_ = 0;
  unsigned next_decap_ = 0;
  unsigned next_fleeting_ = 0;
  std::map<channel::ProfileName, std::string> last_;  ///< what was told last, as JSON

  std::atomic<bool> settled_{false};
  Verdicts verdicts_;
};

}  // namespace weft::bench
