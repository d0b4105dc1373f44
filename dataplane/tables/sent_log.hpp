#pragma once
/// What one worker tells control of packets that went into tunnels that are watched: the latest of
/// them, as far as control keeps up.

#include <algorithm>
#include <array>
#include <boost/lockfree/spsc_queue.hpp>
#include <cstdint>
#include <cstring>
#include <utility>

#include "weft/events.hpp"

namespace weft {

class SentLog {
 public:
  struct Record {
    NexthopId tunnel;
    std::uint16_t bytes = 0;
    std::uint16_t kept = 0;
    std::array<std::uint8_t, SentPacket::most> start;
  };

  /// Of the worker: an outer packet of `bytes` bytes, `readable` of them from `start` on.
  void add(NexthopId tunnel, std::uint16_t bytes, const std::uint8_t* start, std::size_t readable) {
    Record record;
    record.tunnel = tunnel;
    record.bytes = bytes;
    record.kept = static_cast<std::uint16_t>(std::min(readable, SentPacket::most));
    std::memcpy(record.start.data(), start, record.kept);
    news_ |= queue_.push(record);
  }
  /// Of the worker: whether control has something to read since it was asked last.
  bool take_news() { return std::exchange(news_, false); }

  /// Of control.
  bool pop(Record& record) { return queue_.pop(record); }

 private:
  bool news_ = false;
  boost::lockfree::spsc_queue<Record, boost::lockfree::capacity<64>> queue_;
};

}  // namespace weft
