#pragma once
/// weftd's answers that grow, as they come: a trace to the terminal, a capture into a file.

#include <ostream>

#include "ctl_command.hpp"

namespace weft::ctl {

/// Reads until the answer ends; the exit code.
int run_stream(const Command& command, std::ostream& out, std::ostream& err);

}  // namespace weft::ctl
