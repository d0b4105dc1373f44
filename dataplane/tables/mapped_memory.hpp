#pragma once
/// Zeroed memory of the process's own, straight from the kernel.

#include <cstddef>
#include <cstdint>
#include <utility>

namespace weft {

/// What pages memory is made of.
enum class Pages : std::uint8_t {
  ordinary,     ///< those of 4 KiB, with the first touch
  transparent,  ///< large ones where the kernel has some at that moment, with the first touch
  reserved,     ///< hugepages that were set aside (hugetlb), all at once; too few: transparent
};

class MappedMemory {
 public:
  static constexpr std::size_t hugepage_bytes = std::size_t{2} << 20;

  /// Throws std::bad_alloc when the kernel refuses the address space.
  MappedMemory(std::size_t bytes, Pages pages);
  MappedMemory(MappedMemory&& other) noexcept
      : at_(std::exchange(other.at_, nullptr)),
        bytes_(other.bytes_),
        on_hugepages_(other.on_hugepages_) {}
  MappedMemory& operator=(MappedMemory&&) = delete;
  ~MappedMemory();

  [[nodiscard]] void* at() const { return at_; }
  /// Whether it got the hugepages that were asked for. All of them are there then: no touch can
  /// fail.
  [[nodiscard]] bool on_hugepages() const { return on_hugepages_; }

 private:
  bool map_hugepages(std::size_t bytes);

  void* at_ = nullptr;
  std::size_t bytes_ = 0;
  bool on_hugepages_ = false;
};

}  // namespace weft
