#pragma once
/// Which decapsulation a tunnel packet belongs to: a hash table that readers search without locks.

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "tables/objects.hpp"
#include "tables/rcu.hpp"
#include "tunnel/entropy.hpp"

namespace weft {

class DecapTable {
 public:
  /// `seed`: secret, so that nobody can choose keys that meet in one place.
  explicit DecapTable(Rcu& rcu, tunnel::HashSeed seed = {})
      : seed_{seed.first, seed.second | 1}, rcu_(rcu) {
    slots_.store(new Slots(16));
  }
  ~DecapTable() { delete slots_.load(); }
  DecapTable(const DecapTable&) = delete;
  DecapTable& operator=(const DecapTable&) = delete;

  /// nullptr when nobody asked for such packets. `key`: see decap_key(); `local`: the outer
  /// destination, IPv4 as it lies in the packet, or Ipv6Address.
  template <class Address>
  [[nodiscard]] const DecapEntry* find(std::uint64_t key, const Address& local) const;
  [[nodiscard]] const DecapEntry* find(TunnelKind kind, std::uint16_t destination_port,
                                       std::uint32_t vni, const IpAddress& local) const;

  // The writer. Entries stay its own; the table only refers to them.
  void insert(const DecapEntry* entry);
  /// Takes the place of an entry of the same key.
  void replace(const DecapEntry* old, const DecapEntry* entry);
  void erase(const DecapEntry* entry);

 private:
  /// A slot: 16 bits of hash above a 48-bit pointer; 0 free, 1 left by an erased entry.
  struct Slots {
    explicit Slots(std::size_t capacity) : mask(capacity - 1), at(capacity) {}
    std::size_t mask;
    std::vector<std::atomic<std::uint64_t>> at;
  };
  static constexpr std::uint64_t erased = 1;

  /// Kinds whose networks have no numbers have their own address each.
  static std::uint64_t fold(std::uint32_t local) { return local; }
  static std::uint64_t fold(const Ipv6Address& local) {
    std::uint64_t words[2];
    std::memcpy(words, local.bytes.data(), sizeof words);
    return words[0] ^ (words[1] << 32 | words[1] >> 32);
  }
  template <class Address>
  [[nodiscard]] std::uint64_t hash(std::uint64_t key, const Address& local) const {
    return tunnel::mix(key ^ seed_.first, seed_.second ^ fold(local) << 1);
  }
  [[nodiscard]] std::uint64_t hash(const DecapEntry& entry) const {
    return entry.decap.local.is_v4() ? hash(entry.key, entry.local4)
                                     : hash(entry.key, entry.decap.local.v6());
  }
  static const DecapEntry* entry_of(std::uint64_t slot) {
    return reinterpret_cast<const DecapEntry*>(slot & 0xffffffffffff);
  }
  [[nodiscard]] std::uint64_t make_slot(const DecapEntry* entry) const {
    return reinterpret_cast<std::uintptr_t>(entry) | hash(*entry) >> 48 << 48;
  }
  void put(Slots& slots, const DecapEntry* entry) const;
  std::atomic<std::uint64_t>* slot_of(const DecapEntry* entry);
  void rebuild(std::size_t capacity);

  std::atomic<Slots*> slots_;
  tunnel::HashSeed seed_;
  Rcu& rcu_;
  std::size_t live_ = 0;
  std::size_t taken_ = 0;  // live and erased
};

template <class Address>
[[gnu::always_inline]] inline const DecapEntry* DecapTable::find(std::uint64_t key,
                                                                 const Address& local) const {
  const Slots& slots = *slots_.load(std::memory_order_acquire);
  const std::uint64_t h = hash(key, local);
  for (std::size_t i = h & slots.mask;; i = (i + 1) & slots.mask) {
    const std::uint64_t slot = slots.at[i].load(std::memory_order_acquire);
    if (slot == 0) return nullptr;
    if (slot >> 48 != h >> 48 || slot == erased) continue;
    const DecapEntry* entry = entry_of(slot);
    if (entry->key == key && entry->has_local(local)) return entry;
  }
}

}  // namespace weft
