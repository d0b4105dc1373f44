#pragma once
/// All that workers know of flows: the tables of both families, and what they go by.

#include <atomic>
#include <cstdint>

#include "tables/denied_log.hpp"
#include "tables/flow_table.hpp"
#include "tables/fragment_memory.hpp"

namespace weft {

/// Time in flows by the TSC: a tick is the power of two of its cycles that is next to 1 ms.
class FlowClock {
 public:
  explicit FlowClock(std::uint64_t tsc_hz)
      : hz_(tsc_hz), shift_(static_cast<unsigned>(std::bit_width(tsc_hz * 4 / 3000) - 1)) {}
  [[nodiscard]] FlowTick tick(std::uint64_t tsc) const {
    return static_cast<FlowTick>(tsc >> shift_);
  }
  [[nodiscard]] FlowTick ticks(std::uint64_t ms) const {
    return static_cast<FlowTick>(ms * (hz_ / 1000) >> shift_);
  }
  [[nodiscard]] std::uint64_t ms(FlowTick ticks) const {
    return (std::uint64_t{ticks} << shift_) / (hz_ / 1000);
  }

 private:
  std::uint64_t hz_;
  unsigned shift_;
};

struct FlowTables {
  FlowTables(tunnel::HashSeed seed, const FlowSettings& settings, std::uint64_t tsc_hz,
             Pages pages = Pages::transparent)
      : clock(tsc_hz),
        v4(seed, settings.sessions4, rules, pages),
        v6(seed, settings.sessions6, rules, pages),
        fragments(seed) {
    set_rules(settings);
  }
  /// What tables of these sizes take of Pages::reserved; each of their arrays may waste most of a
  /// page.
  [[nodiscard]] static std::size_t hugepage_bytes_for(const FlowSettings& settings) {
    constexpr std::size_t arrays = 6;
    return FlowTable<FlowKey4>::bytes_for(settings.sessions4) +
           FlowTable<FlowKey6>::bytes_for(settings.sessions6) +
           arrays * MappedMemory::hugepage_bytes;
  }
  /// Timeouts and limits; sizes stay.
  void set_rules(const FlowSettings& settings) {
    const FlowTimeouts& t = settings.timeouts;
    rules.tcp_opening.set(clock.ticks(t.tcp_opening_ms));
    rules.tcp_established.set(clock.ticks(t.tcp_established_ms));
    rules.tcp_closing.set(clock.ticks(t.tcp_closing_ms));
    rules.udp_one_way.set(clock.ticks(t.udp_one_way_ms));
    rules.udp_answered.set(clock.ticks(t.udp_answered_ms));
    rules.icmp.set(clock.ticks(t.icmp_ms));
    rules.other.set(clock.ticks(t.other_ms));
    rules.sessions_a_vif.set(settings.sessions_a_vif);
  }

  template <class Key>
  [[nodiscard]] FlowTable<Key>& of() {
    if constexpr (std::is_same_v<Key, FlowKey4>) {
      return v4;
    } else {
      return v6;
    }
  }

  FlowClock clock;
  FlowRules rules;
  FlowTable<FlowKey4> v4;
  FlowTable<FlowKey6> v6;
  FragmentMemory fragments;
  /// What the next hops and verdicts of flows must be stamped with to hold.
  std::atomic<FlowStamp> stamp{flow_stamp(1, 1)};
};

/// What one thread needs to write in them, and to tell of what is let into none.
class FlowHands {
 public:
  FlowHands(FlowTables& tables, Rcu& rcu, std::uint8_t number)
      : tables_(tables),
        v4_(rcu, number, IpFamily::v4),
        v6_(rcu, number, IpFamily::v6),
        denied_(tables.clock.ticks(1000)) {}

  [[nodiscard]] std::uint8_t number() const { return v4_.worker; }
  template <class Key>
  [[nodiscard]] FlowWriter& of() {
    if constexpr (std::is_same_v<Key, FlowKey4>) {
      return v4_;
    } else {
      return v6_;
    }
  }
  [[nodiscard]] const FlowWriter& v4() const { return v4_; }
  [[nodiscard]] const FlowWriter& v6() const { return v6_; }

  /// Before each burst.
  void begin(std::uint64_t tsc) { now_ = tables_.clock.tick(tsc); }
  [[nodiscard]] FlowTick now() const { return now_; }
  /// The generations as they were before the burst's routes were searched.
  void begin_search(FlowStamp stamp) { stamp_ = stamp; }
  [[nodiscard]] FlowStamp stamp() const { return stamp_; }

  [[nodiscard]] DeniedLog& denied() { return denied_; }

  /// Between bursts: ages a share of the sessions, so that `writers` threads pass over all of them
  /// in about four seconds, makes numbers of closed ones usable and takes over directions that it
  /// asked for.
  /// `idle`: nothing else waits, so that more can be looked at.
  void tidy(unsigned writers, bool idle = false) {
    reclaim();
    tables_.v4.take_over(v4_);
    tables_.v6.take_over(v6_);
    const FlowTick passed = now_ - tidied_;
    if (passed == 0) return;
    tidied_ = now_;
    const std::uint64_t most = idle ? 8192 : 512;  // sessions
    age(tables_.v4, v4_, passed, writers, most);
    age(tables_.v6, v6_, passed, writers, most);
  }
  void reclaim(std::size_t at_once = 256) {
    tables_.v4.reclaim(v4_, at_once);
    tables_.v6.reclaim(v6_, at_once);
  }
  /// Whether directions are about to be taken over, which some packets wait for.
  [[nodiscard]] bool moving() const { return !v4_.moves.empty() || !v6_.moves.empty(); }
  /// Sessions that were closed and wait for the workers to let go of them.
  [[nodiscard]] std::size_t waiting() const { return v4_.closed.size() + v6_.closed.size(); }

 private:
  template <class Key>
  void age(FlowTable<Key>& table, FlowWriter& writer, FlowTick passed, unsigned writers,
           std::uint64_t most) {
    constexpr std::uint64_t round = 4096;  // ticks
    const std::uint64_t due = std::uint64_t{table.frontier()} * passed / round / writers + 1;
    table.age(writer, now_, static_cast<std::uint32_t>(std::min(due, most)), writers);
  }

  FlowTables& tables_;
  FlowWriter v4_;
  FlowWriter v6_;
  FlowTick now_ = 0;
  FlowTick tidied_ = 0;
  FlowStamp stamp_ = 0;
  DeniedLog denied_;
};

}  // namespace weft
