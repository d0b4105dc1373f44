#include "ctl_watch.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <string_view>

namespace weft::ctl {

namespace {

bool counts(const std::string& column) {
  constexpr std::array<std::string_view, 9> names{"packets",    "bytes",      "back_packets",
                                                  "back_bytes", "loops",      "sleeps",
                                                  "handed_off", "taken_over", "value"};
  return std::ranges::find(names, column) != names.end();
}

/// What a row is about: all of its texts.
std::string identity(const Json& row) {
  std::string out;
  for (const auto& [key, value] : row.items()) {
    const bool id = key == "id" || key == "lcore";
    if (value.is_string() || id) out += value.dump() + '\n';
  }
  return out;
}

}  // namespace

Json with_rates(const Json& before, Json now, double seconds) {
  if (!now.contains("rows") || !before.contains("rows") || seconds <= 0) return now;
  std::map<std::string, const Json*> old;
  for (const auto& row : before["rows"]) old[identity(row)] = &row;
  Json columns = Json::array();
  for (const auto& column : now["columns"]) {
    columns.push_back(column);
    const auto name = column.get<std::string>();
    if (!counts(name)) continue;
    columns.push_back(name + "/s");
    for (auto& row : now["rows"]) {
      const auto known = old.find(identity(row));
      if (known == old.end() || !row[name].is_number() || !known->second->contains(name)) continue;
      const double change = row[name].get<double>() - (*known->second)[name].get<double>();
      row[name + "/s"] = std::llround(change / seconds);
    }
  }
  now["columns"] = std::move(columns);
  return now;
}

}  // namespace weft::ctl
