// The ring between a worker that captures and the control thread.
#include <catch2/catch.hpp>
#include <thread>

#include "io/record_ring.hpp"

namespace weft::io::record_ring_test {
namespace {

bool put(RecordRing& ring, std::size_t bytes, std::uint8_t value) {
  std::uint8_t* at = ring.claim(bytes);
  if (at == nullptr) return false;
  std::fill_n(at, bytes, value);
  ring.publish();
  return true;
}

bool take(RecordRing& ring, std::size_t bytes, std::uint8_t value) {
  const auto record = ring.front();
  const bool right =
      record.size() == bytes && std::all_of(record.begin(), record.end(),
                                            [value](std::uint8_t byte) { return byte == value; });
  if (!record.empty()) ring.pop();
  return right;
}

TEST_CASE("records come out as they went in, whole, and wrap") {
  RecordRing ring(256);
  CHECK(ring.front().empty());
  // Sizes that never divide the ring, for many turns.
  for (unsigned i = 0; i < 1000; ++i) {
    const std::size_t bytes = 1 + i % 50;
    REQUIRE(put(ring, bytes, static_cast<std::uint8_t>(i)));
    REQUIRE(put(ring, bytes, static_cast<std::uint8_t>(i + 1)));
    REQUIRE(take(ring, bytes, static_cast<std::uint8_t>(i)));
    REQUIRE(take(ring, bytes, static_cast<std::uint8_t>(i + 1)));
  }
  CHECK(ring.empty());
}

TEST_CASE("a full ring refuses, keeps what it has and takes again") {
  RecordRing ring(256);
  unsigned kept = 0;
  while (put(ring, 40, static_cast<std::uint8_t>(kept))) ++kept;
  CHECK(kept == 5);  // 48 bytes each
  for (unsigned i = 0; i < kept; ++i) CHECK(take(ring, 40, static_cast<std::uint8_t>(i)));
  CHECK(ring.front().empty());
  CHECK(put(ring, 40, 7));
  CHECK(take(ring, 40, 7));
  // What takes more than a quarter is refused at any time.
  CHECK(ring.claim(57) == nullptr);
}

TEST_CASE("a record that is claimed and not published is not seen") {
  RecordRing ring(256);
  REQUIRE(ring.claim(8) != nullptr);
  CHECK(ring.front().empty());
  CHECK(put(ring, 9, 3));
  CHECK(take(ring, 9, 3));
}

TEST_CASE("a producer and a consumer at once lose nothing that was accepted") {
  RecordRing ring(4096);
  constexpr unsigned records = 200000;
  std::thread producer([&ring] {
    for (unsigned i = 0; i < records;) {
      if (put(ring, 1 + i % 100, static_cast<std::uint8_t>(i))) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  unsigned wrong = 0;
  for (unsigned i = 0; i < records;) {
    if (ring.empty()) {
      std::this_thread::yield();
      continue;
    }
    wrong += take(ring, 1 + i % 100, static_cast<std::uint8_t>(i)) ? 0 : 1;
    ++i;
  }
  producer.join();
  CHECK(wrong == 0);
  CHECK(ring.empty());
}

}  // namespace
}  // namespace weft::io::record_ring_test
