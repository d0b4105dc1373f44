// Memory from the kernel, with hugepages and without; tests/e2e/test_hugepages.py makes sure that
// there are some.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <string>

#include "tables/reserved_array.hpp"

namespace weft::mapped_memory_test {
namespace {

/// Hugepages of 2 MiB that nobody has or was promised.
std::size_t free_hugepages() {
  const std::string directory = "/sys/kernel/mm/hugepages/hugepages-2048kB/";
  std::size_t free = 0;
  std::size_t promised = 0;
  std::ifstream(directory + "free_hugepages") >> free;
  std::ifstream(directory + "resv_hugepages") >> promised;
  return free - std::min(free, promised);
}

}  // namespace

TEST_CASE("memory is zeroed and can be written, whatever its pages", "[memory]") {
  const auto pages = GENERATE(Pages::ordinary, Pages::transparent, Pages::reserved);
  constexpr std::size_t count = 3 << 20;  // not in whole hugepages
  ReservedArray<std::uint8_t> array(count + 1, pages);
  CHECK(array.size() == count + 1);
  CHECK(std::all_of(&array[0], &array[count] + 1, [](std::uint8_t b) { return b == 0; }));
  std::memset(&array[0], 0x5a, count + 1);
  CHECK(array[count] == 0x5a);
  ReservedArray<std::uint8_t> moved(std::move(array));
  CHECK(moved[count] == 0x5a);
}

TEST_CASE("only what is asked for lies on hugepages", "[memory]") {
  CHECK(ReservedArray<std::uint64_t>(1 << 20, Pages::ordinary).hugepage_bytes() == 0);
  CHECK(ReservedArray<std::uint64_t>(1 << 20, Pages::transparent).hugepage_bytes() == 0);
}

TEST_CASE("where there are too few hugepages memory comes without", "[memory]") {
  const std::size_t bytes = (free_hugepages() + 1024) * MappedMemory::hugepage_bytes;
  ReservedArray<std::uint8_t> array(bytes, Pages::reserved);
  CHECK(array.hugepage_bytes() == 0);
  array[bytes - 1] = 1;
  CHECK(array[bytes - 2] == 0);
}

TEST_CASE("all hugepages are there from the beginning, and go with the memory", "[memory]") {
  const std::size_t before = free_hugepages();
  if (before < 4) {
    WARN("this machine has no free hugepages; tests/e2e/test_hugepages.py sees to some");
    return;
  }
  {
    const ReservedArray<std::uint8_t> array(3 * MappedMemory::hugepage_bytes - 1, Pages::reserved);
    CHECK(array.hugepage_bytes() == 3 * MappedMemory::hugepage_bytes - 1);
    CHECK(free_hugepages() <= before - 3);
  }
  CHECK(free_hugepages() >= before - 1);
}

}  // namespace weft::mapped_memory_test
