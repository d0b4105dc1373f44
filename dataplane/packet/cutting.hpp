#pragma once
/// What one worker cuts packets into pieces with.

#include <rte_mempool.h>

#include <cstdint>

#include "tunnel/entropy.hpp"

namespace weft {

/// Numbers of datagrams that may be cut (RFC 791 §3.2, RFC 8200 §4.5). Of those that the workers of
/// a router give none comes twice among 2^32 (IPv4: 2^16) of a worker's own, and nobody else can
/// tell the next one (RFC 7739 §5).
class Identifications {
 public:
  Identifications(unsigned worker, unsigned workers, const tunnel::HashSeed& secret)
      : count_(worker), step_(workers), secret_(static_cast<std::uint32_t>(secret.second)) {}

  std::uint32_t next32() { return shuffled<std::uint32_t>(take(), 0x9e3779b1, 0x85ebca6b); }
  std::uint16_t next16() { return shuffled<std::uint16_t>(take(), 0x9e37, 0xca6b); }

 private:
  /// One to one: the factors are odd.
  template <class Number>
  [[nodiscard]] Number shuffled(std::uint32_t number, std::uint32_t first,
                                std::uint32_t second) const {
    constexpr unsigned half = sizeof(Number) * 4;
    auto id = static_cast<Number>(number * first ^ secret_);
    id = static_cast<Number>((id ^ id >> half) * second);
    return static_cast<Number>(id ^ id >> half);
  }
  std::uint32_t take() {
    const std::uint32_t count = count_;
    count_ += step_;
    return count;
  }

  std::uint32_t count_;
  std::uint32_t step_;
  std::uint32_t secret_;
};

struct Cutting {
  rte_mempool* pool;  ///< of buffers for the pieces, with packet metadata
  Identifications identifications;
  /// Empties the exits of the burst, when they have no room for more pieces.
  void (*empty_exits)(void* context);
  void* context;
};

}  // namespace weft
