#include "tables/mapped_memory.hpp"

#include <linux/mman.h>
#include <sys/mman.h>

#include <cerrno>
#include <new>

namespace weft {

MappedMemory::MappedMemory(std::size_t bytes, Pages pages) : bytes_(bytes) {
  if (pages == Pages::reserved && map_hugepages(bytes)) return;
  at_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
             -1, 0);
  if (at_ == MAP_FAILED) throw std::bad_alloc();
  if (pages != Pages::ordinary) madvise(at_, bytes_, MADV_HUGEPAGE);
}

MappedMemory::~MappedMemory() {
  if (at_ != nullptr) munmap(at_, bytes_);
}

/// Without MAP_NORESERVE the kernel refuses at once what it has too few free pages for. Pages that
/// it counts as free may still be out of reach, by a limit of the cgroup or on another node, and
/// whoever touches those dies of SIGBUS; so all of them are taken here, where that is an error.
bool MappedMemory::map_hugepages(std::size_t bytes) {
  const std::size_t whole = (bytes + hugepage_bytes - 1) / hugepage_bytes * hugepage_bytes;
  void* at = mmap(nullptr, whole, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);
  if (at == MAP_FAILED) return false;
  if (madvise(at, whole, MADV_POPULATE_WRITE) != 0) {
    munmap(at, whole);
    return false;
  }
  at_ = at;
  bytes_ = whole;
  on_hugepages_ = true;
  return true;
}

}  // namespace weft
