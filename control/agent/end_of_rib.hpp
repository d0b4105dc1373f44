#pragma once
/// When a controller has told all that it has. An end-of-RIB says so (RFC 4724 §2); but some send
/// one behind the routes of each subscription, where the draft has one for all. So what is left of
/// an earlier session counts as gone only when all subscriptions were answered and, behind the last
/// marker, nothing of it was told again for a while.

#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

namespace weft::agent {

class EndOfRib {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// `most`: so long after the first marker it is over, however much is told.
  EndOfRib(std::chrono::milliseconds quiet, std::chrono::milliseconds most)
      : quiet_(quiet), most_(most) {}

  /// A session begins.
  void begin() { first_.reset(); }
  void hear_marker(Time now) {
    if (!first_) first_ = now;
    since_ = now;
  }
  [[nodiscard]] bool heard() const { return first_.has_value(); }

  /// Whether all is told. `answered`: all subscriptions were. `left`: how much of before was not
  /// told again; `told`: how much was told at all.
  bool over(Time now, bool answered, std::size_t left, std::size_t told) {
    if (!first_) return false;
    if (now - *first_ >= most_) return true;
    if (std::exchange(seen_, std::pair(left, told)) != seen_ || !answered) since_ = now;
    return answered && (left == 0 || now - since_ >= quiet_);
  }

 private:
  std::chrono::milliseconds quiet_;
  std::chrono::milliseconds most_;
  std::optional<Time> first_;
  Time since_{};
  std::pair<std::size_t, std::size_t> seen_{};
};

}  // namespace weft::agent
