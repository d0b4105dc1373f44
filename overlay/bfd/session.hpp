#pragma once
/// One BFD session in asynchronous mode, in the active role (RFC 5880 §6.8), as a value that knows
/// neither sockets nor clocks. Times are nanoseconds of a clock that never goes back.
///
/// One thread at a time.

#include <cstdint>
#include <optional>

#include "weft/bfd.hpp"
#include "wire/bfd.hpp"

namespace weft::bfd {

using Time = std::uint64_t;
inline constexpr Time never = ~Time{0};

class Session {
 public:
  /// `discriminator`: not 0, ours alone. `seed`: of the jitter.
  Session(const BfdSettings& settings, std::uint32_t discriminator, std::uint32_t seed, Time now);

  /// A packet that wire::read_bfd() has let through and that is for this session.
  void receive(const wire::Bfd& packet, Time now);
  /// Looks at the clock; answers a packet to be sent now.
  std::optional<wire::Bfd> tick(Time now);
  /// When tick() is to be called next, unless something is received before.
  [[nodiscard]] Time due() const;
  /// From now on it says only that it is out of use (RFC 5880 §6.8.16).
  void admin_down(Time now);

  /// All but the counts of packets, which are the caller's.
  [[nodiscard]] BfdStatus status() const;

 private:
  void enter(BfdState state, std::uint8_t diagnostic, Time now);
  [[nodiscard]] std::uint32_t transmit_us() const;
  [[nodiscard]] std::uint32_t detect_us() const;
  /// Whether the neighbour wants no packets but answers.
  [[nodiscard]] bool quiet() const;
  [[nodiscard]] Time after_jitter(Time now);
  [[nodiscard]] wire::Bfd packet(bool final) const;

  BfdSettings settings_;
  std::uint32_t random_;
  BfdState state_ = BfdState::down;
  std::uint8_t diagnostic_ = 0;
  std::uint32_t discriminator_;
  std::uint32_t desired_tx_us_;

  BfdState remote_state_ = BfdState::down;
  std::uint8_t remote_diagnostic_ = 0;
  std::uint32_t remote_discriminator_ = 0;
  std::uint32_t remote_min_rx_us_ = 1;
  std::uint32_t remote_min_tx_us_ = 0;
  std::uint8_t remote_multiplier_ = 0;
  bool remote_demand_ = false;

  bool polling_ = false;  ///< until the neighbour answers with F
  bool answer_ = false;   ///< a packet with F is due
  Time transmit_at_;
  Time detect_at_ = never;
};

}  // namespace weft::bfd
