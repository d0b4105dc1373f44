#pragma once
/// What the stages decided about one packet, step by step.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "weft/drop_reason.hpp"
#include "weft/ids.hpp"
#include "weft/policy.hpp"

namespace weft {

/// One decision of one stage.
struct ExplainStep {
  std::string stage;
  std::string text;
  // What the packet was about to use, as far as it was known; control adds the names.
  VrfId vrf{};
  NexthopId nexthop{};
  DecapId decap{};
  PortId port{};                           ///< the way out
  std::optional<PolicyDecision> policy{};  ///< of the stage that asked one
};

struct ExplainReport {
  std::vector<ExplainStep> steps;
  std::string verdict;  ///< transmit, drop, punt, hold or keep (a fragment)
  DropReason reason = DropReason::none;
  PortId port;                      ///< for transmit
  std::vector<std::uint8_t> frame;  ///< for transmit: as it would leave
};

}  // namespace weft
