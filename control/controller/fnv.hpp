#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

namespace weft::controller {

/// FNV-1a, of 32 or 64 bits: the same everywhere and for ever, as names and numbers rest on it.
template <class Word>
constexpr Word fnv1a(std::string_view text) {
  constexpr bool wide = std::is_same_v<Word, std::uint64_t>;
  static_assert(wide || std::is_same_v<Word, std::uint32_t>);
  Word value = static_cast<Word>(wide ? 0xcbf29ce484222325 : 0x811c9dc5);
  for (const char c : text) {
    value = (value ^ static_cast<unsigned char>(c)) *
            static_cast<Word>(wide ? 0x100000001b3 : 0x01000193);
  }
  return value;
}
static_assert(fnv1a<std::uint32_t>("a") == 0xe40c292c);
static_assert(fnv1a<std::uint64_t>("a") == 0xaf63dc4c8601ec8c);

}  // namespace weft::controller
