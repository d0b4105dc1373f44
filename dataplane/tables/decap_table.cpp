#include "tables/decap_table.hpp"

namespace weft {

void DecapTable::put(Slots& slots, const DecapEntry* entry) const {
  std::size_t i = hash(*entry) & slots.mask;
  while (slots.at[i].load(std::memory_order_relaxed) > erased) i = (i + 1) & slots.mask;
  slots.at[i].store(make_slot(entry), std::memory_order_release);
}

void DecapTable::insert(const DecapEntry* entry) {
  const std::size_t capacity = slots_.load()->mask + 1;
  if ((taken_ + 1) * 2 > capacity) rebuild((live_ + 1) * 4 > capacity ? capacity * 2 : capacity);
  put(*slots_.load(), entry);
  ++live_;
  ++taken_;
}

std::atomic<std::uint64_t>* DecapTable::slot_of(const DecapEntry* entry) {
  Slots& slots = *slots_.load();
  for (std::size_t i = hash(*entry) & slots.mask;; i = (i + 1) & slots.mask) {
    const std::uint64_t slot = slots.at[i].load(std::memory_order_relaxed);
    if (slot == 0) return nullptr;
    if (slot != erased && entry_of(slot) == entry) return &slots.at[i];
  }
}

void DecapTable::replace(const DecapEntry* old, const DecapEntry* entry) {
  slot_of(old)->store(make_slot(entry), std::memory_order_release);
}

void DecapTable::erase(const DecapEntry* entry) {
  slot_of(entry)->store(erased, std::memory_order_release);
  --live_;
}

void DecapTable::rebuild(std::size_t capacity) {
  const Slots* old = slots_.load();
  auto* fresh = new Slots(capacity);
  for (const auto& at : old->at) {
    const std::uint64_t slot = at.load(std::memory_order_relaxed);
    if (slot > erased) put(*fresh, entry_of(slot));
  }
  taken_ = live_;
  slots_.store(fresh, std::memory_order_release);
  rcu_.retire(old);
}

const DecapEntry* DecapTable::find(TunnelKind kind, std::uint16_t destination_port,
                                   std::uint32_t vni, const IpAddress& local) const {
  const std::uint64_t key = decap_key(kind, destination_port, vni);
  return local.is_v4() ? find(key, __builtin_bswap32(local.v4().value)) : find(key, local.v6());
}

}  // namespace weft
