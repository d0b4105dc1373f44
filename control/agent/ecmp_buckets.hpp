#pragma once
/// Resilient hashing: which member of an ecmp next hop, or which neighbour of an adjacency that has
/// several, has which bucket.

#include <span>
#include <type_traits>
#include <vector>

#include "weft/ids.hpp"

namespace weft::agent {

inline constexpr std::size_t ecmp_members_max = 64;
/// Eight for each of the most members, so that one in eight is the most that shares differ by.
inline constexpr std::size_t ecmp_bucket_count = 512;

inline constexpr std::size_t gateways_max = 16;  ///< of a route
/// Sixteen for each of the most neighbours.
inline constexpr std::size_t way_bucket_count = 256;

/// Lays `members`, which differ and are at least one, over `buckets` anew: their shares differ by
/// one bucket at most, and no more buckets than that needs change hands. So who comes takes only
/// its share, and of who goes only its own buckets move. Invalid ids are free buckets.
template <class Identifier>
std::vector<Identifier> lay_over_buckets(std::vector<Identifier> buckets,
                                         std::type_identity_t<std::span<const Identifier>> members);
extern template std::vector<NexthopId> lay_over_buckets(std::vector<NexthopId>,
                                                        std::span<const NexthopId>);
extern template std::vector<AdjacencyId> lay_over_buckets(std::vector<AdjacencyId>,
                                                          std::span<const AdjacencyId>);

}  // namespace weft::agent
