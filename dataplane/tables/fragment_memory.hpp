#pragma once
/// Which ports a fragmented datagram has: its first fragment tells, the others ask. A small table
/// in which newer datagrams overwrite older ones; any thread reads and writes at once.

#include <atomic>
#include <cstdint>
#include <optional>

#include "tables/flow_key.hpp"
#include "tables/reserved_array.hpp"

namespace weft {

class FragmentMemory {
 public:
  explicit FragmentMemory(tunnel::HashSeed seed) : seed_(seed), places_(count) {}

  /// `datagram`: the flow's key without its ports. `identification` as in the IP header. `now` in
  /// about seconds.
  template <class Key>
  void learn(const Key& datagram, std::uint32_t identification, FlowPorts ports,
             std::uint32_t now) {
    const std::uint64_t name = name_of(datagram, identification);
    Place& place = places_[(name >> 1) % count];
    const std::uint64_t said = std::uint64_t{now} << 32 | ports;
    // Whoever finds one half of another's does not find the name.
    place.name.store(name ^ said, std::memory_order_relaxed);
    place.said.store(said, std::memory_order_relaxed);
  }
  template <class Key>
  [[nodiscard]] std::optional<FlowPorts> ports(const Key& datagram, std::uint32_t identification,
                                               std::uint32_t now) const {
    const std::uint64_t name = name_of(datagram, identification);
    const Place& place = places_[(name >> 1) % count];
    const std::uint64_t said = place.said.load(std::memory_order_relaxed);
    if ((place.name.load(std::memory_order_relaxed) ^ said) != name) return std::nullopt;
    // Another worker's clock may be ahead.
    const auto age = static_cast<std::int32_t>(now - static_cast<std::uint32_t>(said >> 32));
    if (age > lifetime_s) return std::nullopt;
    return static_cast<FlowPorts>(said);
  }

 private:
  static constexpr std::size_t count = 16384;
  static constexpr std::int32_t lifetime_s = 30;  ///< RFC 6864 §4.3, RFC 8200 §4.5: 60 and less

  template <class Key>
  [[nodiscard]] std::uint64_t name_of(Key datagram, std::uint32_t identification) const {
    datagram.ports = identification;
    return datagram.hash(seed_) | 1;  // never that of an empty place
  }

  struct Place {
    std::atomic<std::uint64_t> name;
    std::atomic<std::uint64_t> said;
  };
  tunnel::HashSeed seed_;
  ReservedArray<Place> places_;
};

}  // namespace weft
