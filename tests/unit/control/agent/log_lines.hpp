#pragma once
/// What is logged, as lines.

#include <spdlog/sinks/sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>
#include <vector>

namespace weft::agent::test {

/// Keeps lines.
struct Collect final : spdlog::sinks::sink {
  std::vector<std::string> lines;
  void log(const spdlog::details::log_msg& message) override {
    lines.emplace_back(message.payload.data(), message.payload.size());
  }
  void flush() override {}
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}
};

/// What the program logs while this lives comes here.
class Listening {
 public:
  Listening() { spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink_)); }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
  ~Listening() { spdlog::set_default_logger(before_); }
  [[nodiscard]] const std::vector<std::string>& lines() const { return sink_->lines; }

 private:
  std::shared_ptr<Collect> sink_ = std::make_shared<Collect>();
  std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
};

}  // namespace weft::agent::test
