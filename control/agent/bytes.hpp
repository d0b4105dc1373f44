#pragma once
/// Bytes of packets, and headers as they stand in them.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace weft::agent {

using Frame = std::vector<std::uint8_t>;
using Bytes = std::span<const std::uint8_t>;

/// The header that begins at `offset`; all of it must be there.
template <class Header>
Header read(Bytes bytes, std::size_t offset = 0) {
  Header header;
  std::memcpy(&header, bytes.data() + offset, sizeof header);
  return header;
}

}  // namespace weft::agent
