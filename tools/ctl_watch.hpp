#pragma once
/// Tables that are shown again and again.

#include <nlohmann/json.hpp>

namespace weft::ctl {

/// `now` with a column of changes a second behind each counter that `before`, `seconds` earlier,
/// knew too.
nlohmann::ordered_json with_rates(const nlohmann::ordered_json& before, nlohmann::ordered_json now,
                                  double seconds);

}  // namespace weft::ctl
