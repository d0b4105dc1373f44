#pragma once
/// Packets that wait for a neighbour's MAC: a small bounded queue of one worker, and a source of
/// bursts once the neighbour is known.

#include <cstdint>
#include <vector>

#include "packet/burst.hpp"
#include "tables/tables.hpp"

namespace weft::io {

class HoldQueue {
 public:
  static constexpr std::size_t capacity = 256;
  static constexpr std::size_t capacity_per_neighbour = 32;
  static constexpr double patience_seconds = 3.0;

  /// False: the queue is full for this packet. `first` says that nobody else waits for the
  /// neighbour, so control should be asked.
  bool add(Packet packet, std::uint64_t now_tsc, std::uint64_t tsc_hz, bool& first);

  /// What has become of the packets that wait.
  enum class Fate : std::uint8_t { wait, output, resolve, port_gone, nexthop_gone, expired };
  struct Released {
    Packet packet;
    Fate fate;
  };
  /// Takes at most max_burst packets out whose waiting has ended.
  std::vector<Released> take(const Tables& tables, std::uint64_t now_tsc);

  [[nodiscard]] std::size_t size() const { return waiting_.size(); }
  [[nodiscard]] const std::vector<Packet>& waiting() const { return waiting_; }

 private:
  static Fate fate_of(const Tables& tables, const PacketMetadata& m, std::uint64_t now_tsc);
  std::vector<Packet> waiting_;
};

}  // namespace weft::io
