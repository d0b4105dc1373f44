#pragma once
/// Bidirectional forwarding detection (RFC 5880) with neighbours on a link (RFC 5881): whether they
/// forward, known within milliseconds.

#include <array>
#include <cstdint>
#include <string_view>

#include "weft/address.hpp"
#include "weft/ids.hpp"

namespace weft {

/// RFC 5880 §4.1.
enum class BfdState : std::uint8_t { admin_down, down, init, up };
constexpr std::string_view state_name(BfdState state) {
  constexpr std::string_view names[] = {"admin-down", "down", "init", "up"};
  return names[static_cast<std::size_t>(state)];
}

/// Why a session went down last (RFC 5880 §4.1).
constexpr std::string_view bfd_diagnostic_text(std::uint8_t diagnostic) {
  constexpr std::array<std::string_view, 9> texts{"none",
                                                  "nothing heard in time",
                                                  "echo failed",
                                                  "the neighbour says so",
                                                  "forwarding reset",
                                                  "path down",
                                                  "concatenated path down",
                                                  "administratively down",
                                                  "reverse concatenated path down"};
  return diagnostic < texts.size() ? texts[diagnostic] : "reserved";
}

/// How often to send and to hear, and how many packets in a row may be missed.
struct BfdSettings {
  std::uint32_t interval_ms = 50;
  std::uint8_t multiplier = 3;
  friend bool operator==(const BfdSettings&, const BfdSettings&) = default;
};

/// A session with a neighbour: by `adjacency`, which may come to be resolved later.
struct BfdRequest {
  PortId port;
  AdjacencyId adjacency;
  IpAddress local;
  IpAddress neighbour;
  BfdSettings settings;
};

struct BfdStatus {
  BfdId id;
  BfdState state = BfdState::down;
  BfdState remote_state = BfdState::down;
  std::uint8_t diagnostic = 0;
  std::uint8_t remote_diagnostic = 0;
  std::uint32_t discriminator = 0;
  std::uint32_t remote_discriminator = 0;  ///< 0: not known
  std::uint32_t transmit_us = 0;           ///< between packets that are sent, before jitter
  std::uint32_t detect_us = 0;             ///< without a packet before it is down
  std::uint64_t sent = 0;
  std::uint64_t received = 0;

  /// Whether packets may go by the neighbour: it answers, or it has said that it does no BFD for
  /// now, which says nothing of its forwarding (RFC 5882 §3.2).
  [[nodiscard]] bool alive() const {
    return state == BfdState::up || remote_state == BfdState::admin_down;
  }
};

}  // namespace weft
