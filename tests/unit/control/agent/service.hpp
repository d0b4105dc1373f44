#pragma once
/// An agent on a fake forwarding plane, reached by its API as weftctl would.

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/api.hpp"
#include "node.hpp"

namespace weft::agent::test {

using Json = nlohmann::ordered_json;

struct Service {
  boost::asio::io_context io;
  FakePlane plane;
  Time now{std::chrono::hours(1)};
  Agent agent{io, plane, [this] { return now; }};
  Api api{agent};

  Service();  ///< of sample_node()
  explicit Service(const Config& config, const std::string& state = "");
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  struct Answer {
    unsigned status;
    Json body;
    [[nodiscard]] std::string error() const;
    [[nodiscard]] std::string message() const;
  };
  Answer call(const char* method, const std::string& path, const std::string& body = "");
  /// The message of a change that must succeed.
  std::string done(const char* method, const std::string& path, const std::string& body);
  /// Checks that a request is refused, with a part of the reason.
  void refused(const char* method, const std::string& path, const std::string& body,
               unsigned status, const std::string& part);
  Json rows(const std::string& table);
  Json row(const std::string& table, const char* key, const std::string& value);
  /// Runs the loop until no policy is being compiled.
  void settle_policies();
  /// As time would have it: deletions whose grace is over.
  void settle();
};

/// A directory that goes with the test.
struct Scratch {
  std::filesystem::path path;
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "weft-test-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string file(const std::string& name) const { return (path / name).string(); }
};

inline void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}
inline std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace weft::agent::test
