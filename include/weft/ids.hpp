#pragma once
/// Strong identifiers. Each names one kind of object; none converts into another.

#include <compare>
#include <cstdint>
#include <functional>

namespace weft {

/// An index into a table together with the generation of that slot, so that an id which outlived
/// its object never matches the slot's next tenant. The default-constructed id names nothing.
template <class Tag>
class Id {
 public:
  static constexpr std::uint32_t index_bits = 24;
  static constexpr std::uint32_t max_index = (1U << index_bits) - 2;

  constexpr Id() = default;
  constexpr explicit Id(std::uint32_t index, std::uint8_t generation = 0)
      : raw_(index | static_cast<std::uint32_t>(generation) << index_bits) {}

  [[nodiscard]] constexpr std::uint32_t index() const { return raw_ & ((1U << index_bits) - 1); }
  [[nodiscard]] constexpr std::uint8_t generation() const {
    return static_cast<std::uint8_t>(raw_ >> index_bits);
  }
  [[nodiscard]] constexpr std::uint32_t raw() const { return raw_; }
  [[nodiscard]] static constexpr Id from_raw(std::uint32_t raw) {
    Id id;
    id.raw_ = raw;
    return id;
  }
  [[nodiscard]] constexpr bool valid() const { return index() <= max_index; }
  friend constexpr auto operator<=>(Id, Id) = default;

 private:
  std::uint32_t raw_ = max_index + 1;
};

using PortId = Id<struct PortTag>;        ///< a device or a VLAN of it
using VifId = Id<struct VifTag>;          ///< a virtual interface of a VM, container or function
using VrfId = Id<struct VrfTag>;          ///< a routing table; index 0 is the underlay
using NexthopId = Id<struct NexthopTag>;  ///< what a route or a decapsulation leads to
using AdjacencyId = Id<struct AdjacencyTag>;  ///< a neighbour on a port: layer-2 header and MTU
using DecapId = Id<struct DecapTag>;          ///< a decapsulation entry, or a mark of it
using PolicyId = Id<struct PolicyTag>;        ///< what VIFs may send and get
using BfdId = Id<struct BfdTag>;              ///< a BFD session
using ObserverId = Id<struct ObserverTag>;    ///< a trace or capture that runs

inline constexpr VrfId underlay_vrf{0};

/// Counts published changes; grows by one with each batch that was applied.
using Generation = std::uint64_t;

}  // namespace weft

template <class Tag>
struct std::hash<weft::Id<Tag>> {
  std::size_t operator()(weft::Id<Tag> id) const noexcept {
    return std::hash<std::uint32_t>{}(id.raw());
  }
};
