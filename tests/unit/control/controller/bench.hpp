#pragma once
#include <catch2/catch.hpp>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "controller/api.hpp"
#include "controller/controller.hpp"
#include "controller/document.hpp"

namespace weft::controller::test {

/// A controller with its database, whose owner is the test's thread.
class Bench {
 public:
  explicit Bench(std::string called = "c0", bool has_peers = false)
      : settings_{.name = std::move(called), .has_peers = has_peers, .underlay = {}} {
    std::string name = (std::filesystem::temp_directory_path() / "weft-controller-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    start();
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
  ~Bench() {
    api.reset();
    core.reset();
    std::filesystem::remove_all(directory_);
  }

  void start() {
    api.reset();
    core.reset();  // the database is one process's and one controller's
    auto store = store::Store::open((directory_ / "state.db").string(), [this](auto call) {
      const std::lock_guard lock(mutex_);
      calls_.push_back(std::move(call));
      news_.notify_one();
    });
    REQUIRE(store);
    core =
        std::make_unique<Controller>(std::move(store.value()), settings_, [this] { return now; });
    core->on_profiles = [this](const RolloutStep& step) { told.push_back(step); };
    core->on_restart = [this] { ++restarts; };
    const auto started = core->start();
    INFO((started ? "" : started.error().message));
    REQUIRE(started);
    api = std::make_unique<Api>(*core);
    settle();
  }
  /// Until the store has answered to everything.
  void settle() {
    bool kept = false;
    core->when_kept([&] { kept = true; });
    while (!kept) run_one();
  }
  /// The error, or nothing.
  std::string change(std::vector<Edit> edits) {
    std::optional<std::string> said;
    core->change(std::move(edits), [&](const Result<Changes>& changed) {
      said = changed ? "" : changed.error().message;
    });
    while (!said) run_one();
    return *said;
  }
  std::string apply(const std::string& text) {
    auto document = read_document(text, "test");
    if (!document.diagnostics.empty()) return agent::to_string(document.diagnostics.front());
    return change(std::move(document.edits));
  }
  http::Response ask(const std::string& method, const std::string& path, const Json& body = {}) {
    const auto question = path.find('?');
    auto response = api->handle(
        {method, path.substr(0, question), question == path.npos ? "" : path.substr(question + 1),
         body.is_null() ? "" : body.dump()},
        role);
    if (!response.later) return response;
    std::optional<http::Response> given;
    response.later([&](http::Response answer) { given = std::move(answer); });
    while (!given) run_one();
    return *given;
  }
  std::string error(const std::string& method, const std::string& path, const Json& body = {}) {
    const auto response = ask(method, path, body);
    return std::to_string(response.status) + " " +
           Json::parse(response.body).value("error", "no error");
  }

  Time now{std::chrono::hours(1)};
  std::unique_ptr<Controller> core;
  std::unique_ptr<Api> api;
  Role role = Role::admin;  ///< of whoever asks
  std::vector<RolloutStep> told;
  int restarts = 0;

 private:
  void run_one() {
    std::unique_lock lock(mutex_);
    REQUIRE(news_.wait_for(lock, std::chrono::seconds(20), [&] { return !calls_.empty(); }));
    const auto call = std::move(calls_.front());
    calls_.pop_front();
    lock.unlock();
    call();
  }

  ControllerSettings settings_;
  std::filesystem::path directory_;
  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<std::function<void()>> calls_;
};

}  // namespace weft::controller::test
