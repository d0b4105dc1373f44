#pragma once
/// A world of objects that change all the time, each field of which tells the object and its
/// version: a packet that was made of two versions, or of another's, shows it.
///
///    VM's port:     packets to 10.2.0.d, through one of the tunnels d, d ^ 1
///    fabric's port: packets of VNI t, through one of two VRFs to the VM
///
/// A tunnel's version stands in VNI, both outer addresses, UDP ports, TTL, DSCP, inner destination
/// MAC and in which adjacency it uses; an adjacency's in both MACs.

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "frames.hpp"
#include "verdicts.hpp"
#include "weft/forwarding.hpp"

namespace weft::bench {

class Versions {
 public:
  static constexpr unsigned tunnels = 256;
  static constexpr unsigned vrfs = 16;  ///< that decapsulated packets are routed in

  /// Names of the ports' objects; one VIF.
  Versions(PortId fabric, PortId vm) : fabric_(fabric), vm_(vm) {}

  /// All objects, in their first version.
  Batch world();
  /// The next versions of `count` objects: next hops, adjacencies, routes, decaps, VRFs, the VIF.
  Batch change(unsigned count);

  static std::vector<Bytes> from_vm(unsigned flows);
  static std::vector<Bytes> from_fabric(unsigned flows);

  // On the worker's thread, and counters for all.
  void judge_encapsulated(std::span<const std::uint8_t> frame);
  void judge_decapsulated(std::span<const std::uint8_t> frame);
  [[nodiscard]] const Verdicts& verdicts() const { return verdicts_; }

 private:
  using Version = std::uint16_t;
  /// What control has published, and the newest that the worker has seen: it never goes back.
  struct History {
    std::atomic<Version> published{0};
    Version seen = 0;
    bool plausible(Version version);
  };
  NexthopChange tunnel(unsigned number);
  AdjacencyChange adjacency(unsigned number);
  DecapChange decap(unsigned number);
  void change_route(unsigned destination, Batch& batch);
  const char* encapsulated_fault(std::span<const std::uint8_t> frame);
  const char* decapsulated_fault(std::span<const std::uint8_t> frame);
  const char* adjacency_fault(const std::uint8_t* macs, unsigned& number);

  static constexpr unsigned fabric_adjacencies = 16;
  PortId fabric_;
  PortId vm_;
  std::array<History, tunnels> tunnels_;
  std::array<History, fabric_adjacencies + vrfs> adjacencies_;
  std::array<Version, tunnels> decaps_{};
  std::array<Version, tunnels> routes_{};
  std::uint64_t changes_ = 0;
  unsigned next_tunnel_ = 0;
  unsigned next_adjacency_ = 0;
  unsigned next_route_ = 0;
  unsigned next_decap_ = 0;
  unsigned next_vrf_ = 0;

  Verdicts verdicts_;
};

}  // namespace weft::bench
