#pragma once
/// Where a flow's entry stands, by the hash of its key. Any number of threads search, insert and
/// remove at once, without locks; a search writes nothing.
///
/// A bucket has sixteen slots in two adjacent cache lines, the second of which is read only where
/// the first is full (one bucket in fifty at the most entries that the index is made for). A slot
/// is a 16-bit tag of the hash and the number of an entry, whose key decides. One word in the
/// bucket says which slots can be seen, and counts changes: an insertion is complete by one
/// compare-and-swap of it, which fails when anything changed since the inserter had searched, so
/// that a key never stands there twice.
///
/// A removed slot is given back only when no reader can still look at it (release()).

#include <atomic>
#include <bit>
#include <cstdint>

#include "tables/reserved_array.hpp"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace weft {

class FlowIndex {
 public:
  static constexpr unsigned slots = 16;

  /// For up to `entries` entries, rounded up; takes 32 to 64 bytes for each.
  explicit FlowIndex(std::size_t entries, Pages pages = Pages::transparent)
      : mask_(buckets_for(entries) - 1), buckets_(mask_ + 1, pages) {}

  [[nodiscard]] static std::size_t bytes_for(std::size_t entries) {
    return buckets_for(entries) * sizeof(Bucket);
  }
  [[nodiscard]] std::size_t buckets() const { return mask_ + 1; }
  [[nodiscard]] std::size_t hugepage_bytes() const { return buckets_.hugepage_bytes(); }
  /// How many entries stand in the bucket that the hash leads to.
  [[nodiscard]] unsigned crowd(std::uint64_t hash) const {
    const std::uint64_t seen = buckets_[hash & mask_].head().load(std::memory_order_acquire);
    return static_cast<unsigned>(std::popcount(seen & (change - 1)));
  }

  class Searcher;
  [[nodiscard, gnu::always_inline]] Searcher searcher() const;

  /// The entry for which `same(entry)` says that it has the key, 0: none.
  template <class Same>
  [[nodiscard]] std::uint32_t find(std::uint64_t hash, Same&& same) const {
    const Bucket& bucket = buckets_[hash & mask_];
    return find(bucket, bucket.head().load(std::memory_order_acquire), hash, same);
  }

  enum class Put : std::uint8_t { done, exists, full };
  struct PutResult {
    Put how;
    std::uint32_t entry;  ///< for exists: the one that has the key
  };
  /// Makes `entry` visible under `hash`, unless one with its key is. All that readers take from the
  /// entry must have been written.
  template <class Same>
  PutResult put(std::uint64_t hash, std::uint32_t entry, Same&& same) {
    Bucket& bucket = buckets_[hash & mask_];
    for (;;) {
      std::uint64_t seen = bucket.head().load(std::memory_order_acquire);
      if (const std::uint32_t there = find(bucket, seen, hash, same); there != 0) {
        return {Put::exists, there};
      }
      const unsigned slot = claim(bucket, seen, entry);
      if (slot == slots) return {Put::full, 0};
      bucket.tag(slot).store(tag_of(hash), std::memory_order_relaxed);
      if (bucket.head().compare_exchange_strong(seen, (seen | 1ULL << slot) + change,
                                                std::memory_order_acq_rel)) {
        return {Put::done, entry};
      }
      bucket.index(slot).store(0, std::memory_order_release);
    }
  }

  /// Nobody who searches from now on finds the entry. False: it is not there.
  bool remove(std::uint64_t hash, std::uint32_t entry) {
    Bucket& bucket = buckets_[hash & mask_];
    for (std::uint64_t seen = bucket.head().load(std::memory_order_acquire);;) {
      const unsigned slot = slot_of(bucket, entry);
      if (slot == slots || (seen >> slot & 1) == 0) return false;
      if (bucket.head().compare_exchange_weak(seen, (seen & ~(1ULL << slot)) + change,
                                              std::memory_order_acq_rel)) {
        return true;
      }
    }
  }
  /// Gives the slot of a removed entry back, once no thread can be in a search that began before.
  void release(std::uint64_t hash, std::uint32_t entry) {
    Bucket& bucket = buckets_[hash & mask_];
    if (const unsigned slot = slot_of(bucket, entry); slot != slots) {
      bucket.index(slot).store(0, std::memory_order_release);
    }
  }

 private:
  static std::size_t buckets_for(std::size_t entries) {
    return std::bit_ceil(std::max<std::size_t>(entries / 4, 4));
  }
  static constexpr std::uint64_t change = 1ULL << slots;  ///< counts above the visibility bits
  static std::uint16_t tag_of(std::uint64_t hash) { return static_cast<std::uint16_t>(hash >> 48); }

  struct alignas(64) Line {
    std::atomic<std::uint64_t> head;  ///< of the first line: of the whole bucket
    std::atomic<std::uint16_t> tags[8];
    std::atomic<std::uint32_t> index[8];

    /// Bit set: that tag equals.
    [[nodiscard, gnu::always_inline]] unsigned match(std::uint16_t tag) const {
#ifdef __SSE2__
      using Words [[gnu::may_alias]] = std::uint64_t;
      const auto* words = reinterpret_cast<const Words*>(tags);
      const __m128i all =
          _mm_set_epi64x(static_cast<long long>(__atomic_load_n(words + 1, __ATOMIC_RELAXED)),
                         static_cast<long long>(__atomic_load_n(words, __ATOMIC_RELAXED)));
      const __m128i equal = _mm_cmpeq_epi16(all, _mm_set1_epi16(static_cast<short>(tag)));
      return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())));
#else
      unsigned bits = 0;
      for (unsigned i = 0; i < 8; ++i) {
        bits |= unsigned{tags[i].load(std::memory_order_relaxed) == tag} << i;
      }
      return bits;
#endif
    }
  };

  struct Bucket {
    Line lines[2];
    [[nodiscard]] std::atomic<std::uint64_t>& head() { return lines[0].head; }
    [[nodiscard]] const std::atomic<std::uint64_t>& head() const { return lines[0].head; }
    [[nodiscard]] std::atomic<std::uint16_t>& tag(unsigned slot) {
      return lines[slot / 8].tags[slot % 8];
    }
    [[nodiscard]] std::atomic<std::uint32_t>& index(unsigned slot) {
      return lines[slot / 8].index[slot % 8];
    }
    [[nodiscard]] const std::atomic<std::uint32_t>& index(unsigned slot) const {
      return lines[slot / 8].index[slot % 8];
    }
  };
  static_assert(sizeof(Bucket) == 128);

  template <class Same>
  static std::uint32_t find(const Bucket& bucket, std::uint64_t seen, std::uint64_t hash,
                            Same&& same) {
    for (unsigned line = 0; line < 2; ++line) {
      for (unsigned found = bucket.lines[line].match(tag_of(hash)) & seen >> 8 * line & 0xff;
           found != 0; found &= found - 1) {
        const std::uint32_t entry =
            bucket.lines[line].index[__builtin_ctz(found)].load(std::memory_order_relaxed);
        if (same(entry)) return entry;
      }
      if ((seen & 0xff00) == 0) break;
    }
    return 0;
  }

  /// A slot that nobody has, from now on `entry`'s; slots: there is none.
  static unsigned claim(Bucket& bucket, std::uint64_t seen, std::uint32_t entry) {
    for (std::uint64_t free = ~seen & 0xffff; free != 0; free &= free - 1) {
      const auto slot = static_cast<unsigned>(__builtin_ctzll(free));
      std::uint32_t nobody = 0;
      if (bucket.index(slot).compare_exchange_strong(nobody, entry, std::memory_order_acq_rel)) {
        return slot;
      }
    }
    return slots;
  }
  static unsigned slot_of(const Bucket& bucket, std::uint32_t entry) {
    unsigned slot = 0;
    while (slot < slots && bucket.index(slot).load(std::memory_order_relaxed) != entry) ++slot;
    return slot;
  }

  std::size_t mask_;
  ReservedArray<Bucket> buckets_;
};

/// Searches an index step by step, for many keys in turn: what it needs of the index it has at
/// hand.
class FlowIndex::Searcher {
 public:
  explicit Searcher(const FlowIndex& index) : mask_(index.mask_), buckets_(&index.buckets_[0]) {}

  [[gnu::always_inline]] void prefetch(std::uint64_t hash) const {
    __builtin_prefetch(&buckets_[hash & mask_]);
  }
  /// The first entry whose tag is right, 0: none. Most often it is the one that is looked for.
  [[nodiscard, gnu::always_inline]] std::uint32_t candidate(std::uint64_t hash) const {
    const Bucket& bucket = buckets_[hash & mask_];
    const std::uint64_t seen = bucket.head().load(std::memory_order_acquire);
    const Line* line = &bucket.lines[0];
    unsigned found = line->match(tag_of(hash)) & static_cast<unsigned>(seen);
    if (found == 0) [[unlikely]] {
      line = &bucket.lines[1];
      if ((seen & 0xff00) != 0) found = line->match(tag_of(hash)) & seen >> 8 & 0xff;
      if (found == 0) return 0;
    }
    return line->index[__builtin_ctz(found)].load(std::memory_order_relaxed);
  }

 private:
  std::size_t mask_;
  const Bucket* buckets_;
};

inline FlowIndex::Searcher FlowIndex::searcher() const { return Searcher(*this); }

}  // namespace weft
