#pragma once
/// What monitoring asks for: metrics in Prometheus' text format 0.0.4, and health.

#include <string>
#include <string_view>
#include <vector>

#include "agent/agent.hpp"
#include "http/server.hpp"

namespace weft::agent {

/// Writes families of metrics. A family is all samples of one name, under its help and type.
class MetricsText {
 public:
  struct Label {
    std::string_view name;
    std::string value;
  };
  /// `type` is counter, gauge or histogram; the name of a counter ends in `_total`.
  void family(std::string_view name, std::string_view type, std::string_view help);
  /// A sample of the family; `suffix` for the parts of a histogram.
  void sample(const std::vector<Label>& labels, double value, std::string_view suffix = {});
  void sample(const std::vector<Label>& labels, std::uint64_t value);
  [[nodiscard]] std::string take() && { return std::move(text_); }

 private:
  void start(const std::vector<Label>& labels, std::string_view suffix);
  std::string name_;
  std::string text_;
};

/// GET /metrics.
http::Response metrics(Agent& agent);
/// GET /healthz: 200, or 503 with the reasons.
http::Response health(Agent& agent);

}  // namespace weft::agent
