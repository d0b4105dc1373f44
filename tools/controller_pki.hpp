#pragma once
/// `weft-controller pki`: a certificate authority for the control channel.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace weft::controller {

class PkiCommands {
 public:
  void add_to(CLI::App& app);
  /// Whether one of the commands was given; its exit code is `code`.
  [[nodiscard]] bool given() const { return given_; }
  [[nodiscard]] int code() const { return code_; }

 private:
  void init();
  void issue();
  void show();

  bool given_ = false;
  int code_ = 0;
  std::string directory_;
  std::string domain_ = "weft.local";
  std::string name_;
  std::string file_;
  std::string start_;
  std::string role_;
  unsigned days_ = 0;
  std::vector<std::string> dns_;
  std::vector<std::string> addresses_;
};

}  // namespace weft::controller
