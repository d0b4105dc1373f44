#pragma once
/// The seed of a random test. It is printed; WEFT_SEED=N repeats a run.

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>

namespace weft::test {

inline std::uint64_t seed() {
  static const std::uint64_t value = [] {
    const char* given = std::getenv("WEFT_SEED");
    const std::uint64_t chosen =
        given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    std::cout << "WEFT_SEED=" << chosen << "\n";
    return chosen;
  }();
  return value;
}

/// One sequence for each test case, so that a case repeats when it runs alone.
inline std::mt19937_64 random_engine(std::uint64_t salt = 0) {
  return std::mt19937_64(seed() + salt * 0x9e3779b97f4a7c15);
}

}  // namespace weft::test
