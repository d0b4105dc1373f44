#pragma once
/// weftctl's command line: from words to one HTTP request.

#include <optional>
#include <ostream>
#include <string>
#include <variant>

#include "http/client.hpp"

namespace weft::ctl {

struct Command {
  enum class Answer { table, message, explanation, changes, trace, capture, events };
  std::string socket;                      ///< as it was named
  std::optional<http::TlsEndpoint> tls{};  ///< instead of a socket
  std::string server = "weftd";            ///< who is asked, and how its socket is named
  std::string naming = "--socket or WEFT_SOCKET";
  bool json = false;   ///< print the answer as it came
  double watch_s = 0;  ///< ask again after this time; 0: once
  http::Request request;
  Answer answer = Answer::table;
  [[nodiscard]] http::Endpoint endpoint() const {
    return tls ? http::Endpoint(*tls) : http::Endpoint(socket);
  }
  std::string output{};  ///< for capture: a file, or `-`
  /// The answer grows while it is read.
  [[nodiscard]] bool streams() const {
    return answer == Answer::trace || answer == Answer::capture || answer == Answer::events;
  }
};

/// The command, or the exit code where there is nothing to do but what was printed: help, usage.
std::variant<Command, int> parse_command(int argc, const char* const* argv, std::ostream& out,
                                         std::ostream& err);

}  // namespace weft::ctl
