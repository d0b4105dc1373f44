#include "service.hpp"

namespace weft::agent::test {

Service::Service() : Service(sample_node()) {}
Service::Service(const Config& config, const std::string& state) {
  const auto started = agent.start(config, state);
  if (!started) throw std::runtime_error(started.error().message);
}
Service::~Service() = default;

std::string Service::Answer::error() const { return body.value("error", ""); }
std::string Service::Answer::message() const { return body.value("message", ""); }

Service::Answer Service::call(const char* method, const std::string& path,
                              const std::string& body) {
  const auto at = path.find('?');
  auto response = api.handle(
      {method, path.substr(0, at), at == std::string::npos ? "" : path.substr(at + 1), body});
  if (response.later) {
    std::optional<http::Response> given;
    response.later([&](http::Response later) { given = std::move(later); });
    io.restart();
    while (!given) io.run_one();
    response = *std::move(given);
  }
  CHECK(response.content_type == "application/json");
  return {response.status, Json::parse(response.body)};
}

std::string Service::done(const char* method, const std::string& path, const std::string& body) {
  const auto answer = call(method, path, body);
  INFO(body << " → " << answer.body.dump());
  CHECK(answer.status == 200);
  return answer.message();
}

void Service::refused(const char* method, const std::string& path, const std::string& body,
                      unsigned status, const std::string& part) {
  const auto batches = plane.batches.size();
  const auto answer = call(method, path, body);
  INFO(body << " → " << answer.body.dump());
  CHECK(answer.status == status);
  CHECK_THAT(answer.error(), Catch::Contains(part));
  CHECK(plane.batches.size() == batches);
}

Json Service::rows(const std::string& table) {
  const auto answer = call("GET", "/v1/" + table);
  REQUIRE(answer.status == 200);
  for (const auto& row : answer.body["rows"]) {
    REQUIRE(row.size() == answer.body["columns"].size());
    for (const auto& column : answer.body["columns"]) {
      REQUIRE(row.contains(column.get<std::string>()));
    }
  }
  return answer.body["rows"];
}

Json Service::row(const std::string& table, const char* key, const std::string& value) {
  for (const auto& row : rows(table)) {
    if (row[key] == value) return row;
  }
  return {};
}

void Service::settle_policies() {
  bool settled = false;
  agent.when_policies_settle([&](const std::string&) { settled = true; });
  io.restart();
  while (!settled) io.run_one();
}

void Service::settle() { agent.resolver().finish_deletions(plane); }

}  // namespace weft::agent::test
