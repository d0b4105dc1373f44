#pragma once
/// A copy on the heap of exactly the given size, so that AddressSanitizer sees a read beyond it.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>

namespace weft::test {

class ExactCopy {
 public:
  explicit ExactCopy(std::span<const std::uint8_t> bytes)
      : bytes_(std::make_unique<std::uint8_t[]>(bytes.size())), size_(bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), bytes_.get());
  }
  [[nodiscard]] std::span<std::uint8_t> get() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t size_;
};

}  // namespace weft::test
