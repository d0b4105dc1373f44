#pragma once
/// Encapsulations as routes name them.

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "weft/tunnel.hpp"

namespace weft::vpn {

enum class Encapsulation : std::uint8_t {
  gre,
  udp,
  vxlan,
  mpls,
  vxlan_gpe,
  nvgre,
  geneve,
  gre_key,
  srv6,
};

/// What tells a receiver's networks apart.
enum class NetworkField : std::uint8_t { label, vni, none };

struct EncapsulationInfo {
  Encapsulation encapsulation;
  std::string_view name;
  NetworkField network;
  TunnelKind kind;  ///< `none`: known by name, but no tunnel of ours
};

/// Names as deployed end systems write them; `geneve`, `gre-key` (the key stands in the VNI) and
/// `srv6` (the next hop is the segment) are ours.
inline constexpr std::array encapsulations{
    EncapsulationInfo{Encapsulation::gre, "gre", NetworkField::label, TunnelKind::mpls_over_gre},
    EncapsulationInfo{Encapsulation::udp, "udp", NetworkField::label, TunnelKind::mpls_over_udp},
    EncapsulationInfo{Encapsulation::vxlan, "vxlan", NetworkField::vni, TunnelKind::vxlan},
    EncapsulationInfo{Encapsulation::mpls, "mpls", NetworkField::label, TunnelKind::mpls_over_mpls},
    EncapsulationInfo{Encapsulation::vxlan_gpe, "vxlan-gpe", NetworkField::vni,
                      TunnelKind::vxlan_gpe},
    EncapsulationInfo{Encapsulation::nvgre, "nvgre", NetworkField::vni, TunnelKind::none},
    EncapsulationInfo{Encapsulation::geneve, "geneve", NetworkField::vni, TunnelKind::geneve},
    EncapsulationInfo{Encapsulation::gre_key, "gre-key", NetworkField::vni, TunnelKind::keyed_gre},
    EncapsulationInfo{Encapsulation::srv6, "srv6", NetworkField::none, TunnelKind::srv6},
};

constexpr const EncapsulationInfo& describe(Encapsulation encapsulation) {
  return encapsulations[static_cast<std::size_t>(encapsulation)];
}
constexpr std::string_view to_string(Encapsulation encapsulation) {
  return describe(encapsulation).name;
}
constexpr std::optional<Encapsulation> parse_encapsulation(std::string_view name) {
  for (const auto& info : encapsulations) {
    if (info.name == name) return info.encapsulation;
  }
  return std::nullopt;
}
/// How routes name tunnels of that kind, where they can.
constexpr std::optional<Encapsulation> encapsulation_of(TunnelKind kind) {
  for (const auto& info : encapsulations) {
    if (info.kind == kind && kind != TunnelKind::none) return info.encapsulation;
  }
  return std::nullopt;
}

/// Encapsulations in order of preference, each at most once.
class EncapsulationList {
 public:
  constexpr EncapsulationList() = default;
  constexpr EncapsulationList(std::initializer_list<Encapsulation> list) {
    for (const auto encapsulation : list) add(encapsulation);
  }

  /// Behind the others; false where it is there already.
  constexpr bool add(Encapsulation encapsulation) {
    if (contains(encapsulation)) return false;
    items_[size_++] = encapsulation;
    return true;
  }
  [[nodiscard]] constexpr bool contains(Encapsulation encapsulation) const {
    return std::find(begin(), end(), encapsulation) != end();
  }
  [[nodiscard]] constexpr const Encapsulation* begin() const { return items_.data(); }
  [[nodiscard]] constexpr const Encapsulation* end() const { return items_.data() + size_; }
  [[nodiscard]] constexpr std::size_t size() const { return size_; }
  [[nodiscard]] constexpr bool empty() const { return size_ == 0; }
  /// These, those of `preferred` first and in its order.
  [[nodiscard]] constexpr EncapsulationList ordered_by(const EncapsulationList& preferred) const {
    EncapsulationList out;
    for (const auto encapsulation : preferred) {
      if (contains(encapsulation)) out.add(encapsulation);
    }
    for (const auto encapsulation : *this) out.add(encapsulation);
    return out;
  }
  friend constexpr auto operator<=>(const EncapsulationList&, const EncapsulationList&) = default;

 private:
  std::array<Encapsulation, encapsulations.size()> items_{};
  std::uint8_t size_ = 0;
};

}  // namespace weft::vpn
