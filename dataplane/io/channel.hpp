#pragma once
/// The bounded queues between one worker and the control thread.

#include <boost/lockfree/spsc_queue.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "packet/packet.hpp"
#include "weft/events.hpp"

namespace weft::io {

/// Lets `rate` through a second, `burst` at once.
class TokenBucket {
 public:
  TokenBucket(double rate, double burst) : rate_(rate), burst_(burst), tokens_(burst) {}
  bool take(std::uint64_t now_tsc, std::uint64_t tsc_hz) {
    tokens_ = std::min(burst_, tokens_ + rate_ * static_cast<double>(now_tsc - last_) /
                                             static_cast<double>(tsc_hz));
    last_ = now_tsc;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  double rate_;
  double burst_;
  double tokens_;
  std::uint64_t last_ = 0;
};

template <class T, std::size_t n>
using SpscQueue = boost::lockfree::spsc_queue<T, boost::lockfree::capacity<n>>;

/// Worker to control: packets by class, and neighbours that somebody waits for.
struct PuntChannel {
  std::array<SpscQueue<rte_mbuf*, 512>, punt_class_count> packets;  ///< none of liveness
  SpscQueue<NeighbourNeeded, 256> neighbours;
};

/// What control wants done with a packet that it injects.
enum class InjectTarget : std::uint8_t { port, routed, tunnel };
struct Injected {
  rte_mbuf* packet;
  InjectTarget target;
};

/// Control to worker.
struct InjectChannel {
  SpscQueue<Injected, 1024> packets;
};

}  // namespace weft::io
