#pragma once
/// How tunnel packets that arrive in pieces are put together.

#include <chrono>
#include <cstdint>

namespace weft {

/// Of each worker, which has the pieces of one datagram all to itself.
struct ReassemblySettings {
  std::uint32_t datagrams = 256;  ///< that may be unfinished at once; 0: pieces are dropped
  std::chrono::seconds timeout{
      2};  ///< from its first piece that comes until a datagram is given up
  friend bool operator==(const ReassemblySettings&, const ReassemblySettings&) = default;
};

}  // namespace weft
