// The fast checksum against the slow one, over any bytes and in any two even parts.
#include "fuzz/fuzz.hpp"
#include "support/exact_copy.hpp"
#include "support/naive.hpp"
#include "wire/checksum.hpp"

using namespace weft;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input({data, size});
  const std::size_t cut = input.word();
  const test::ExactCopy copy(input.rest());
  const auto bytes = copy.get();
  const std::uint16_t naive = test::naive_sum(bytes);
  const auto fast = [](std::uint64_t sum) {
    return static_cast<std::uint16_t>(~wire::checksum_finish(sum).get());
  };
  // One's complement has two zeros; which of them comes out is no matter.
  const auto same = [](std::uint16_t a, std::uint16_t b) { return a % 0xffff == b % 0xffff; };
  fuzz::require(same(fast(wire::checksum_add(bytes.data(), bytes.size())), naive), "checksum_add");
  const std::size_t first = std::min(cut & ~std::size_t{1}, bytes.size());
  const std::uint64_t half = wire::checksum_add(bytes.data(), first);
  const auto rest = bytes.subspan(first);
  fuzz::require(
      first % 2 != 0 || same(fast(wire::checksum_add(rest.data(), rest.size(), half)), naive),
      "checksum_add in two parts");
  for (const std::size_t width : {std::size_t{4}, std::size_t{16}}) {
    if (bytes.size() < 2 * width) continue;
    const auto payload = bytes.subspan(2 * width);
    const auto l4 = wire::l4_checksum(bytes.data(), bytes.data() + width, width, 17, payload);
    const std::uint32_t length = static_cast<std::uint32_t>(payload.size());
    const std::uint8_t tail[] = {
        0, 0, static_cast<std::uint8_t>(length >> 8), static_cast<std::uint8_t>(length), 0, 0,
        0, 17};
    const std::uint16_t pseudo = test::naive_sum(tail, test::naive_sum(bytes.first(2 * width)));
    fuzz::require(length > 0xffff ||
                      same(static_cast<std::uint16_t>(~l4.get()), test::naive_sum(payload, pseudo)),
                  "l4_checksum");
  }
  return 0;
}
