#pragma once
/// A table as the API answers it.

#include <string>
#include <utility>
#include <vector>

#include "agent/api_json.hpp"

namespace weft::agent::api {

class Table {
 public:
  Table(std::string title, std::vector<std::string> columns)
      : title_(std::move(title)), columns_(std::move(columns)) {}

  /// One value for each column, in their order; false when the table is full.
  bool add(std::vector<Json> values) {
    if (rows_.size() >= rows_max) {
      truncated_ = true;
      return false;
    }
    Json row = Json::object();
    for (std::size_t i = 0; i < columns_.size(); ++i) row[columns_[i]] = std::move(values[i]);
    rows_.push_back(std::move(row));
    return true;
  }

  [[nodiscard]] Json finish() && {
    Json out{{"title", std::move(title_)}, {"columns", std::move(columns_)}};
    out["rows"] = std::move(rows_);
    if (truncated_) out["truncated"] = true;
    return out;
  }

 private:
  std::string title_;
  std::vector<std::string> columns_;
  Json rows_ = Json::array();
  bool truncated_ = false;
};

}  // namespace weft::agent::api
