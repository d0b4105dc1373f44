#pragma once
/// Where a pair of nodes is on its way, as it is kept over a restart.

#include <optional>
#include <string>
#include <vector>

#include "controller/plan.hpp"

namespace weft::controller {

struct PairWays {
  std::optional<Way> current;
  std::vector<Way> olds;
};

std::string to_json(const PairWays& ways);
/// Nothing where the text is none of ours.
std::optional<PairWays> parse_pair_ways(const std::string& json);

}  // namespace weft::controller
