#pragma once
/// Logs that a storm cannot flood: each place in the code that logs has its own bucket of lines.

#include <spdlog/sinks/base_sink.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "agent/rate_limiter.hpp"

namespace weft::agent {

/// Hands on what another sink shall write. Of lines that one place logs (without a place: that have
/// the same text) it hands on ten at once and then one a second; the next one that passes says how
/// many did not.
class LimitedSink final : public spdlog::sinks::sink {
 public:
  explicit LimitedSink(std::shared_ptr<spdlog::sinks::sink> behind, Clock clock = system_time)
      : behind_(std::move(behind)), clock_(std::move(clock)) {}

  void log(const spdlog::details::log_msg& message) override;
  void flush() override { behind_->flush(); }
  void set_pattern(const std::string& pattern) override { behind_->set_pattern(pattern); }
  void set_formatter(std::unique_ptr<spdlog::formatter> formatter) override {
    behind_->set_formatter(std::move(formatter));
  }

 private:
  struct Place {
    TokenBucket bucket;
    std::uint64_t suppressed = 0;
  };
  static constexpr double lines_per_second = 1;
  static constexpr double lines_at_once = 10;
  static constexpr std::size_t places_max = 1000;

  std::shared_ptr<spdlog::sinks::sink> behind_;
  Clock clock_;
  std::mutex mutex_;
  std::map<std::string, Place> places_;
};

/// Whether standard error goes to systemd's journal (systemd.exec(5), JOURNAL_STREAM).
bool logs_to_journal();
/// A sink for standard error: for the journal without time, with a priority by sd-daemon(3); else
/// for people.
std::shared_ptr<spdlog::sinks::sink> standard_error_sink(bool journal);

}  // namespace weft::agent
