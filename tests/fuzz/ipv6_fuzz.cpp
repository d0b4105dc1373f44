// The walk over IPv6 extension headers against one written the slow way from RFC 8200 §4 and,
// for a fragment header alone in its packet, RFC 6946.
#include <optional>

#include "fuzz/fuzz.hpp"
#include "support/exact_copy.hpp"
#include "wire/ipv6.hpp"

using namespace weft;

namespace {

bool extension(unsigned header) {
  return header == 0 || header == 43 || header == 44 || header == 60;
}

struct Found {
  std::size_t offset;
  unsigned protocol;
  bool fragment;
};

/// Nothing where the chain leaves the packet, has more than eight links, or goes on in the middle
/// of something: behind the fragment header of a later piece.
std::optional<Found> slow_walk(fuzz::Bytes packet) {
  Found found{40, packet[6], false};
  for (int link = 0; extension(found.protocol); ++link) {
    if (link == 8 || found.offset + 8 > packet.size()) return std::nullopt;
    const std::size_t bytes =
        found.protocol == 44 ? 8 : (packet[found.offset + 1] + std::size_t{1}) * 8;
    if (found.protocol == 44) {
      const unsigned piece_offset = packet[found.offset + 2] * 32U + packet[found.offset + 3] / 8U;
      const bool more_pieces = packet[found.offset + 3] % 2 == 1;
      if (piece_offset != 0) return std::nullopt;
      found.fragment = found.fragment || more_pieces;
    }
    found.protocol = packet[found.offset];
    found.offset += bytes;
    if (found.offset > packet.size()) return std::nullopt;
  }
  return found;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const test::ExactCopy copy({data, size});
  if (copy.get().size() < sizeof(wire::Ipv6)) return 0;
  const auto upper = wire::find_upper_layer(copy.get());
  const auto slow = slow_walk(copy.get());
  fuzz::require(upper.complete == slow.has_value(), "find_upper_layer: complete");
  fuzz::require(upper.offset <= size, "find_upper_layer: an offset inside the packet");
  if (slow) {
    fuzz::require(upper.offset == slow->offset && upper.protocol == slow->protocol &&
                      upper.fragment == slow->fragment,
                  "find_upper_layer");
  }
  return 0;
}
