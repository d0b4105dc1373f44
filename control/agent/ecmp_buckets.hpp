#pragma once
/// Resilient hashing: which member of an ecmp next hop has which bucket.

#include <span>
#include <vector>

#include "weft/ids.hpp"

namespace weft::agent {

inline constexpr std::size_t ecmp_members_max = 64;
/// Eight for each of the most members, so that one in eight is the most that shares differ by.
inline constexpr std::size_t ecmp_bucket_count = 512;

/// Lays `members`, which differ and are at least one, over `buckets` anew: their shares differ by
/// one bucket at most, and no more buckets than that needs change hands. So who comes takes only
/// its share, and of who goes only its own buckets move. Invalid ids are free buckets.
std::vector<NexthopId> lay_over_buckets(std::vector<NexthopId> buckets,
                                        std::span<const NexthopId> members);

}  // namespace weft::agent
