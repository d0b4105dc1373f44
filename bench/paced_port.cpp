#include "paced_port.hpp"

#include <rte_ethdev.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace weft::bench {

std::string PacedPort::device() {
  static unsigned number = 0;
  return "dpdk:net_null" + std::to_string(number++) + ",no-rx=1";
}

PacedPort::PacedPort(PortId id, OwnClock& clock)
    : clock_(clock),
      tsc_hz_(static_cast<double>(rte_get_tsc_hz())),
      id_(id),
      pool_(rte_mempool_lookup("packets")) {
  const auto port = static_cast<std::uint16_t>(id_.index());
  const auto* receiving = rte_eth_add_rx_callback(
      port, 0,
      [](std::uint16_t, std::uint16_t, rte_mbuf** packets, std::uint16_t, std::uint16_t room,
         void* self) { return static_cast<PacedPort*>(self)->receive(packets, room); },
      this);
  const auto* sending = rte_eth_add_tx_callback(
      port, 0,
      [](std::uint16_t, std::uint16_t, rte_mbuf** packets, std::uint16_t count, void* self) {
        const auto* me = static_cast<PacedPort*>(self);
        for (std::uint16_t i = 0; me->look_ != nullptr && i < count; ++i) {
          me->look_(me->look_context_,
                    {rte_pktmbuf_mtod(packets[i], std::uint8_t*), packets[i]->data_len});
        }
        return count;
      },
      this);
  if (receiving == nullptr || sending == nullptr) {
    throw std::runtime_error("this DPDK was built without callbacks on ports");
  }
}

void PacedPort::set_frames(const std::vector<Bytes>& frames) {
  frames_.assign(frames.size() * frame_room, 0);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (frames[i].size() > frame_room) throw std::runtime_error("a frame is longer than 256 bytes");
    std::memcpy(&frames_[i * frame_room], frames[i].data(), frames[i].size());
    frame_bytes_.push_back(static_cast<std::uint16_t>(frames[i].size()));
  }
}

void PacedPort::look_at_sent(Look look, void* context) {
  look_context_ = context;
  look_ = look;
}

void PacedPort::offer(double packets_a_second) {
  wanted_.store(packets_a_second, std::memory_order_relaxed);
  const std::uint64_t order = order_.fetch_add(1, std::memory_order_release) + 1;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (heard_.load(std::memory_order_acquire) != order ||
         (packets_a_second == 0 && waiting_.load(std::memory_order_acquire) != 0)) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("the worker does not take packets");
    }
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

PacedCount PacedPort::count() const {
  return {offered_.get(), taken_.get(), lost_.get(), missed_.get()};
}

/// Puts into the ring what fell due since the last call.
void PacedPort::fall_due() {
  const std::uint64_t now = clock_.now();
  const std::uint64_t away = clock_.away_ticks();
  std::uint64_t waiting = waiting_.load(std::memory_order_relaxed);
  if (packets_a_tick_ > 0) {
    // An absence may be noticed late, so that own time goes back a little.
    const auto due = static_cast<std::uint64_t>(
        static_cast<double>(std::max(now, began_) - began_) * packets_a_tick_);
    const std::uint64_t fresh = due > due_ ? due - due_ : 0;
    due_ += fresh;
    offered_.add(fresh);
    waiting += fresh;
    if (waiting > ring_slots) {
      lost_.add(waiting - ring_slots);
      waiting = ring_slots;
    }
    if (away != away_seen_) {
      const double meanwhile = static_cast<double>(away - away_seen_) * packets_a_tick_;
      const double room = static_cast<double>(ring_slots - waiting);
      if (meanwhile > room) missed_.add(static_cast<std::uint64_t>(meanwhile - room));
    }
  }
  away_seen_ = away;
  const std::uint64_t order = order_.load(std::memory_order_acquire);
  if (order != heard_.load(std::memory_order_relaxed)) {
    packets_a_tick_ = wanted_.load(std::memory_order_relaxed) / tsc_hz_;
    began_ = now;
    due_ = 0;
    heard_.store(order, std::memory_order_release);
  }
  waiting_.store(waiting, std::memory_order_release);
}

std::uint16_t PacedPort::receive(rte_mbuf** packets, std::uint16_t room) {
  fall_due();
  const std::uint64_t waiting = waiting_.load(std::memory_order_relaxed);
  const auto count = static_cast<std::uint16_t>(std::min<std::uint64_t>(waiting, room));
  if (count == 0 || rte_pktmbuf_alloc_bulk(pool_, packets, count) != 0) return 0;
  for (std::uint16_t i = 0; i < count; ++i) {
    rte_mbuf* mbuf = packets[i];
    mbuf->data_len = frame_bytes_[next_];
    mbuf->pkt_len = mbuf->data_len;
    mbuf->port = static_cast<std::uint16_t>(id_.index());
    std::memcpy(rte_pktmbuf_mtod(mbuf, void*), &frames_[next_ * frame_room], mbuf->data_len);
    next_ = next_ + 1 == frame_bytes_.size() ? 0 : next_ + 1;
  }
  taken_.add(count);
  waiting_.store(waiting - count, std::memory_order_release);
  return count;
}

}  // namespace weft::bench
