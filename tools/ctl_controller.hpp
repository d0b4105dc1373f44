#pragma once
/// `weftctl -c SOCKET …`: what a controller is asked.

#include <optional>
#include <ostream>
#include <variant>

#include "ctl_command.hpp"

namespace weft::ctl {

/// Nothing where no controller is named, so that weftd is meant.
std::optional<std::variant<Command, int>> parse_controller_command(int argc,
                                                                   const char* const* argv,
                                                                   std::ostream& out,
                                                                   std::ostream& err);

}  // namespace weft::ctl
