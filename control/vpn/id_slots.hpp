#pragma once
/// Values by strong ids; the id of one that is gone matches none that comes later.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace weft::vpn {

template <class IdType, class T>
class IdSlots {
 public:
  IdType add(T value = {}) {
    std::uint32_t index = static_cast<std::uint32_t>(slots_.size());
    if (free_.empty()) {
      slots_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    slots_[index].value = std::move(value);
    return IdType(index, slots_[index].generation);
  }
  bool remove(IdType id) {
    if (find(id) == nullptr) return false;
    Slot& slot = slots_[id.index()];
    slot.value.reset();
    ++slot.generation;
    free_.push_back(id.index());
    return true;
  }
  /// Null where there is none; good until the next one is added.
  [[nodiscard]] T* find(IdType id) { return const_cast<T*>(std::as_const(*this).find(id)); }
  [[nodiscard]] const T* find(IdType id) const {
    if (id.index() >= slots_.size()) return nullptr;
    const Slot& slot = slots_[id.index()];
    return slot.value && slot.generation == id.generation() ? &*slot.value : nullptr;
  }
  /// Of one that is there.
  [[nodiscard]] T& operator[](IdType id) { return *slots_[id.index()].value; }
  [[nodiscard]] const T& operator[](IdType id) const { return *slots_[id.index()].value; }

  /// How many indices have ever been in use, for walks in portions.
  [[nodiscard]] std::uint32_t indices() const { return static_cast<std::uint32_t>(slots_.size()); }
  /// The id at an index, where there is one.
  [[nodiscard]] std::optional<IdType> at(std::uint32_t index) const {
    if (index >= slots_.size() || !slots_[index].value) return std::nullopt;
    return IdType(index, slots_[index].generation);
  }
  /// `see(value)` for all.
  template <class See>
  void each(See see) {
    for (Slot& slot : slots_) {
      if (slot.value) see(*slot.value);
    }
  }

 private:
  struct Slot {
    std::optional<T> value;
    std::uint8_t generation = 0;
  };
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
};

}  // namespace weft::vpn
