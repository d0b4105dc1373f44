#pragma once
/// What one worker tells control of the packets that policies deny: some at once, a few a second,
/// and how many it kept to itself.

#include <algorithm>
#include <boost/lockfree/spsc_queue.hpp>
#include <cstdint>
#include <utility>

#include "tables/flow_table.hpp"
#include "weft/events.hpp"

namespace weft {

class DeniedLog {
 public:
  static constexpr FlowTick at_once = 16;
  static constexpr FlowTick a_second = 8;

  /// `second`: in ticks.
  explicit DeniedLog(FlowTick second) : price_(std::max(second / a_second, 1U)) {}

  /// Of the worker: one more. `make()` makes it, if it is told of.
  template <class Make>
  void add(FlowTick now, Make&& make) {
    credit_ = std::min<std::uint64_t>(credit_ + (now - last_), at_once * price_);
    last_ = now;
    if (credit_ < price_ || queue_.write_available() == 0) {
      ++untold_;
      return;
    }
    credit_ -= price_;
    DeniedPacket packet = make();
    packet.untold = std::exchange(untold_, 0);
    queue_.push(packet);
    news_ = true;
  }
  /// Of the worker: whether control has something to read since it was asked last.
  bool take_news() { return std::exchange(news_, false); }

  /// Of control.
  bool pop(DeniedPacket& packet) { return queue_.pop(packet); }

 private:
  FlowTick price_;  ///< of telling of one, in ticks that have passed
  std::uint64_t credit_ = std::uint64_t{at_once} * price_;
  FlowTick last_ = 0;
  std::uint64_t untold_ = 0;
  bool news_ = false;
  boost::lockfree::spsc_queue<DeniedPacket, boost::lockfree::capacity<64>> queue_;
};

}  // namespace weft
