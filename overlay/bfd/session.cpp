#include "bfd/session.hpp"

#include <algorithm>

namespace weft::bfd {

namespace {

constexpr std::uint32_t slow_us = 1'000'000;  // §6.8.3: the least while it is not up
constexpr std::uint8_t detection_expired = 1;
constexpr std::uint8_t neighbour_signaled_down = 3;
constexpr std::uint8_t administratively_down = 7;
constexpr Time ns_per_us = 1000;

}  // namespace

Session::Session(const BfdSettings& settings, std::uint32_t discriminator, std::uint32_t seed,
                 Time now)
    : settings_(settings),
      random_(seed | 1),
      discriminator_(discriminator),
      desired_tx_us_(std::max(slow_us, settings.interval_ms * 1000)),
      transmit_at_(now) {}

std::uint32_t Session::transmit_us() const { return std::max(desired_tx_us_, remote_min_rx_us_); }

std::uint32_t Session::detect_us() const {
  const std::uint64_t time =
      std::uint64_t{remote_multiplier_} *
      std::max<std::uint32_t>(settings_.interval_ms * 1000, remote_min_tx_us_);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(time, ~std::uint32_t{0}));
}

bool Session::quiet() const {
  return remote_min_rx_us_ == 0 ||
         (remote_demand_ && state_ == BfdState::up && remote_state_ == BfdState::up);
}

/// §6.8.7: a quarter earlier at most; with a multiplier of 1 at least a tenth.
Time Session::after_jitter(Time now) {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 17;
  random_ ^= random_ << 5;
  const std::uint64_t most = settings_.multiplier == 1 ? 900 : 1000;
  const std::uint64_t per_mille = 750 + random_ % (most - 750 + 1);
  return now + std::uint64_t{transmit_us()} * ns_per_us * per_mille / 1000;
}

void Session::enter(BfdState state, std::uint8_t diagnostic, Time now) {
  if (state == state_) return;
  state_ = state;
  diagnostic_ = diagnostic;
  const std::uint32_t fast = settings_.interval_ms * 1000;
  desired_tx_us_ = state == BfdState::up ? fast : std::max(slow_us, fast);
  polling_ = state == BfdState::up;
  transmit_at_ = now;  // §6.8.7: who hears it sooner is up, or goes other ways, sooner
}

void Session::receive(const wire::Bfd& packet, Time now) {
  if (state_ == BfdState::admin_down) return;
  const bool fresh = remote_discriminator_ == 0;
  remote_discriminator_ = packet.my_discriminator.get();
  remote_state_ = packet.state();
  remote_diagnostic_ = packet.diagnostic();
  remote_demand_ = packet.has(wire::Bfd::demand);
  remote_multiplier_ = packet.detect_multiplier;
  remote_min_tx_us_ = packet.desired_min_tx_us.get();
  const std::uint32_t before_us = transmit_us();
  remote_min_rx_us_ = packet.required_min_rx_us.get();
  if (packet.has(wire::Bfd::final)) polling_ = false;
  if (packet.has(wire::Bfd::poll)) answer_ = true;
  detect_at_ = now + std::uint64_t{detect_us()} * ns_per_us;

  switch (remote_state_) {
    case BfdState::admin_down:
      if (state_ != BfdState::down) enter(BfdState::down, neighbour_signaled_down, now);
      break;
    case BfdState::down:
      if (state_ == BfdState::down) enter(BfdState::init, 0, now);
      if (state_ == BfdState::up) enter(BfdState::down, neighbour_signaled_down, now);
      break;
    case BfdState::init:
      enter(BfdState::up, 0, now);
      break;
    case BfdState::up:
      if (state_ == BfdState::init) enter(BfdState::up, 0, now);
      break;
  }
  if (fresh || transmit_us() < before_us) transmit_at_ = std::min(transmit_at_, after_jitter(now));
}

std::optional<wire::Bfd> Session::tick(Time now) {
  if (now >= detect_at_) {
    detect_at_ = never;
    remote_discriminator_ = 0;
    if (state_ == BfdState::init || state_ == BfdState::up) {
      enter(BfdState::down, detection_expired, now);
      remote_state_ = BfdState::down;
    }
  }
  if (answer_) {
    answer_ = false;
    return packet(true);
  }
  if (now < transmit_at_) return std::nullopt;
  transmit_at_ = after_jitter(now);
  if (quiet()) return std::nullopt;
  return packet(false);
}

Time Session::due() const {
  if (answer_) return 0;
  return std::min(transmit_at_, detect_at_);
}

void Session::admin_down(Time now) {
  enter(BfdState::admin_down, administratively_down, now);
  detect_at_ = never;
}

wire::Bfd Session::packet(bool final) const {
  wire::Bfd out;
  out.version_diagnostic = static_cast<std::uint8_t>(wire::Bfd::version << 5 | diagnostic_);
  out.state_flags = static_cast<std::uint8_t>(static_cast<unsigned>(state_) << 6);
  // Never both at once (§6.5).
  if (final) {
    out.state_flags |= wire::Bfd::final;
  } else if (polling_) {
    out.state_flags |= wire::Bfd::poll;
  }
  out.detect_multiplier = settings_.multiplier;
  out.length = sizeof out;
  out.my_discriminator = discriminator_;
  out.your_discriminator = remote_discriminator_;
  out.desired_min_tx_us = desired_tx_us_;
  out.required_min_rx_us = settings_.interval_ms * 1000;
  return out;
}

BfdStatus Session::status() const {
  return {.id = {},
          .state = state_,
          .remote_state = remote_state_,
          .diagnostic = diagnostic_,
          .remote_diagnostic = remote_diagnostic_,
          .discriminator = discriminator_,
          .remote_discriminator = remote_discriminator_,
          .transmit_us = transmit_us(),
          .detect_us = detect_us()};
}

}  // namespace weft::bfd
