#pragma once
/// BFD control packet (RFC 5880 §4.1), the payload of UDP to port 3784 (RFC 5881 §4).
///
///    version:3 diagnostic:5 | state:2 P F C A D M | detect multiplier | length
///    my discriminator (4)
///    your discriminator (4)
///    desired min TX interval (4)       microseconds, as are the next two
///    required min RX interval (4)
///    required min echo RX interval (4)

#include <cstdint>
#include <span>

#include "weft/bfd.hpp"
#include "weft/big_endian.hpp"

namespace weft::wire {

inline constexpr std::uint16_t bfd_port = 3784;
inline constexpr std::uint16_t bfd_first_source_port = 49152;  ///< to 65535
inline constexpr std::uint8_t bfd_ttl = 255;                   ///< RFC 5881 §5; also hop limit

struct Bfd {
  std::uint8_t version_diagnostic = 0;
  std::uint8_t state_flags = 0;
  std::uint8_t detect_multiplier = 0;
  std::uint8_t length = 0;
  be32 my_discriminator;
  be32 your_discriminator;
  be32 desired_min_tx_us;
  be32 required_min_rx_us;
  be32 required_min_echo_rx_us;

  static constexpr std::uint8_t version = 1;
  static constexpr std::uint8_t poll = 0x20;
  static constexpr std::uint8_t final = 0x10;
  static constexpr std::uint8_t authenticated = 0x04;
  static constexpr std::uint8_t demand = 0x02;
  static constexpr std::uint8_t multipoint = 0x01;

  [[nodiscard]] BfdState state() const { return static_cast<BfdState>(state_flags >> 6); }
  [[nodiscard]] std::uint8_t diagnostic() const { return version_diagnostic & 0x1f; }
  [[nodiscard]] bool has(std::uint8_t flag) const { return (state_flags & flag) != 0; }
};
static_assert(sizeof(Bfd) == 24 && alignof(Bfd) == 1);

/// The control packet that a UDP payload is; nullptr: it is none that may be looked at further (RFC
/// 5880 §6.8.6, as far as that asks nothing of a session). Authentication is not in use, so that
/// packets with it are none.
inline const Bfd* read_bfd(std::span<const std::uint8_t> payload) {
  if (payload.size() < sizeof(Bfd)) return nullptr;
  const auto& bfd = *reinterpret_cast<const Bfd*>(payload.data());
  const bool nobody_meant = bfd.your_discriminator.get() == 0;
  const bool may_mean_nobody = bfd.state() == BfdState::down || bfd.state() == BfdState::admin_down;
  const bool sound = bfd.version_diagnostic >> 5 == Bfd::version && bfd.length >= sizeof(Bfd) &&
                     bfd.length <= payload.size() && bfd.detect_multiplier != 0 &&
                     !bfd.has(Bfd::multipoint) && !bfd.has(Bfd::authenticated) &&
                     bfd.my_discriminator.get() != 0 && (!nobody_meant || may_mean_nobody);
  return sound ? &bfd : nullptr;
}

}  // namespace weft::wire
