#pragma once
/// Longest-prefix match: an LC-trie (Nilsson and Karlsson, "IP-address lookup using LC-tries",
/// 1999) with slots of 64 bits that are changed in place.
///
/// Why not poptrie or DXR: those pack children into arrays, so that a change rebuilds arrays on the
/// way to the root, and they buy speed with a direct root of 2^16 or more entries a table. Here
/// a route is a handful of atomic slot stores, an empty table is one slot, sparse regions are
/// skipped by compressed paths, and a node whose slots are half full of small nodes takes them in
/// (stride 4, 8, … 20), so that a full table has the same wide root as DIR-24-8. A slot carries the
/// best route so far beside the child, so nothing is pushed down to leaves, and a change of the
/// default route is one store.
///
/// Readers see, for each address, the table before or after a change, never a gap.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "tables/fib_arena.hpp"
#include "weft/address.hpp"
#include "weft/ids.hpp"

namespace weft::fib {

/// No next hop has this index.
inline constexpr std::uint32_t no_route = NexthopId{}.index();

/// Addresses as integers, left-aligned: bit 0 is the most significant.
struct Key4 {
  static constexpr unsigned width = 32;
  std::uint64_t bits = 0;  ///< the address in the upper half

  [[nodiscard]] std::uint32_t take(unsigned position, unsigned count) const {
    return from(position).first(count);
  }
  /// The key without its first `position` bits.
  [[nodiscard]] Key4 from(unsigned position) const { return {bits << position}; }
  /// Its first `count` bits, 1 to 32.
  [[nodiscard]] std::uint32_t first(unsigned count) const {
    return static_cast<std::uint32_t>(bits >> (64 - count));
  }
  /// `length`: 1 to 32.
  [[nodiscard]] bool starts_with(const std::uint64_t (&key)[2], unsigned length) const {
    return (bits ^ key[0]) >> (64 - length) == 0;
  }
};

struct Key6 {
  static constexpr unsigned width = 128;
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  [[nodiscard]] std::uint32_t take(unsigned position, unsigned count) const {
    return from(position).first(count);
  }
  [[nodiscard]] Key6 from(unsigned position) const {
    const auto rest = (static_cast<unsigned __int128>(high) << 64 | low) << (position & 127);
    return position >= width
               ? Key6{}
               : Key6{static_cast<std::uint64_t>(rest >> 64), static_cast<std::uint64_t>(rest)};
  }
  [[nodiscard]] std::uint32_t first(unsigned count) const {
    return static_cast<std::uint32_t>(high >> (64 - count));
  }
  /// `length`: 1 to 128.
  [[nodiscard]] bool starts_with(const std::uint64_t (&key)[2], unsigned length) const {
    if (length <= 64) return (high ^ key[0]) >> (64 - length) == 0;
    return high == key[0] && (low ^ key[1]) >> (128 - length) == 0;
  }
};

constexpr Key4 key_of(Ipv4Address a) { return {static_cast<std::uint64_t>(a.value) << 32}; }
inline Key6 key_of(const Ipv6Address& a) {
  std::uint64_t words[2];
  std::memcpy(words, a.bytes.data(), sizeof words);
  return {__builtin_bswap64(words[0]), __builtin_bswap64(words[1])};
}

/// A lookup under way, so that a burst can wait for memory together.
struct Cursor {
  std::uint64_t slot = 0;
  std::uint32_t best = 0;  ///< of the routes passed: depth and next hop as in a slot; 0: none
  std::uint32_t position : 8 = 0;
  std::uint32_t erasures : 24 = 0;  ///< of the table when the search began
};
static_assert(sizeof(Cursor) == 16);

/// One VRF's table of one family. insert() and erase() by one writer, lookup() by any thread that
/// is an online reader of the arena's Rcu.
template <class Key>
class Fib {
 public:
  explicit Fib(Arena& arena)
      : arena_(arena), memory_(arena.memory()), routes_(0, PrefixHash{arena.hash_seed()}) {}
  /// The readers must have let go of the table.
  ~Fib();
  Fib(const Fib&) = delete;
  Fib& operator=(const Fib&) = delete;

  /// Next hop index of the longest prefix that holds `key`, or no_route.
  [[nodiscard, gnu::always_inline]] std::uint32_t lookup(Key key) const {
    return descend(key, start());
  }

  [[nodiscard, gnu::always_inline]] Cursor start() const {
    const std::uint32_t before = erasures();
    const std::uint64_t slot = root_.load(std::memory_order_acquire);
    return {.slot = slot, .best = route_of(slot), .position = 0, .erasures = before};
  }
  /// Asks for the memory that the cursor reads next.
  void prefetch(Key key, const Cursor& at) const;
  /// One level down; false when there is nothing below.
  bool step(Key key, Cursor& at) const;
  /// Down to the end. A route that went meanwhile makes it start again: the covering route may have
  /// come after the cursor had passed its place.
  [[nodiscard, gnu::always_inline]] std::uint32_t descend(Key key, Cursor from) const {
    const Memory memory = memory_;
    for (;;) {
      Walk at(key, from);
      while (at.step(key, memory)) {
      }
      if (erasures() == from.erasures) [[likely]]
        return at.best == 0 ? no_route : at.best & 0xffffff;
      from = start();
    }
  }

  /// Adds or replaces. `length` ≤ Key::width, `key` has no bits beyond it. False: out of memory,
  /// and nothing has changed.
  bool insert(Key key, unsigned length, std::uint32_t nexthop);
  /// False when there was no such route.
  bool erase(Key key, unsigned length);
  /// The route of exactly this prefix, or no_route. Writer's side.
  [[nodiscard]] std::uint32_t find(Key key, unsigned length) const;

  [[nodiscard]] std::size_t routes() const { return routes_.size(); }
  /// Memory that readers touch.
  [[nodiscard]] std::size_t bytes() const { return sizeof(Slot) + bytes_; }

 private:
  struct Prefix {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    std::uint32_t length = 0;
    friend bool operator==(const Prefix&, const Prefix&) = default;
  };
  struct PrefixHash {
    std::uint64_t seed;
    std::size_t operator()(const Prefix& p) const noexcept {
      const auto product = static_cast<unsigned __int128>(p.high ^ seed ^ 0x9e3779b97f4a7c15) *
                           ((p.low ^ p.length ^ seed << 32) * 2 + 0xd1b54a32d192ed03);
      return static_cast<std::size_t>(product ^ (product >> 64));
    }
  };
  /// A cursor taken apart, so that a search runs in registers.
  struct Walk {
    std::uint64_t slot;
    std::uint32_t best;
    unsigned position;
    Key rest;  ///< the key from `position` on

    Walk(Key key, const Cursor& from)
        : slot(from.slot), best(from.best), position(from.position), rest(key.from(position)) {}
    /// One level down; false when there is nothing below.
    bool step(Key key, Memory memory);
  };
  /// Where the writer is: a slot, the position of what hangs below it, and the node it belongs to.
  struct Place {
    Slot* slot = nullptr;
    unsigned position = 0;
    Ref node = 0;               ///< the node that `slot` is part of; 0: root or path
    Slot* node_slot = nullptr;  ///< the slot that refers to `node`
    unsigned node_position = 0;
  };

  [[nodiscard]] std::uint32_t erasures() const { return erasures_.load(std::memory_order_acquire); }
  static Prefix prefix(Key key, unsigned length);
  static Key key_of_path(const Path& path);
  static unsigned common_bits(Key a, Key b);
  static Key masked(Key key, unsigned length);

  void place(Place at, Key key, unsigned length, std::uint32_t nexthop);
  void place_below(Place at, Key key, unsigned length, std::uint32_t nexthop, std::uint64_t found);
  Ref split(Ref old_path, unsigned at_bit, Key key, unsigned length, std::uint32_t nexthop);
  Ref make_path(Key key, unsigned length, std::uint64_t slot);
  void fill(Slot* node, unsigned position, unsigned stride, Key key, unsigned length,
            std::uint32_t nexthop);
  void widen_if_crowded(const Place& at, Key within);
  void absorb_node(Ref wide, Slot* out, unsigned stride, Ref child, unsigned position, Key base);
  void prune(std::vector<Place>& trail);
  Ref track(Ref ref) {
    bytes_ += Arena::bytes_in(ref);
    return ref;
  }
  void retire(Ref ref) {
    bytes_ -= Arena::bytes_in(ref);
    arena_.set_aside(ref);
  }
  void release_below(Ref ref);

  Arena& arena_;
  const Memory memory_;  // of the arena, without a detour
  Slot root_{0};
  /// Routes erased; grows before a route goes. 24 bits: a search that sleeps through exactly 2^24
  /// withdrawals does not notice them.
  std::atomic<std::uint32_t> erasures_{0};
  std::unordered_map<Prefix, std::uint32_t, PrefixHash> routes_;
  std::size_t bytes_ = 0;
};

template <class Key>
[[gnu::always_inline]] inline void Fib<Key>::prefetch(Key key, const Cursor& at) const {
  const Ref child = child_of(at.slot);
  if (child == 0) return;
  const void* next = is_path(child) ? static_cast<const void*>(&memory_.path(child))
                                    : memory_.node(child) + key.take(at.position, stride_of(child));
  __builtin_prefetch(next);
}

template <class Key>
[[gnu::always_inline]] inline bool Fib<Key>::step(Key key, Cursor& at) const {
  Walk walk(key, at);
  if (!walk.step(key, memory_)) return false;
  at.slot = walk.slot;
  at.best = walk.best;
  at.position = walk.position & 0xff;
  return true;
}

template <class Key>
[[gnu::always_inline]] inline bool Fib<Key>::Walk::step(Key key, Memory memory) {
  const Ref child = child_of(slot);
  if (child == 0) return false;
  if (is_path(child)) {
    const Path& path = memory.path(child);
    if (!key.starts_with(path.key, path.length)) return false;
    slot = path.slot.load(std::memory_order_acquire);
    position = path.length;
    rest = key.from(position);
  } else {
    const unsigned stride = stride_of(child);
    slot = memory.node(child)[rest.first(stride)].load(std::memory_order_acquire);
    position += stride;
    rest = rest.from(stride);
  }
  if (const std::uint32_t route = route_of(slot); route != 0) best = route;
  return true;
}

/// Levels where a large table misses the cache: a burst asks for them before any search waits.
/// Below, the processor overlaps the searches by itself.
inline constexpr unsigned upper_levels4 = 1;
inline constexpr unsigned upper_levels6 = 3;

using Fib4 = Fib<Key4>;
using Fib6 = Fib<Key6>;
extern template class Fib<Key4>;
extern template class Fib<Key6>;

}  // namespace weft::fib
