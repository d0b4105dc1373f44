#pragma once
/// Time as the control thread sees it. Tests pass a clock that they move by hand.

#include <chrono>
#include <functional>

namespace weft::agent {

using Time = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;
using Clock = std::function<Time()>;

inline Time system_time() { return std::chrono::steady_clock::now(); }

}  // namespace weft::agent
