#pragma once
/// Which of several paths to one destination are used.

#include <cstdint>
#include <span>

#include "vpn/attributes.hpp"
#include "vpn/sources.hpp"

namespace weft::vpn {

using NetworkId = Id<struct NetworkTag>;

/// Who says so: a source, and on a controller the network in which it was published.
struct Teller {
  SourceId source;
  NetworkId published_in{};
  friend auto operator<=>(const Teller&, const Teller&) = default;
};

/// Whether a path may be chosen.
enum class Use : std::uint8_t {
  here,
  elsewhere,  ///< held for the networks that import it
  damped,     ///< held back: its address moved too often
};

struct Path {
  AttributesRef attributes;
  Teller teller;
  std::uint32_t epoch = 0;  ///< of its source, when it was last told
  Use use = Use::here;
};

/// Of paths in the order in which their attributes came, the newest last:
///
/// 1. What one node published in one network (an empty `origin` is such a node, too) counts once:
/// with
///    the highest sequence; of these, what the node itself says in a session that stands rather
///    than what is relayed; of these the newest. Several sources that tell of one node are voices
///    of one truth, and a source that is gone must not contradict one that lives.
/// 2. Of those that are left the best are used: highest local preference; sticky (RFC 7432 §15.2);
///    highest sequence (§15); lowest MED.
/// 3. If several are equal, and one of them is mobile, the one with the lowest next hop is used
/// alone
///    (§15). Otherwise all of them are: their next hops are joined, each once; where two tell the
///    same address, by the newer. All else is as the least of them says, so that it depends on no
///    order.
///
/// Nothing where none may be used here.
AttributesRef select_best(std::span<const Path> paths, const Sources& sources, AttributePool& pool);

}  // namespace weft::vpn
