#pragma once
/// How long the control thread's handlers take. None may take longer than 5 ms (design.md, 14).

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string_view>

namespace weft::agent {

class HandlerTimes {
 public:
  using Clock = std::chrono::steady_clock;
  /// Upper bounds of the buckets, in seconds; one more bucket holds the rest.
  static constexpr std::array bounds_s{10e-6, 50e-6, 100e-6, 500e-6, 1e-3,
                                       5e-3,  10e-3, 50e-3,  100e-3};
  static constexpr std::chrono::milliseconds limit{5};

  struct Histogram {
    std::array<std::uint64_t, bounds_s.size() + 1> counts{};  ///< not cumulated
    double sum_s = 0;
  };

  /// Measures until it goes.
  class Timer {
   public:
    Timer(HandlerTimes& times, std::string_view handler)
        : times_(times), handler_(handler), start_(Clock::now()) {}
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() { times_.record(handler_, Clock::now() - start_); }

   private:
    HandlerTimes& times_;
    std::string_view handler_;
    Clock::time_point start_;
  };

  /// `handler` lives as long as this.
  [[nodiscard]] Timer time(std::string_view handler) { return {*this, handler}; }
  /// A handler above the limit is warned of by name.
  void record(std::string_view handler, Clock::duration took);
  [[nodiscard]] const std::map<std::string_view, Histogram>& all() const { return all_; }

 private:
  std::map<std::string_view, Histogram> all_;
};

}  // namespace weft::agent
