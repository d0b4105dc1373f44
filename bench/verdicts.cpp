#include "verdicts.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weft::bench {

void Verdicts::note(std::span<const std::uint8_t> frame, const char* fault) {
  judged_.store(judged_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (fault == nullptr) return;
  if (first_fault_ == nullptr) {
    first_frame_.assign(frame.begin(), frame.end());
    first_fault_ = fault;
  }
  mixed_.store(mixed_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

std::string Verdicts::first_mixed() const {
  if (mixed() == 0) return "none";
  return fmt::format("{}: {:02x}", first_fault_, fmt::join(first_frame_, ""));
}

}  // namespace weft::bench
