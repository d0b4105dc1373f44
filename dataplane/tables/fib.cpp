#include "tables/fib.hpp"

#include <algorithm>
#include <bit>

namespace weft::fib {
namespace {

constexpr unsigned align_down(unsigned position) { return position & ~(quantum - 1); }

void link(Slot& slot, Ref child) {
  slot.store(with_child(slot.load(std::memory_order_relaxed), child), std::memory_order_release);
}

void set_route(Slot& slot, unsigned depth, std::uint32_t nexthop) {
  slot.store(with_route(slot.load(std::memory_order_relaxed), depth, nexthop),
             std::memory_order_release);
}

std::uint64_t high_word(Key4 key) { return key.bits; }
std::uint64_t high_word(Key6 key) { return key.high; }
std::uint64_t low_word(Key4) { return 0; }
std::uint64_t low_word(Key6 key) { return key.low; }

/// `key` with `count` bits at `position`, zero until now, set to `value`.
Key4 with_bits(Key4 key, unsigned position, unsigned count, std::uint64_t value) {
  return {key.bits | value << (64 - count) >> position};
}
Key6 with_bits(Key6 key, unsigned position, unsigned count, std::uint64_t value) {
  const auto bits = static_cast<unsigned __int128>(value) << (128 - count) >> position;
  return {key.high | static_cast<std::uint64_t>(bits >> 64),
          key.low | static_cast<std::uint64_t>(bits)};
}

}  // namespace

template <class Key>
Key Fib<Key>::key_of_path(const Path& path) {
  if constexpr (Key::width == 32) {
    return {path.key[0]};
  } else {
    return {path.key[0], path.key[1]};
  }
}

template <class Key>
unsigned Fib<Key>::common_bits(Key a, Key b) {
  const std::uint64_t high = high_word(a) ^ high_word(b);
  if (high != 0) return static_cast<unsigned>(std::countl_zero(high));
  const std::uint64_t low = low_word(a) ^ low_word(b);
  return 64 + static_cast<unsigned>(std::countl_zero(low));
}

template <class Key>
Key Fib<Key>::masked(Key key, unsigned length) {
  const auto keep = [](std::uint64_t word, unsigned bits) {
    return bits == 0 ? 0 : bits >= 64 ? word : word & ~(~std::uint64_t{0} >> bits);
  };
  if constexpr (Key::width == 32) {
    return {keep(key.bits, length)};
  } else {
    return {keep(key.high, length), length > 64 ? keep(key.low, length - 64) : 0};
  }
}

template <class Key>
typename Fib<Key>::Prefix Fib<Key>::prefix(Key key, unsigned length) {
  return {high_word(key), low_word(key), length};
}

template <class Key>
Fib<Key>::~Fib() {
  release_below(child_of(root_.load(std::memory_order_relaxed)));
}

template <class Key>
void Fib<Key>::release_below(Ref ref) {
  if (ref == 0) return;
  if (is_path(ref)) {
    release_below(child_of(arena_.path(ref).slot.load(std::memory_order_relaxed)));
  } else {
    const Slot* node = arena_.node(ref);
    for (std::size_t i = 0; i < std::size_t{1} << stride_of(ref); ++i) {
      release_below(child_of(node[i].load(std::memory_order_relaxed)));
    }
  }
  arena_.release(ref);
}

template <class Key>
std::uint32_t Fib<Key>::find(Key key, unsigned length) const {
  const auto found = routes_.find(prefix(key, length));
  return found == routes_.end() ? no_route : found->second;
}

template <class Key>
bool Fib<Key>::insert(Key key, unsigned length, std::uint32_t nexthop) {
  const auto known = routes_.find(prefix(key, length));
  if (known != routes_.end()) {
    known->second = nexthop;
  } else if (arena_.has_room_for(1)) {
    routes_.emplace(prefix(key, length), nexthop);
  } else {
    return false;
  }
  place({.slot = &root_}, key, length, nexthop);
  arena_.retire_set_aside();
  return true;
}

/// Walks down from `at` to where the prefix belongs and puts it there.
template <class Key>
void Fib<Key>::place(Place at, Key key, unsigned length, std::uint32_t nexthop) {
  for (;;) {
    const std::uint64_t found = at.slot->load(std::memory_order_relaxed);
    const Ref child = child_of(found);
    if (length == at.position && at.node == 0) {  // the root's or a path's own route
      set_route(*at.slot, 1, nexthop);
      return;
    }
    if (is_node(child)) {
      const unsigned stride = stride_of(child);
      if (length <= at.position + stride) {
        fill(arena_.node(child), at.position, stride, key, length, nexthop);
        return;
      }
      at = {.slot = arena_.node(child) + key.take(at.position, stride),
            .position = at.position + stride,
            .node = child,
            .node_slot = at.slot,
            .node_position = at.position};
      continue;
    }
    if (is_path(child)) {
      Path& path = arena_.path(child);
      const bool covers = key.starts_with(path.key, path.length);
      if (covers && length >= path.length &&
          (length == path.length || path.length % quantum == 0)) {
        at = {.slot = &path.slot, .position = path.length};
        continue;
      }
    }
    place_below(at, key, length, nexthop, found);
    return;
  }
}

/// Below `at` there is nothing, or a path that the prefix leaves: builds what is needed beside it
/// and links it by one store.
template <class Key>
void Fib<Key>::place_below(Place at, Key key, unsigned length, std::uint32_t nexthop,
                           std::uint64_t found) {
  const Ref old = child_of(found);
  if (old == 0) {
    link(*at.slot, make_path(key, length, make_slot(1, nexthop, 0)));
    return;
  }
  const Path& path = arena_.path(old);
  const unsigned common =
      std::min({common_bits(key, key_of_path(path)), length, unsigned{path.length}});
  if (common == length && length % quantum == 0) {  // the new prefix stands on the way to the path
    link(*at.slot, make_path(key, length, make_slot(1, nexthop, old)));
    return;
  }
  const unsigned branch = align_down(common);
  const Ref node = split(old, branch, key, length, nexthop);
  if (branch != at.position) {
    link(*at.slot, make_path(masked(key, branch), branch, make_slot(0, 0, node)));
    return;
  }
  link(*at.slot, node);
  if (at.node != 0) {
    ++arena_.node_children(at.node);
    widen_if_crowded(at, key);
  }
}

/// A node at `branch` that holds what `old` held, and the new prefix.
template <class Key>
Ref Fib<Key>::split(Ref old, unsigned branch, Key key, unsigned length, std::uint32_t nexthop) {
  const Ref node = track(arena_.allocate_node(quantum));
  Slot* slots = arena_.node(node);
  const Path& path = arena_.path(old);
  const Key old_key = key_of_path(path);
  Slot& old_slot = slots[old_key.take(branch, quantum)];
  if (path.length > branch + quantum) {
    link(old_slot, old);
  } else {
    const std::uint64_t held = path.slot.load(std::memory_order_relaxed);
    if (depth_of(held) != 0) {
      fill(slots, branch, quantum, old_key, path.length, route_of(held) & 0xffffff);
    }
    if (child_of(held) != 0) {
      link(old_slot, child_of(held));
      if (is_node(child_of(held))) ++arena_.node_children(node);
    }
    retire(old);
  }
  if (length <= branch + quantum) {
    fill(slots, branch, quantum, key, length, nexthop);
  } else {
    place({.slot = &slots[key.take(branch, quantum)], .position = branch + quantum, .node = node},
          key, length, nexthop);
  }
  return node;
}

template <class Key>
Ref Fib<Key>::make_path(Key key, unsigned length, std::uint64_t slot) {
  const Ref ref = track(arena_.allocate_path());
  Path& path = arena_.path(ref);
  path.key[0] = high_word(key);
  path.key[1] = low_word(key);
  path.length = length;
  path.slot.store(slot, std::memory_order_relaxed);
  return ref;
}

/// Writes the route into the slots that it covers and no longer prefix holds.
template <class Key>
void Fib<Key>::fill(Slot* node, unsigned position, unsigned stride, Key key, unsigned length,
                    std::uint32_t nexthop) {
  const unsigned relative = length - position;
  const std::size_t first = key.take(position, stride);
  const std::size_t count = std::size_t{1} << (stride - relative);
  for (std::size_t i = first; i < first + count; ++i) {
    if (depth_of(node[i].load(std::memory_order_relaxed)) <= relative + 1) {
      set_route(node[i], relative + 1, nexthop);
    }
  }
}

/// Takes the first levels of the nodes below into their parent once half of its slots have one.
template <class Key>
void Fib<Key>::widen_if_crowded(const Place& at, Key within) {
  const Ref old = at.node;
  const unsigned stride = stride_of(old);
  const unsigned end = at.node_position + stride + quantum;
  if (at.node_slot == nullptr || stride + quantum > max_stride || end > Key::width ||
      arena_.node_children(old) < (1U << stride) / 2) {
    return;
  }
  const Slot* slots = arena_.node(old);
  constexpr std::size_t fan = std::size_t{1} << quantum;
  std::size_t needed = sizeof(Slot) << (stride + quantum);
  for (std::size_t i = 0; i < std::size_t{1} << stride; ++i) {
    const Ref child = child_of(slots[i].load(std::memory_order_relaxed));
    if (is_node(child)) needed += Arena::bytes_in(child);
  }
  if (!arena_.has_room_beside(needed)) return;
  const Ref wide = track(arena_.allocate_node(stride + quantum));
  for (std::size_t i = 0; i < std::size_t{1} << stride; ++i) {
    Slot* out = arena_.node(wide) + i * fan;
    const std::uint64_t upper = slots[i].load(std::memory_order_relaxed);
    const Ref child = child_of(upper);
    for (std::size_t j = 0; j < fan; ++j) {
      out[j].store(with_child(upper, 0), std::memory_order_relaxed);
    }
    if (is_node(child)) {
      const Key base = with_bits(masked(within, at.node_position), at.node_position, stride, i);
      absorb_node(wide, out, stride, child, end - quantum, base);
    } else if (is_path(child)) {
      const Path& path = arena_.path(child);
      const Key key = key_of_path(path);
      Slot& below = out[key.take(end - quantum, quantum)];
      if (path.length > end) {
        link(below, child);
        continue;
      }
      const std::uint64_t held = path.slot.load(std::memory_order_relaxed);
      if (depth_of(held) != 0) {
        fill(arena_.node(wide), at.node_position, stride + quantum, key, path.length,
             route_of(held) & 0xffffff);
      }
      link(below, child_of(held));
      if (is_node(child_of(held))) ++arena_.node_children(wide);
      retire(child);
    }
  }
  link(*at.node_slot, wide);
  retire(old);
}

/// Moves the first four bits of `child`, which stands at `position` below the prefix `base`, into
/// the sixteen slots at `out` of `wide`. What a larger child holds beyond them becomes smaller
/// nodes, and the prefixes that end within the four bits show again where longer ones hid them.
template <class Key>
void Fib<Key>::absorb_node(Ref wide, Slot* out, unsigned stride, Ref child, unsigned position,
                           Key base) {
  const unsigned rest = stride_of(child) - quantum;
  const std::size_t count = std::size_t{1} << rest;
  const Slot* lower = arena_.node(child);
  for (std::size_t j = 0; j < std::size_t{1} << quantum; ++j, lower += count) {
    if (rest == 0) {
      const std::uint64_t inherited = out[j].load(std::memory_order_relaxed);
      const std::uint64_t own = lower->load(std::memory_order_relaxed);
      const Ref below = child_of(own);
      out[j].store(depth_of(own) == 0
                       ? with_child(inherited, below)
                       : make_slot(depth_of(own) + stride, route_of(own) & 0xffffff, below),
                   std::memory_order_relaxed);
      if (is_node(below)) ++arena_.node_children(wide);
      continue;
    }
    const Key key = with_bits(base, position, quantum, j);
    for (unsigned length = position + quantum; length > position; --length) {
      if (const std::uint32_t nexthop = find(masked(key, length), length); nexthop != no_route) {
        set_route(out[j], stride + length - position + 1, nexthop);
        break;
      }
    }
    const Ref part = track(arena_.allocate_node(rest));
    Slot* slots = arena_.node(part);
    bool used = false;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t own = lower[i].load(std::memory_order_relaxed);
      const unsigned depth = depth_of(own);
      const std::uint64_t moved =
          depth > quantum + 1 ? make_slot(depth - quantum, route_of(own) & 0xffffff, child_of(own))
                              : make_slot(0, 0, child_of(own));
      slots[i].store(moved, std::memory_order_relaxed);
      if (is_node(child_of(own))) ++arena_.node_children(part);
      used |= moved != 0;
    }
    if (used) {
      link(out[j], part);
      ++arena_.node_children(wide);
    } else {
      bytes_ -= Arena::bytes_in(part);
      arena_.release(part);
    }
  }
  retire(child);
}

template <class Key>
bool Fib<Key>::erase(Key key, unsigned length) {
  if (routes_.erase(prefix(key, length)) == 0) return false;
  erasures_.store((erasures_.load(std::memory_order_relaxed) + 1) & 0xffffff,
                  std::memory_order_release);
  std::vector<Place> trail{{.slot = &root_}};
  for (;;) {
    const Place at = trail.back();
    const Ref child = child_of(at.slot->load(std::memory_order_relaxed));
    if (length == at.position && at.node == 0) {
      set_route(*at.slot, 0, 0);
      break;
    }
    if (is_path(child)) {
      Path& path = arena_.path(child);
      trail.push_back({.slot = &path.slot, .position = path.length});
      continue;
    }
    const unsigned stride = stride_of(child);
    Slot* node = arena_.node(child);
    if (length > at.position + stride) {
      trail.push_back({.slot = node + key.take(at.position, stride),
                       .position = at.position + stride,
                       .node = child,
                       .node_slot = at.slot,
                       .node_position = at.position});
      continue;
    }
    unsigned cover = length - 1;  // the next shorter prefix of this node, which shows again
    std::uint32_t uncovered = no_route;
    for (; cover > at.position; --cover) {
      uncovered = find(masked(key, cover), cover);
      if (uncovered != no_route) break;
    }
    const unsigned relative = length - at.position;
    const std::size_t first = key.take(at.position, stride);
    const std::size_t count = std::size_t{1} << (stride - relative);
    for (std::size_t i = first; i < first + count; ++i) {
      if (depth_of(node[i].load(std::memory_order_relaxed)) != relative + 1) continue;
      if (uncovered == no_route) {
        set_route(node[i], 0, 0);
      } else {
        set_route(node[i], cover - at.position + 1, uncovered);
      }
    }
    break;
  }
  prune(trail);
  arena_.retire_set_aside();
  return true;
}

/// Unlinks what became empty, from the bottom up. Wide nodes stay: a table that was large once is
/// likely to grow again, and scanning them costs more than they hold.
template <class Key>
void Fib<Key>::prune(std::vector<Place>& trail) {
  for (; !trail.empty(); trail.pop_back()) {
    const Place& at = trail.back();
    const Ref child = child_of(at.slot->load(std::memory_order_relaxed));
    if (child == 0) continue;
    if (is_path(child)) {
      if (arena_.path(child).slot.load(std::memory_order_relaxed) != 0) return;
    } else {
      if (stride_of(child) != quantum) return;
      const Slot* node = arena_.node(child);
      for (std::size_t i = 0; i < std::size_t{1} << quantum; ++i) {
        if (node[i].load(std::memory_order_relaxed) != 0) return;
      }
      if (at.node != 0) --arena_.node_children(at.node);
    }
    link(*at.slot, 0);
    retire(child);
  }
}

template class Fib<Key4>;
template class Fib<Key6>;

}  // namespace weft::fib
