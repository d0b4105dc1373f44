#pragma once
/// weftd's answers as text for people.

#include <string>

#include "ctl_command.hpp"
#include "ctl_json.hpp"

namespace weft::ctl {

/// What weftd answered; discarded (is_discarded()) where it is no JSON, or so deeply nested that no
/// weftd wrote it and the recursion of whoever prints it would break the stack.
Json parse_answer(const std::string& body);

/// `answer` in the shape that the command expects; what has another shape is shown as JSON.
std::string render(Command::Answer shape, const Json& answer);
/// A line of a trace.
std::string render_trace(const Json& line);
/// A line of what a controller tells those who watch.
std::string render_event(const Json& event);
std::string render_json(const Json& answer);

/// The reason in a response that says no.
std::string error_text(const http::Response& response);

}  // namespace weft::ctl
