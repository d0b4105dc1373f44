#pragma once
/// Sessions: what is known of a conversation and of each of its two directions.
///
/// Direction 2n and 2n + 1 belong to session n; they are adjacent cache lines. Any worker looks
/// directions up and opens sessions, without locks. One worker, the owner, writes a direction; what
/// others see of it they count in the session, by atomic additions. A direction that another sees
/// much of becomes that one's, by way of a time in which it is nobody's and all count in the
/// session. A session that is closed is unlinked at once, and its number is used again when no
/// thread can hold it any more (RCU).

#include <atomic>
#include <boost/circular_buffer.hpp>
#include <cstdint>
#include <deque>
#include <random>

#include "tables/counters.hpp"
#include "tables/flow_index.hpp"
#include "tables/flow_key.hpp"
#include "tables/flow_pool.hpp"
#include "tables/rcu.hpp"
#include "tables/relaxed.hpp"
#include "weft/drop_reason.hpp"
#include "weft/flow.hpp"
#include "wire/tcp.hpp"

namespace weft {

/// Time in flows: 2^n cycles of the TSC, about a millisecond; 32 bits, compared by difference.
using FlowTick = std::uint32_t;

/// Route and policy generation, as flows are stamped with them. A generation is never 0.
using FlowStamp = std::uint64_t;
constexpr FlowStamp flow_stamp(std::uint32_t route, std::uint32_t policy) {
  return std::uint64_t{policy} << 32 | route;
}

/// One direction. IPv4: one cache line; IPv6: two, the second of which holds nothing yet.
template <class Key>
struct alignas(64) FlowEntry {
  static constexpr std::uint8_t nobody = 0xff;
  /// On its way to `worker`, which alone can end that: nobody writes the entry, but `last_seen` and
  /// flags, as anybody may at any time.
  static constexpr std::uint8_t moving_to(std::uint8_t worker) { return worker | 0x80; }
  static constexpr bool is_worker(std::uint8_t owner) { return owner < 0x80; }

  Key key;                       ///< fixed as long as the entry is visible
  std::atomic<FlowStamp> stamp;  ///< the generations for which nexthop and verdict hold
  Relaxed<std::uint64_t> packets;
  Relaxed<std::uint64_t> bytes;
  Relaxed<std::uint32_t> nexthop;  ///< raw id
  Relaxed<std::uint32_t> ingress;  ///< raw id of the VIF, or of none for the fabric
  Relaxed<std::uint32_t> vrf;      ///< raw id of the one whose route was found; none: no route was
  Relaxed<FlowTick> last_seen;
  Relaxed<std::uint32_t> extension;     ///< room: NAT binding, service path, mirror; 0: none
  std::atomic<std::uint8_t> owner;      ///< worker, moving_to() one, or nobody
  std::atomic<std::uint8_t> tcp_flags;  ///< all that were seen, but SYN
  std::atomic<bool> tcp_syn;            ///< a SYN was seen

  /// Whether TCP flags say what is not known yet. Each SYN does: it may open another connection.
  [[nodiscard, gnu::always_inline]] bool is_news(std::uint8_t flags) const {
    return (flags & ~tcp_flags.load(std::memory_order_relaxed)) != 0;
  }
  void see_tcp_flags(std::uint8_t flags) {
    constexpr std::uint8_t syn = wire::tcp_flag::syn;
    tcp_flags.fetch_or(flags & static_cast<std::uint8_t>(~syn), std::memory_order_relaxed);
    if ((flags & syn) != 0) tcp_syn.store(true, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint8_t seen_tcp_flags() const {
    const std::uint8_t syn = tcp_syn.load(std::memory_order_relaxed) ? wire::tcp_flag::syn : 0;
    return tcp_flags.load(std::memory_order_relaxed) | syn;
  }
};
static_assert(sizeof(FlowEntry<FlowKey4>) == 64);
static_assert(sizeof(FlowEntry<FlowKey6>) == 128);

struct alignas(64) FlowSession {
  enum : std::uint32_t { free, opening, live, closing };
  struct Foreign {
    Relaxed<std::uint64_t> packets;
    Relaxed<std::uint64_t> bytes;
  };

  Relaxed<std::uint64_t> id;
  Foreign foreign[2];  ///< of each direction: what others than the owner saw
  std::atomic<std::uint32_t> state;
  Relaxed<FlowTick> opened;
  Relaxed<std::uint32_t> charged_vif;  ///< raw id
  FlowPoolLink link;
};
static_assert(sizeof(FlowSession) == 64);

/// Timeouts in ticks and limits; control may change them at any time.
struct FlowRules {
  Relaxed<FlowTick> tcp_opening, tcp_established, tcp_closing, udp_one_way, udp_answered, icmp,
      other;
  Relaxed<std::uint32_t> sessions_a_vif;  ///< of each family; 0: any number
};

/// What one VIF has open, and the last of it: where the VIF has as much as it may, one of those
/// gives way to the next.
struct alignas(64) VifSessions {
  std::atomic<std::uint64_t> count;  ///< of the VIF whose raw id stands above the number
  std::atomic<std::uint32_t> next;
  std::atomic<std::uint32_t> recent[13];

  static constexpr std::uint32_t of(std::uint64_t count, VifId vif) {
    return count >> 32 == vif.raw() ? static_cast<std::uint32_t>(count) : 0;
  }
  /// One more for `vif`, unless it has `limit`; 0: any number. What a VIF had open that was deleted
  /// is no matter of the next one under its index.
  bool add(VifId vif, std::uint32_t limit) {
    std::uint64_t old = count.load(std::memory_order_relaxed);
    do {
      if (limit != 0 && of(old, vif) >= limit) return false;
    } while (
        !count.compare_exchange_weak(old, with(vif, of(old, vif) + 1), std::memory_order_relaxed));
    return true;
  }
  void remove(VifId vif) {
    std::uint64_t old = count.load(std::memory_order_relaxed);
    do {
      if (of(old, vif) == 0) return;
    } while (
        !count.compare_exchange_weak(old, with(vif, of(old, vif) - 1), std::memory_order_relaxed));
  }

 private:
  static constexpr std::uint64_t with(VifId vif, std::uint32_t n) {
    return std::uint64_t{vif.raw()} << 32 | n;
  }
};
static_assert(sizeof(VifSessions) == 64);

/// What one thread that opens and closes sessions keeps for itself.
struct FlowWriter {
  /// `number`: at most 126, and different for each thread; `family`: different for each table.
  FlowWriter(Rcu& rcu, std::uint8_t number, IpFamily family)
      : worker(number),
        grace(&rcu),
        next_id(std::uint64_t{number} << 56 | std::uint64_t{family == IpFamily::v6} << 55),
        random(number + 1U) {}

  struct Closed {
    std::uint64_t token;
    std::uint32_t session;
  };
  /// A direction that is to become this worker's; `id`: of its session.
  struct Move {
    std::uint64_t token;
    std::uint64_t id;
    std::uint32_t direction;
  };
  std::uint8_t worker;
  Rcu* grace;
  std::vector<std::uint32_t> hand;
  std::deque<Closed> closed;  ///< that wait for their grace period
  boost::circular_buffer<Move> moves{64};
  std::uint64_t next_id;
  std::uint32_t scan = 0;  ///< where aging goes on
  std::minstd_rand random;
  DropReason refusal = DropReason::none;  ///< why the last session was not opened

  Relaxed<std::uint64_t> opened, closings, expired, evicted, cleared, refused, freed;
};

/// A session about to be opened.
template <class Key>
struct FlowOpening {
  Key forward{};  ///< of the packet in hand
  Key reverse{};
  std::uint64_t forward_hash = 0;
  FlowStamp stamp = 0;
  VifId ingress{};
  VifId charged{};
  NexthopId nexthop{};
  VrfId vrf{};
  FlowTick now = 0;
};

template <class Key>
class FlowTable {
 public:
  using Entry = FlowEntry<Key>;

  FlowTable(tunnel::HashSeed seed, std::size_t sessions, const FlowRules& rules,
            Pages pages = Pages::transparent)
      : seed_(seed),
        rules_(rules),
        sessions_(capacity_for(sessions), pages),
        entries_(2 * (sessions_.capacity() + std::size_t{1}), pages),
        index_(2 * std::size_t{sessions_.capacity()}, pages),
        vifs_(max_objects) {}

  [[nodiscard, gnu::always_inline]] std::uint64_t hash(const Key& key) const {
    return key.hash(seed_);
  }
  /// Searches the table step by step, for many keys in turn.
  class Searcher {
   public:
    explicit Searcher(const FlowTable& table)
        : index_(table.index_.searcher()), entries_(&table.entries_[0]) {}
    [[gnu::always_inline]] void prefetch(std::uint64_t hash) const { index_.prefetch(hash); }
    /// The direction that most likely has the key, 0: none. Its entry is on its way then.
    [[nodiscard, gnu::always_inline]] std::uint32_t candidate(std::uint64_t hash) const {
      const std::uint32_t direction = index_.candidate(hash);
      __builtin_prefetch(&entries_[direction]);
      return direction;
    }

   private:
    FlowIndex::Searcher index_;
    const Entry* entries_;
  };
  [[nodiscard]] Searcher searcher() const { return Searcher(*this); }
  [[nodiscard]] const FlowIndex& index() const { return index_; }
  [[nodiscard]] Entry& entry(std::uint32_t direction) { return entries_[direction]; }
  [[nodiscard]] const Entry& entry(std::uint32_t direction) const { return entries_[direction]; }
  [[nodiscard]] FlowSession& session_of(std::uint32_t direction) {
    return sessions_[direction / 2];
  }
  [[nodiscard]] const FlowSession& session_of(std::uint32_t direction) const {
    return sessions_[direction / 2];
  }
  [[nodiscard]] static bool is_forward(std::uint32_t direction) { return direction % 2 == 0; }
  [[nodiscard]] static std::uint32_t other(std::uint32_t direction) { return direction ^ 1; }

  /// The direction with this key, 0: none.
  [[nodiscard, gnu::noinline]] std::uint32_t find(const Key& key, std::uint64_t hash) const {
    return index_.find(hash, [&](std::uint32_t d) { return entries_[d].key == key; });
  }

  /// Asks the caches for what open() is going to touch: for a caller that has other things to do
  /// until then.
  void prefetch(const FlowWriter& writer, const Key& reverse) const;
  /// Opens a session, or answers the direction that has the key already, in whatever session: of
  /// two workers that meet both ends of a conversation at once, one adopts the other's. 0: the
  /// table is full, or the VIF has as many sessions as it may, and none of those gives way.
  std::uint32_t open(FlowWriter& writer, const FlowOpening<Key>& opening);

  /// Unlinks the session of `direction`. False: somebody did so already, or still opens it.
  bool close(FlowWriter& writer, std::uint32_t direction);

  /// Counts a packet of `bytes` that another than the owner saw. One in so many asks that the
  /// direction become the writer's; it does by take_over().
  void count_foreign(FlowWriter& writer, std::uint32_t direction, std::uint32_t bytes);
  /// Makes the writer owner of what it asked for, once nobody can take another for the owner any
  /// more. Between bursts.
  void take_over(FlowWriter& writer);

  /// Looks at `count` sessions from where it left off, of the share that falls to the writer, one
  /// of `writers`; closes those that are idle for too long.
  void age(FlowWriter& writer, FlowTick now, std::uint32_t count, unsigned writers);
  /// Makes numbers of closed sessions usable again, once their grace period is over.
  void reclaim(FlowWriter& writer, std::size_t at_once = 64);

  [[nodiscard]] FlowState state(std::uint32_t session) const;
  [[nodiscard]] FlowTick idle(std::uint32_t session, FlowTick now) const;
  /// By protocol and state.
  [[nodiscard]] FlowTick timeout(std::uint32_t session) const;

  [[nodiscard]] std::uint32_t capacity() const { return sessions_.capacity(); }
  /// Sessions have numbers from 1 to this.
  [[nodiscard]] std::uint32_t frontier() const { return sessions_.frontier(); }
  [[nodiscard]] bool live(std::uint32_t session) const {
    return sessions_[session].state.load(std::memory_order_acquire) == FlowSession::live;
  }
  [[nodiscard]] std::uint32_t of_vif(VifId vif) const {
    return VifSessions::of(vifs_[vif.index()].count.load(std::memory_order_relaxed), vif);
  }
  /// What a table for so many sessions takes when it is full.
  [[nodiscard]] static std::size_t bytes_for(std::size_t sessions) {
    const std::size_t capacity = capacity_for(sessions);
    return FlowIndex::bytes_for(2 * capacity) +
           capacity * (sizeof(FlowSession) + 2 * sizeof(Entry));
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_for(capacity()); }
  /// Of these, what lies on hugepages that were set aside.
  [[nodiscard]] std::size_t hugepage_bytes() const {
    return std::min(
        bytes(), index_.hugepage_bytes() + sessions_.hugepage_bytes() + entries_.hugepage_bytes());
  }

 private:
  static std::size_t capacity_for(std::size_t sessions) {
    return std::bit_ceil(std::max<std::size_t>(sessions, FlowPool<FlowSession>::chunk));
  }
  static constexpr std::uint64_t foreign_packets_a_move = 64;
  void ask_for(FlowWriter& writer, std::uint32_t direction);
  /// Closed sessions are used again only after a while: room is made when so few are left.
  [[nodiscard]] std::uint32_t reserve() const { return sessions_.capacity() / 64 + 64; }
  void make_room(FlowWriter& writer, FlowTick now);
  bool charge(FlowWriter& writer, VifId vif, FlowTick now);
  bool close_recent(FlowWriter& writer, VifId vif, FlowTick now);
  void discharge(VifId vif);
  static std::uint32_t refuse(FlowWriter& writer);
  /// How well the table can do without a session: 0 not at all.
  [[nodiscard]] std::uint64_t expendable(std::uint32_t session, FlowTick now) const;
  void fill(std::uint32_t direction, const Key& key, const FlowOpening<Key>& opening);
  void unlink(FlowWriter& writer, std::uint32_t session);
  FlowIndex::PutResult put(std::uint32_t direction, std::uint64_t hash);

  tunnel::HashSeed seed_;
  const FlowRules& rules_;
  FlowPool<FlowSession> sessions_;
  ReservedArray<Entry> entries_;
  FlowIndex index_;
  ReservedArray<VifSessions> vifs_;
};

extern template class FlowTable<FlowKey4>;
extern template class FlowTable<FlowKey6>;

}  // namespace weft
