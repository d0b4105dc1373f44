// The API: a request a line, "METHOD PATH?QUERY BODY", to a router with a few objects. Each answer
// is JSON, or text that says so, with a status that the API knows, and every table can be shown
// afterwards.
#include "agent/api.hpp"

#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "fuzz/fuzz.hpp"
#include "fuzz/sound.hpp"
#include "unit/control/agent/node.hpp"

using namespace weft;

namespace {

struct Service {
  Service() {
    spdlog::set_level(spdlog::level::off);
    const auto started = agent.start(agent::test::sample_node());
    if (!started) fuzz::broken(started.error().message);
    const NexthopId tunnel = agent.model().tunnels.at("to-b").nexthop;
    plane.explained.steps = {{"parse", "IPv4", {}, {}, {}, {}},
                             {"decap", "VXLAN", {}, {}, {}, {}},
                             {"decap", "VXLAN", {}, {}, DecapId(0), {}},
                             {"decap", "VXLAN", {}, {}, DecapId(9), {}},
                             {"resolve", "VRF 1", VrfId(1), tunnel, {}, {}},
                             {"resolve", "VRF 9", VrfId(9), NexthopId(99), {}, {}},
                             {"output", "port 0", {}, {}, {}, PortId(0)},
                             {"output", "port 9", {}, {}, {}, PortId(9)}};
    FlowRecord session;
    session.protocol = 17;
    session.forward.nexthop = tunnel;
    plane.sessions.assign(300, session);
    plane.explained.verdict = "transmit";
    plane.explained.port = PortId(0);
    plane.explained.frame = {0xde, 0xad};
  }

  boost::asio::io_context io;
  test::FakePlane plane;
  agent::Time now{std::chrono::hours(1)};
  agent::Agent agent{io, plane, [this] { return now; }};
  agent::Api api{agent};
};

std::string cut_off(std::string_view& text, char separator) {
  const auto end = std::min(text.find(separator), text.size());
  std::string out(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return out;
}

/// Waits for the answer.
http::Response finished(boost::asio::io_context& io, const http::Response& response) {
  std::optional<http::Response> given;
  response.later([&](http::Response answer) { given = std::move(answer); });
  while (!given) {
    io.restart();
    io.run_one();
  }
  return *std::move(given);
}

void check(Service& service, const http::Request& request, const http::Response& response) {
  if (response.later && request.path == "/v1/flow") {
    check(service, request, finished(service.io, response));
    return;
  }
  if (response.later) return;  // a reload, whose file is for config_fuzz.cpp
  if (response.content_type != "application/json") {
    fuzz::require(!response.body.empty(), "an answer says something");
    return;
  }
  const auto body = nlohmann::json::parse(response.body, nullptr, false);
  fuzz::require(body.is_object(), "an answer is a JSON object");
  switch (response.status) {
    case 200:
      fuzz::require(!body.contains("error"), "a good answer has no error");
      return;
    case 400:
    case 404:
    case 405:
    case 409:
      fuzz::require(!body.value("error", "").empty(), "a refusal says why");
      return;
    case 503:
      fuzz::require(
          request.path == "/healthz" && !body.value("reasons", nlohmann::json::array()).empty(),
          "sickness has reasons");
      return;
    default:
      fuzz::broken("an unknown status to " + request.method + " " + request.path);
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Service service;
  constexpr unsigned most = 16;
  bool changed = false;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  for (unsigned i = 0; i < most && !text.empty(); ++i) {
    const std::string line = cut_off(text, '\n');
    std::string_view rest = line;
    http::Request request;
    request.method = cut_off(rest, ' ');
    const std::string target = cut_off(rest, ' ');
    std::string_view path = target;
    request.path = cut_off(path, '?');
    request.query = path;
    request.body = rest;
    service.plane.explained_frame.clear();
    const auto response = service.api.handle(request);
    check(service, request, response);
    changed |= request.method != "GET" && response.status == 200;
  }
  if (!changed) return 0;
  for (const char* table : {"port", "vif", "vrf", "route", "nexthop", "tunnel", "decap",
                            "neighbour", "drops", "stats", "workers"}) {
    const http::Request request{"GET", std::string("/v1/") + table, "", ""};
    const auto response = service.api.handle(request);
    fuzz::require(response.status == 200, "every table can be shown");
    check(service, request, response);
  }
  return 0;
}
