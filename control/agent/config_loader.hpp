#pragma once
/// Reads `weft.yaml` strictly: what is unknown, of a wrong type, dangling or twice there is an
/// error, and all errors are told at once.

#include <optional>
#include <string>
#include <vector>

#include "agent/config.hpp"

namespace weft::agent {

/// Prints as `file:line:column: key: message`; line and column count from 1.
struct Diagnostic {
  std::string file;
  int line = 0;
  int column = 0;
  std::string key;      ///< path of the key, as `vifs[0].mac`
  std::string message;  ///< what was wanted and what was found
};

std::string to_string(const Diagnostic& d);

struct LoadedConfig {
  std::optional<Config> config;  ///< set when there is no diagnostic
  std::vector<Diagnostic> diagnostics;
};

LoadedConfig load_config(const std::string& path);
/// The same from text; `name` stands for the file in diagnostics.
LoadedConfig parse_config(const std::string& text, const std::string& name);

}  // namespace weft::agent
