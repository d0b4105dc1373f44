#pragma once
/// Tables that are shown again and again.

#include "ctl_json.hpp"

namespace weft::ctl {

/// `now` with a column of changes a second behind each counter that `before`, `seconds` earlier,
/// knew too.
Json with_rates(const Json& before, Json now, double seconds);

}  // namespace weft::ctl
