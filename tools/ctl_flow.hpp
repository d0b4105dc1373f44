#pragma once
/// weftctl's options that choose sessions, for `show flow` and `flow clear`.

#include <CLI/CLI.hpp>
#include <string>

#include "ctl_fields.hpp"

namespace weft::ctl {

/// --vrf, --vif, --source, … : which sessions.
void add_flow_filters(CLI::App& app, Fields& fields);
/// --sort, --limit, --top: how many of them, and which first.
void add_flow_order(CLI::App& app, Fields& fields);
/// What was given as the query of a GET.
std::string flow_query(const Json& given);

}  // namespace weft::ctl
