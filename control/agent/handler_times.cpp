#include "agent/handler_times.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace weft::agent {

void HandlerTimes::record(std::string_view handler, Clock::duration took) {
  const double seconds = std::chrono::duration<double>(took).count();
  auto& histogram = all_[handler];
  const auto bucket = std::ranges::lower_bound(bounds_s, seconds) - bounds_s.begin();
  ++histogram.counts[static_cast<std::size_t>(bucket)];
  histogram.sum_s += seconds;
  if (took > limit) {
    SPDLOG_WARN("handler {} took {:.1f} ms; what else the control thread does had to wait", handler,
                seconds * 1e3);
  }
}

}  // namespace weft::agent
