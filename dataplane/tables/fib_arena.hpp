#pragma once
/// Memory of all FIBs: one reserved region, cut into units of 32 bytes, named by 32-bit references
/// that fit into a trie slot.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <vector>

#include "tables/rcu.hpp"
#include "tables/reserved_array.hpp"

namespace weft::fib {

/// One slot of a trie: the best route that ends here and the child below, read and written as a
/// whole.
///
///    bits 63–56 depth: 1 + prefix length relative to the node's position; 0: no route
///    bits 55–32 next hop index
///    bits 31–0  child (Ref)
using Slot = std::atomic<std::uint64_t>;

/// A child reference: kind in the top three bits, unit number below. 0: none.
using Ref = std::uint32_t;
inline constexpr Ref kind_shift = 29;
inline constexpr Ref unit_mask = (Ref{1} << kind_shift) - 1;
inline constexpr Ref kind_path = 1;  ///< kinds 2, 3, … are nodes of stride 4, 8, …
inline constexpr unsigned quantum = 4;
inline constexpr unsigned max_stride = 20;

constexpr Ref kind_of(Ref ref) { return ref >> kind_shift; }
constexpr Ref node_kind(unsigned stride) { return 1 + stride / quantum; }
constexpr unsigned stride_of(Ref ref) { return quantum * (kind_of(ref) - 1); }
constexpr bool is_path(Ref ref) { return kind_of(ref) == kind_path; }
constexpr bool is_node(Ref ref) { return kind_of(ref) > kind_path; }

constexpr std::uint64_t make_slot(unsigned depth, std::uint32_t nexthop, Ref child) {
  return static_cast<std::uint64_t>(depth) << 56 | static_cast<std::uint64_t>(nexthop) << 32 |
         child;
}
constexpr unsigned depth_of(std::uint64_t slot) { return static_cast<unsigned>(slot >> 56); }
constexpr std::uint32_t route_of(std::uint64_t slot) {
  return static_cast<std::uint32_t>(slot >> 32);
}
constexpr Ref child_of(std::uint64_t slot) { return static_cast<Ref>(slot); }
constexpr std::uint64_t with_child(std::uint64_t slot, Ref child) {
  return (slot & ~std::uint64_t{0xffffffff}) | child;
}
constexpr std::uint64_t with_route(std::uint64_t slot, unsigned depth, std::uint32_t nexthop) {
  return make_slot(depth, nexthop, child_of(slot));
}

/// A compressed path: whoever's first `length` bits equal `key` goes on in `slot`. With a child the
/// length is a multiple of the quantum, so that nodes stand at such positions only.
struct Path {
  std::uint64_t key[2];  ///< left-aligned, most significant word first
  Slot slot;
  std::uint32_t length;
};
static_assert(sizeof(Path) == 32);

inline constexpr std::size_t unit_bytes = 32;
struct alignas(unit_bytes) Unit {
  std::uint64_t words[4];
};

constexpr std::size_t node_units(unsigned stride) {
  return (std::size_t{8} << stride) / unit_bytes;
}

/// What readers see of an Arena.
class Memory {
 public:
  explicit Memory(const Unit* units) : units_(units) {}
  [[nodiscard]] const Slot* node(Ref ref) const {
    return reinterpret_cast<const Slot*>(&units_[ref & unit_mask]);
  }
  [[nodiscard]] const Path& path(Ref ref) const {
    return *reinterpret_cast<const Path*>(&units_[ref & unit_mask]);
  }

 private:
  const Unit* units_;
};

class Arena {
 public:
  /// `capacity_bytes` of address space, at most 16 GiB. `hash_seed`: a secret, so that nobody can
  /// choose prefixes that the writer's book-keeping hashes alike.
  Arena(Rcu& rcu, std::size_t capacity_bytes = std::size_t{4} << 30, std::uint64_t hash_seed = 0)
      : rcu_(rcu),
        hash_seed_(hash_seed),
        units_(capacity_bytes / unit_bytes, Pages::transparent),
        children_(capacity_bytes / unit_bytes) {}

  ~Arena() { rcu_.forget(this); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  [[nodiscard]] Memory memory() const { return Memory(&units_[0]); }

  // The writer.
  Slot* node(Ref ref) { return reinterpret_cast<Slot*>(&units_[ref & unit_mask]); }
  Path& path(Ref ref) { return *reinterpret_cast<Path*>(&units_[ref & unit_mask]); }
  /// How many slots of a node have a node below; the writer's book-keeping.
  std::uint32_t& node_children(Ref ref) { return children_[ref & unit_mask]; }

  /// Zeroed; 0 when the region is full.
  Ref allocate_node(unsigned stride) { return allocate(node_kind(stride), node_units(stride)); }
  Ref allocate_path() { return allocate(kind_path, 1); }
  /// Whether `count` insertions can be had, each of which takes a node and two paths at most:
  /// out of what was never used, and of what was used and is free again.
  [[nodiscard]] bool has_room_for(std::size_t count) const {
    std::size_t room_units = fresh_units();
    for (Ref kind = kind_path + 1; kind < free_.size(); ++kind) {
      room_units += free_[kind].size() * units_in(kind << kind_shift);
    }
    const std::size_t free_paths = std::min(free_[kind_path].size(), 2 * count);
    return room_units >= count * insertion_units + 2 * node_units(quantum) - free_paths;
  }
  /// Insertions that are still to come, which has_room_beside() leaves room for.
  void expect_insertions(std::size_t count) { expected_insertions_ = count; }
  /// Whether `bytes` more can be had without taking them from the insertions that are expected.
  [[nodiscard]] bool has_room_beside(std::size_t bytes) const {
    return fresh_units() * unit_bytes >
           bytes + (expected_insertions_ + 2) * insertion_units * unit_bytes;
  }
  [[nodiscard]] std::uint64_t hash_seed() const { return hash_seed_; }
  /// What a change takes out is handed to Rcu when the whole change is linked: until then readers
  /// can still reach it, and its grace period must begin after that.
  void set_aside(Ref ref) { unlinked_.push_back(ref); }
  void retire_set_aside() {
    for (const Ref ref : unlinked_) {
      rcu_.retire(this, ref, [](void* self, std::uint64_t object) {
        static_cast<Arena*>(self)->release(static_cast<Ref>(object));
      });
    }
    unlinked_.clear();
  }
  /// Frees what no reader has ever seen, or when there are no readers any more.
  void release(Ref ref) {
    used_bytes_ -= units_in(ref) * unit_bytes;
    free_[kind_of(ref)].push_back(ref);
  }
  [[nodiscard]] std::size_t used_bytes() const { return used_bytes_; }
  [[nodiscard]] static std::size_t bytes_in(Ref ref) { return units_in(ref) * unit_bytes; }

 private:
  /// A node, two paths, and what may be lost to the node's alignment.
  static constexpr std::size_t insertion_units = node_units(quantum) + 2 + 2;
  static std::size_t units_in(Ref ref) { return is_path(ref) ? 1 : node_units(stride_of(ref)); }

  [[nodiscard]] std::size_t fresh_units() const { return units_.size() - next_; }

  Ref allocate(Ref kind, std::size_t units) {
    Ref ref = 0;
    auto& list = free_[kind];
    const std::size_t align = units < 2 ? 1 : 2;  // nodes start at cache lines
    const std::size_t at = (next_ + align - 1) & ~(align - 1);
    if (list.empty() && at + units <= units_.size()) {
      next_ = at + units;
      ref = kind << kind_shift | static_cast<Ref>(at);
    } else if (!list.empty() || cut_up(kind, units)) {
      ref = list.back();
      list.pop_back();
    } else {
      return 0;
    }
    std::memset(static_cast<void*>(&units_[ref & unit_mask]), 0, units * unit_bytes);
    children_[ref & unit_mask] = 0;
    used_bytes_ += units * unit_bytes;
    return ref;
  }

  /// Makes free pieces of `kind` out of the smallest free node that is larger, once nothing is left
  /// that was never used.
  bool cut_up(Ref kind, std::size_t units) {
    for (Ref larger = kind + 1; larger < free_.size(); ++larger) {
      if (free_[larger].empty()) continue;
      const Ref first = free_[larger].back() & unit_mask;
      free_[larger].pop_back();
      const std::size_t end = first + units_in(larger << kind_shift);
      for (std::size_t at = first; at < end; at += units) {
        free_[kind].push_back(kind << kind_shift | static_cast<Ref>(at));
      }
      return true;
    }
    return false;
  }

  Rcu& rcu_;
  std::uint64_t hash_seed_;
  ReservedArray<Unit> units_;
  ReservedArray<std::uint32_t> children_;
  std::size_t next_ = 2;  // unit 0 stays unused: a reference is never 0
  std::array<std::vector<Ref>, 8> free_;
  std::vector<Ref> unlinked_;
  std::size_t used_bytes_ = 0;
  std::size_t expected_insertions_ = 0;
};

}  // namespace weft::fib
