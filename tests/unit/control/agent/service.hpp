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

  explicit Service(const Config& config = sample(), const std::string& state = "") {
    const auto started = agent.start(config, state);
    if (!started) throw std::runtime_error(started.error().message);
  }

  struct Answer {
    unsigned status;
    Json body;
    [[nodiscard]] std::string error() const { return body.value("error", ""); }
    [[nodiscard]] std::string message() const { return body.value("message", ""); }
  };
  Answer call(const char* method, const std::string& path, const std::string& body = "") {
    const auto at = path.find('?');
    auto response = api.handle(
        {method, path.substr(0, at), at == std::string::npos ? "" : path.substr(at + 1), body});
    if (response.later) {
      std::optional<http::Response> given;
      response.later([&](http::Response later) { given = std::move(later); });
      io.restart();
      while (!given) io.run_one();
      response = *std::move(given);
    }
    CHECK(response.content_type == "application/json");
    return {response.status, Json::parse(response.body)};
  }
  /// The message of a change that must succeed.
  std::string done(const char* method, const std::string& path, const std::string& body) {
    const auto answer = call(method, path, body);
    INFO(body << " → " << answer.body.dump());
    CHECK(answer.status == 200);
    return answer.message();
  }
  /// Checks that a request is refused, with a part of the reason.
  void refused(const char* method, const std::string& path, const std::string& body,
               unsigned status, const std::string& part) {
    const auto batches = plane.batches.size();
    const auto answer = call(method, path, body);
    INFO(body << " → " << answer.body.dump());
    CHECK(answer.status == status);
    CHECK_THAT(answer.error(), Catch::Contains(part));
    CHECK(plane.batches.size() == batches);
  }
  Json rows(const std::string& table) {
    const auto answer = call("GET", "/v1/" + table);
    REQUIRE(answer.status == 200);
    for (const auto& row : answer.body["rows"]) {
      REQUIRE(row.size() == answer.body["columns"].size());
      for (const auto& column : answer.body["columns"]) {
        REQUIRE(row.contains(column.get<std::string>()));
      }
    }
    return answer.body["rows"];
  }
  Json row(const std::string& table, const char* key, const std::string& value) {
    for (const auto& row : rows(table)) {
      if (row[key] == value) return row;
    }
    return {};
  }
  /// Runs the loop until no policy is being compiled.
  void settle_policies() {
    bool settled = false;
    agent.when_policies_settle([&](const std::string&) { settled = true; });
    io.restart();
    while (!settled) io.run_one();
  }
  /// As time would have it: deletions whose grace is over.
  void settle() { agent.resolver().finish_deletions(plane); }
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
