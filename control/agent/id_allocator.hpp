#pragma once
/// Hands out ids: always the smallest free index, so that tables stay dense, and the next
/// generation of it, so that an old id never matches a new object.

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

namespace weft::agent {

template <class Identifier>
class IdAllocator {
 public:
  /// An invalid id when every index is taken.
  [[nodiscard]] Identifier allocate() {
    if (!free_.empty()) {
      const std::uint32_t index = free_.top();
      free_.pop();
      return Identifier(index, ++generations_[index]);
    }
    if (generations_.size() > Identifier::max_index) return {};
    generations_.push_back(0);
    return Identifier(static_cast<std::uint32_t>(generations_.size() - 1));
  }

  void release(Identifier id) { free_.push(id.index()); }

 private:
  std::vector<std::uint8_t> generations_;
  std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> free_;
};

}  // namespace weft::agent
