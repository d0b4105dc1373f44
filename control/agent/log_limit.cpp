#include "agent/log_limit.hpp"

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace weft::agent {

namespace {

/// `<4>` and the like.
class Priority final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const char digit = message.level == spdlog::level::critical ? '2'
                       : message.level == spdlog::level::err    ? '3'
                       : message.level == spdlog::level::warn   ? '4'
                       : message.level == spdlog::level::info   ? '6'
                                                                : '7';
    const char text[] = {'<', digit, '>'};
    out.append(text, text + sizeof text);
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<Priority>();
  }
};

}  // namespace

void LimitedSink::log(const spdlog::details::log_msg& message) {
  const std::lock_guard lock(mutex_);
  std::string key = message.source.empty()
                        ? std::string(message.payload.data(), message.payload.size())
                        : fmt::format("{}:{}", message.source.filename, message.source.line);
  if (places_.size() >= places_max && !places_.contains(key)) places_.clear();
  auto& place =
      places_.try_emplace(std::move(key), Place{{lines_per_second, lines_at_once}}).first->second;
  if (!place.bucket.take(clock_())) {
    ++place.suppressed;
    return;
  }
  if (place.suppressed == 0) {
    behind_->log(message);
    return;
  }
  const auto text = fmt::format("{} ({} more like this were not logged)",
                                fmt::string_view(message.payload.data(), message.payload.size()),
                                std::exchange(place.suppressed, 0));
  auto whole = message;
  whole.payload = text;
  behind_->log(whole);
}

bool logs_to_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  return stream != nullptr && ::fstat(STDERR_FILENO, &status) == 0 &&
         stream == fmt::format("{}:{}", status.st_dev, status.st_ino);
}

std::shared_ptr<spdlog::sinks::sink> standard_error_sink(bool journal) {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  if (journal) {
    formatter->add_flag<Priority>('*').set_pattern("%*%v");
  } else {
    formatter->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  }
  sink->set_formatter(std::move(formatter));
  return std::make_shared<LimitedSink>(std::move(sink));
}

}  // namespace weft::agent
