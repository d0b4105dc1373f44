// The controller's API: a request a line, "METHOD PATH?QUERY BODY", to a controller with two nodes
// and a network. Each answer is JSON with a status that the API knows, and what it shows as intents
// can be applied again and changes nothing.
#include <spdlog/spdlog.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "controller/api.hpp"
#include "controller/document.hpp"
#include "fuzz/fuzz.hpp"

using namespace weft;
using controller::Json;

namespace {

struct Service {
  Service() {
    spdlog::set_level(spdlog::level::off);
    auto store = store::Store::open(":memory:", [this](auto call) {
      const std::lock_guard lock(mutex);
      calls.push_back(std::move(call));
      news.notify_one();
    });
    if (!store) fuzz::broken(store.error().message);
    core = std::make_unique<controller::Controller>(
        std::move(store.value()), controller::ControllerSettings{}, [this] { return now; });
    if (const auto started = core->start(); !started) fuzz::broken(started.error().message);
    api = std::make_unique<controller::Api>(*core);
    auto document = controller::read_document(R"(
nodes: [{name: a, tunnel_addresses: [192.0.2.1]}, {name: b, tunnel_addresses: [192.0.2.2]}]
networks: [{name: blue, members: [a, b], subnets: [{prefix: 10.1.0.0/24, gateway: 10.1.0.1}]}]
vms: [{name: v, node: a, network: blue, mac: "02:00:00:00:00:01", addresses: [10.1.0.5]}]
)",
                                              "start");
    std::optional<bool> good;
    core->change(std::move(document.edits), [&](const auto& changed) { good = bool(changed); });
    while (!good) run_one();
    fuzz::require(*good, "the first objects are good");
  }

  void run_one() {
    std::unique_lock lock(mutex);
    news.wait(lock, [&] { return !calls.empty(); });
    const auto call = std::move(calls.front());
    calls.pop_front();
    lock.unlock();
    call();
  }

  http::Response ask(const http::Request& request) {
    auto response = api->handle(request, controller::Role::admin);
    if (!response.later) return response;
    std::optional<http::Response> given;
    response.later([&](http::Response answer) { given = std::move(answer); });
    while (!given) run_one();
    return *given;
  }

  std::mutex mutex;
  std::condition_variable news;
  std::deque<std::function<void()>> calls;
  controller::Time now{std::chrono::hours(1)};
  std::unique_ptr<controller::Controller> core;
  std::unique_ptr<controller::Api> api;
};

std::string cut_off(std::string_view& text, char separator) {
  const auto end = std::min(text.find(separator), text.size());
  std::string out(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return out;
}

void check(const http::Response& response) {
  if (response.stream) return;
  const auto body = Json::parse(response.body, nullptr, false);
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
    default:
      fuzz::broken("an unknown status");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Service service;
  constexpr unsigned most = 16;
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
    check(service.ask(request));
    for (const auto* node : {"a", "b"}) {
      service.core->applied(node, service.core->rollout().generation(), {});
    }
    service.now += std::chrono::seconds(1);
    service.core->tick();
  }
  for (const auto& path : controller::Api::paths()) {
    const bool asks = path.method == "GET" && path.path != "/v1/watch" && path.path != "/v1/path";
    if (asks)
      fuzz::require(service.ask({"GET", path.path, "", ""}).status == 200, "it can be shown");
  }
  const std::string intents = service.ask({"GET", "/v1/intent", "", ""}).body;
  const Json again{{"text", intents}, {"prune", true}};
  const auto applied = service.ask({"POST", "/v1/apply", "", again.dump()});
  fuzz::require(applied.status == 200 &&
                    applied.body.find("0 added, 0 changed, 0 removed") != std::string::npos,
                "what is shown is what is there");
  return 0;
}
