// The controller's API: a request a line, "METHOD TARGET BODY", to a controller with two nodes, a
// network, a route and a security group; in `-METHOD TARGET BODY` a reader asks, and what follows
// `FILE ` or `TRY ` is applied as a document (CR ends a line of it). Each answer is JSON with a
// status that the API knows, a reader changes nothing, and what is shown as intents can be applied
// again and changes nothing.
//
// The state is in memory, and without the thread that writes it to a disk. Each input begins with
// the first objects: a controller that has taken nothing since is used again, and a new one reads
// them as they were kept, so that they are planned once.
#include <spdlog/spdlog.h>

#include <deque>
#include <map>

#include "controller/api.hpp"
#include "controller/document.hpp"
#include "fuzz/fuzz.hpp"
#include "http/percent.hpp"

using namespace weft;
using controller::Json;
using controller::Role;

namespace {

using Entries = std::vector<store::Entry>;
using Calls = std::deque<std::function<void()>>;

class MemoryStore final : public store::Store {
 public:
  MemoryStore(const Entries& entries, Calls& calls) : calls_(calls) {
    for (const auto& entry : entries) values_[{entry.kind, entry.name}] = entry.value;
  }
  Result<Entries> load() override {
    Entries out;
    for (const auto& [key, value] : values_) out.push_back({key.first, key.second, value});
    return out;
  }
  void commit(std::vector<store::Write> writes, Done done) override {
    for (auto& write : writes) {
      if (write.value) {
        values_[{write.kind, write.name}] = *write.value;
      } else {
        values_.erase({write.kind, write.name});
      }
    }
    calls_.push_back([done = std::move(done)] { done(ok()); });
  }
  void resume() override {}

 private:
  std::map<std::pair<std::string, std::string>, std::string> values_;
  Calls& calls_;
};

struct Service {
  explicit Service(const Entries& entries) {
    auto made = std::make_unique<MemoryStore>(entries, calls);
    store = made.get();
    core = std::make_unique<controller::Controller>(
        std::move(made), controller::ControllerSettings{}, [this] { return now; });
    if (const auto started = core->start(); !started) fuzz::broken(started.error().message);
    api = std::make_unique<controller::Api>(*core);
  }

  void run_one() {
    fuzz::require(!calls.empty(), "who waits for an answer gets it");
    const auto call = std::move(calls.front());
    calls.pop_front();
    call();
  }
  void settle() {
    while (!calls.empty()) run_one();
  }

  http::Response ask(const http::Request& request, Role role = Role::admin) {
    auto response = api->handle(request, role);
    if (!response.later) return response;
    std::optional<http::Response> given;
    response.later([&](http::Response answer) { given = std::move(answer); });
    while (!given) run_one();
    return *given;
  }

  Calls calls;
  MemoryStore* store = nullptr;
  controller::Time now{std::chrono::hours(1)};
  std::unique_ptr<controller::Controller> core;
  std::unique_ptr<controller::Api> api;
};

http::Request apply(std::string_view text, bool dry_run) {
  const Json body{{"text", text}, {"dry_run", dry_run}};
  return {"POST", "/v1/apply", "", body.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

Entries first_objects() {
  spdlog::set_level(spdlog::level::off);
  Service service({});
  const auto said = service.ask(apply(R"(
nodes: [{name: a, tunnel_addresses: [192.0.2.1]}, {name: b, tunnel_addresses: [192.0.2.2]}]
security_groups: [{name: web, ingress: [{protocol: tcp, ports: [80]}]}]
networks: [{name: blue, members: [a, b], security_groups: [web], subnets: [{prefix: 10.1.0.0/24, gateway: 10.1.0.1}]}]
routes: [{network: blue, prefix: 0.0.0.0/0, node: a}]
vms: [{name: v, node: a, network: blue, mac: "02:00:00:00:00:01", addresses: [10.1.0.5]}]
)",
                                      false));
  fuzz::require(said.status == 200, "the first objects are good");
  service.settle();
  return service.store->load().value();
}

std::string cut_off(std::string_view& text, char separator) {
  const auto end = std::min(text.find(separator), text.size());
  std::string out(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return out;
}

void check(const http::Response& response) {
  if (response.stream || response.content_type.starts_with("text/plain")) return;
  const auto body = Json::parse(response.body, nullptr, false);
  fuzz::require(body.is_object(), "an answer is a JSON object");
  switch (response.status) {
    case 200:
      fuzz::require(!body.contains("error"), "a good answer has no error");
      return;
    case 400:
    case 403:
    case 404:
    case 405:
    case 409:
      fuzz::require(!body.value("error", "").empty(), "a refusal says why");
      return;
    default:
      fuzz::broken("an unknown status");
  }
}

/// The request in a line; nothing where the server would refuse it, or has no reader for it.
std::optional<http::Request> request_of(const std::string& line) {
  std::string_view rest = line;
  http::Request request;
  request.method = cut_off(rest, ' ');
  if (request.method == "FILE" || request.method == "TRY") {
    return apply(rest, request.method == "TRY");
  }
  const std::string target = cut_off(rest, ' ');
  std::string_view query = target;
  auto path = http::percent_decode(cut_off(query, '?'));
  if (!path) return std::nullopt;
  request.path = *std::move(path);
  request.query = query;
  request.body = rest;
  return request;
}

/// All of it can be shown, and what is shown applied.
void check_all(Service& service) {
  for (const auto& path : controller::Api::paths()) {
    const bool asks = path.method == "GET" && path.path != "/v1/watch" && path.path != "/v1/path";
    if (asks) {
      fuzz::require(service.ask({"GET", path.path, "", ""}).status == 200, "it can be shown");
    }
  }
  const std::string intents = service.ask({"GET", "/v1/intent", "", ""}).body;
  const Json again{{"text", intents}, {"prune", true}};
  const auto applied = service.ask({"POST", "/v1/apply", "", again.dump()});
  fuzz::require(applied.status == 200 &&
                    applied.body.find("0 added, 0 changed, 0 removed") != std::string::npos,
                "what is shown is what is there");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Entries first = first_objects();
  static std::unique_ptr<Service> unchanged;
  if (unchanged == nullptr) unchanged = std::make_unique<Service>(first);
  Service& service = *unchanged;
  constexpr unsigned most = 16;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  bool changed = false;
  for (unsigned i = 0; i < most && !text.empty(); ++i) {
    std::string line = cut_off(text, '\n');
    const Role role = line.starts_with('-') ? Role::reader : Role::admin;
    if (role == Role::reader) line.erase(0, 1);
    const auto request = request_of(line);
    if (!request) continue;
    const auto before = service.core->rollout().generation();
    const auto response = service.ask(*request, role);
    check(response);
    if (role == Role::reader) {
      fuzz::require(service.core->rollout().generation() == before, "a reader changes nothing");
    }
    if (response.stream) response.stream->on_reader_left();
    if (request->method == "GET" || response.status != 200) continue;
    changed = true;
    for (const auto* node : {"a", "b"}) {
      (void)service.core->applied(node, service.core->rollout().generation(), {});
    }
    service.now += std::chrono::seconds(1);
    service.core->tick();
    service.settle();
  }
  if (!changed) return 0;
  check_all(service);
  unchanged.reset();
  return 0;
}
