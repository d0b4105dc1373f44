#pragma once
/// What all fuzz targets share. A target is one file, NAME_fuzz.cpp: it takes bytes to one parser
/// on an exact-size heap copy and holds what comes out against promises that need no knowledge of
/// the parser's code. Whatever it finds ends the process, and libFuzzer keeps the input.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace weft::fuzz {

using Bytes = std::span<const std::uint8_t>;

[[noreturn]] inline void broken(std::string_view promise) {
  std::fprintf(stderr, "broken promise: %.*s\n", static_cast<int>(promise.size()), promise.data());
  std::abort();
}

inline void require(bool kept, std::string_view promise) {
  if (!kept) [[unlikely]] {
    broken(promise);
  }
}

/// Takes an input apart from its start; what is missing at the end reads as zero.
class Input {
 public:
  explicit Input(Bytes bytes) : rest_(bytes) {}

  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const std::uint8_t value = rest_.front();
    rest_ = rest_.subspan(1);
    return value;
  }
  std::uint16_t word() {
    const unsigned high = byte();
    return static_cast<std::uint16_t>(high << 8 | byte());
  }
  [[nodiscard]] Bytes rest() const { return rest_; }

 private:
  Bytes rest_;
};

/// The pieces between separators. An input of several packets is split so, since then a byte that
/// the fuzzer inserts in one of them leaves the others what they were.
inline std::vector<Bytes> split(Bytes input, std::string_view separator) {
  std::vector<Bytes> pieces;
  const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    pieces.push_back(input.subspan(at, end - at));
    at = end + separator.size();
  }
  return pieces;
}

/// Stands between packets.
inline constexpr std::string_view packet_separator = "\xfe\xedPK";

/// Counts the packets that went in, for targets that take several at once; tools/fuzz reads it.
class PacketTally {
 public:
  PacketTally() = default;
  PacketTally(const PacketTally&) = delete;
  PacketTally& operator=(const PacketTally&) = delete;
  ~PacketTally() { std::fprintf(stderr, "stat::packets: %llu\n", packets_); }
  void add(std::size_t packets) { packets_ += packets; }

 private:
  unsigned long long packets_ = 0;
};

}  // namespace weft::fuzz
