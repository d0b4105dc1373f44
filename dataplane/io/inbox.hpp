#pragma once
/// Packets that other workers have received for this one: a lock-free ring for each of them.
///
/// A ring a pair of workers and not one a worker: whoever puts packets in waits for nobody and
/// needs no locked instruction for the place, a sender that the kernel stops in the middle holds
/// nobody else up, and one that sends too much fills no other's ring.

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "io/channel.hpp"
#include "packet/burst.hpp"

namespace weft::io {

struct Handed {
  rte_mbuf* packet;
  PortId port;  ///< where it arrived; invalid: it has been through the stages, and is BFD
};

class Inbox {
 public:
  static constexpr std::size_t capacity = 1024;  ///< packets of a ring; as of a port's queue

  /// Of worker `number` among `workers`, at most 32.
  Inbox(unsigned number, unsigned workers) {
    for (unsigned w = 0; w < workers; ++w) {
      rings_.push_back(w == number ? nullptr : std::make_unique<Ring>());
    }
  }

  struct Put {
    unsigned taken;  ///< the first so many are in the ring
    bool first;      ///< nothing waited before, so the worker may be asleep
  };
  /// From worker `from`, on its thread.
  Put put(unsigned from, std::span<const Handed> packets) {
    const std::size_t taken = rings_[from]->push(packets.data(), packets.size());
    const std::uint32_t before =
        senders_.fetch_or(std::uint32_t{1} << from, std::memory_order_seq_cst);
    return {static_cast<unsigned>(taken), before == 0};
  }

  [[nodiscard]] bool empty() const { return senders_.load(std::memory_order_seq_cst) == 0; }

  /// On the worker's thread: calls `visit` with at most `most` packets of each other worker, in the
  /// order in which that one put them.
  template <class Visit>
  void take(unsigned most, Visit&& visit) {
    std::uint32_t rest = 0;
    for (std::uint32_t senders = senders_.exchange(0, std::memory_order_seq_cst); senders != 0;
         senders &= senders - 1) {
      const auto from = static_cast<unsigned>(std::countr_zero(senders));
      std::array<Handed, max_burst> packets;
      const std::size_t count =
          rings_[from]->pop(packets.data(), std::min<std::size_t>(most, max_burst));
      if (rings_[from]->read_available() != 0) rest |= std::uint32_t{1} << from;
      if (count != 0) visit(std::span<const Handed>(packets.data(), count));
    }
    if (rest != 0) senders_.fetch_or(rest, std::memory_order_seq_cst);
  }

 private:
  using Ring = SpscQueue<Handed, capacity>;
  std::vector<std::unique_ptr<Ring>> rings_;           ///< by sender
  alignas(64) std::atomic<std::uint32_t> senders_{0};  ///< bit set: its ring may hold packets
};

}  // namespace weft::io
