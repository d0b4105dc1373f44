#pragma once
/// A port that offers packets by a schedule and looks at what leaves.
///
/// The device is DPDK's net_null. Callbacks of ethdev, which run within the worker's own calls to
/// receive and transmit, hand out the packets and see those that leave: no second core feeds the
/// worker, and it is the worker of weftd.

#include <cstdint>
#include <string>
#include <vector>

#include "frames.hpp"
#include "io/router.hpp"
#include "own_clock.hpp"

namespace weft::bench {

/// What a source has counted since its start.
struct PacedCount {
  std::uint64_t offered = 0;
  std::uint64_t taken = 0;
  std::uint64_t lost = 0;    ///< fell out of the ring while the worker had its CPU
  std::uint64_t missed = 0;  ///< would have fallen out of it while another process had the CPU
  PacedCount operator-(const PacedCount& before) const {
    return {offered - before.offered, taken - before.taken, lost - before.lost,
            missed - before.missed};
  }
};

class PacedPort {
 public:
  static constexpr std::uint64_t ring_slots = 1024;

  /// What to open as a port, so that packets come from here alone; each time another one.
  static std::string device();
  /// Of a port that was opened with device(); one worker, whose time `clock` tells. The router must
  /// end before this does. Throws std::runtime_error.
  PacedPort(PortId port, OwnClock& clock);
  PacedPort(const PacedPort&) = delete;
  PacedPort& operator=(const PacedPort&) = delete;

  [[nodiscard]] PortId id() const { return id_; }

  // From the control thread.
  /// What to offer, in turn, each at most 256 bytes; before the first offer().
  void set_frames(const std::vector<Bytes>& frames);
  /// From now on so many packets a second of the worker's own time; 0 ends it. Answers once the
  /// worker has heard of it and, for 0, has taken what waited. Throws when that takes 10 s.
  void offer(double packets_a_second);
  [[nodiscard]] PacedCount count() const;

  /// Sees each packet that leaves, on the worker's thread; nullptr: nobody does.
  using Look = void (*)(void* context, std::span<const std::uint8_t> frame);
  void look_at_sent(Look look, void* context);

 private:
  std::uint16_t receive(rte_mbuf** packets, std::uint16_t room);
  void fall_due();

  static constexpr std::size_t frame_room = 256;
  OwnClock& clock_;
  double tsc_hz_;
  PortId id_;
  rte_mempool* pool_;
  std::vector<std::uint8_t> frames_;  // each in frame_room bytes
  std::vector<std::uint16_t> frame_bytes_;
  Look look_ = nullptr;
  void* look_context_ = nullptr;

  std::atomic<double> wanted_{0};
  std::atomic<std::uint64_t> order_{0};  // grows with each offer()
  std::atomic<std::uint64_t> heard_{0};
  std::atomic<std::uint64_t> waiting_{0};

  // The worker's.
  double packets_a_tick_ = 0;
  std::uint64_t began_ = 0;  // own ticks
  std::uint64_t due_ = 0;    // since then
  std::uint64_t away_seen_ = 0;
  std::size_t next_ = 0;
  Counter offered_;
  Counter taken_;
  Counter lost_;
  Counter missed_;
};

}  // namespace weft::bench
