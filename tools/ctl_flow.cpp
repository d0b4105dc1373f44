#include "ctl_flow.hpp"

#include "http/percent.hpp"

namespace weft::ctl {

void add_flow_filters(CLI::App& app, Fields& fields) {
  fields.text(app, "--vrf", "vrf", "whose packets arrive in this VRF, in either direction");
  fields.text(app, "--vif", "vif", "whose packets this vif sends, or that count within its limit");
  fields.text(app, "--source", "source", "from an address of this PREFIX");
  fields.text(app, "--destination", "destination", "to an address of this PREFIX");
  fields.text(app, "--address", "address", "of which either end is in this PREFIX");
  fields.text(app, "--protocol", "protocol", "tcp, udp, icmp, icmpv6 or a number");
  fields.number(app, "--port", "port", 65535, "of which either end has this port");
  fields.text(app, "--state", "state", "one-way, answered, opening, established or closing");
  fields.text(app, "--id", "id", "with this id");
}

void add_flow_order(CLI::App& app, Fields& fields) {
  auto* sort = fields.text(app, "--sort", "sort",
                           "the largest first: packets, bytes (of both directions), age or idle");
  auto* limit = fields.number(app, "--limit", "limit", 10000, "at most so many (100)");
  fields.number(app, "--top", "top", 10000, "top talkers: --sort bytes --limit NUMBER")
      ->excludes(sort)
      ->excludes(limit);
}

std::string flow_query(const Json& given) {
  std::string query;
  const auto add = [&](const std::string& key, const Json& value) {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    query += (query.empty() ? "" : "&") + key + "=" + http::percent_encode(text);
  };
  for (const auto& [key, value] : given.items()) {
    if (key == "top") {
      add("sort", "bytes");
      add("limit", value);
    } else {
      add(key, value);
    }
  }
  return query;
}

}  // namespace weft::ctl
