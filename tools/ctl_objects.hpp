#pragma once
/// weftctl's commands that change objects: KIND add, set and del.

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ctl_fields.hpp"

namespace weft::ctl {

class ObjectCommands {
 public:
  /// Called for the command that was given, with what it asks of weftd.
  using Ask =
      std::function<void(const std::string& method, const std::string& path, const Json& body)>;

  void add_to(CLI::App& app, Ask ask);

 private:
  struct Way {
    std::string name;
    std::string method;
    CLI::App* command;
    Fields* fields;
  };
  struct Kind {
    std::string word;
    std::string what;  ///< for help
    std::string key;   ///< option that names the object
    std::string key_help;
    std::string examples;  ///< an `add`, a `set` and a `del`, a line each
  };
  /// Makes add, set and del; `options` adds those of add and set.
  void kind(CLI::App& app, const Kind& kind,
            const std::function<void(CLI::App&, Fields&, Fields& via)>& options);
  Fields& make_fields();

  Ask ask_;
  std::vector<std::unique_ptr<Fields>> fields_;
};

/// PREFIX=GATEWAY, for each subnet.
Json subnets(const CLI::Option& option);
/// A rule each time it is given; `none`: an empty list.
Json rules(const CLI::Option& option);

/// `Example:` or `Examples:` below a command's help; a line each.
std::string examples(const std::vector<std::string>& lines);

}  // namespace weft::ctl
