#include "agent/api.hpp"

#include "agent/api_flow.hpp"
#include "agent/api_json.hpp"
#include "agent/api_stream.hpp"
#include "agent/metrics.hpp"
#include "http/percent.hpp"

#include <fmt/format.h>

namespace weft::agent {

namespace api {

Result<Json> parse_body(const std::string& text) {
  constexpr int max_depth = 16;
  constexpr unsigned max_members = 64;
  bool too_large = false;
  std::vector<unsigned> members;  // of the objects that are open
  const auto body = Json::parse(
      text,
      [&](int depth, Json::parse_event_t event, Json&) {
        using Event = Json::parse_event_t;
        if (event == Event::object_start) members.push_back(0);
        if (event == Event::key && ++members.back() > max_members) too_large = true;
        if (event == Event::object_end) members.pop_back();
        too_large = too_large || depth > max_depth;
        return !too_large;
      },
      false);
  if (too_large) {
    return Error{
        fmt::format("the body is nested deeper than {} or has an object of more than {} members",
                    max_depth, max_members)};
  }
  if (body.is_discarded()) return Error{"the body is not JSON"};
  return body;
}

Members::Members(const Json& object, std::string path, std::vector<std::string_view> known)
    : object_(object), path_(std::move(path)) {
  if (!object.is_object()) {
    failure_ = Failure{400, (path_.empty() ? "the body" : path_) + ": wanted a JSON object"};
    return;
  }
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    fail(key, "unknown key" + yaml::did_you_mean(key, known));
  }
}

const Json* Members::find(std::string_view key) const {
  if (!object_.is_object()) return nullptr;
  const auto found = object_.find(std::string(key));
  return found == object_.end() ? nullptr : &*found;
}

void Members::fail(std::string_view key, const std::string& message) {
  if (failure_) return;
  const std::string shown(key.substr(0, 64));
  failure_ = Failure{400, (path_.empty() ? shown : path_ + "." + shown) + ": " + message};
}

void Members::require(std::string_view key) {
  if (!has(key)) fail(key, "is missing");
}

std::optional<std::string> Members::text(std::string_view key) {
  const auto* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_string() && !value->get_ref<const std::string&>().empty()) {
    return value->get<std::string>();
  }
  fail(key, "wanted a text that is not empty");
  return std::nullopt;
}

std::optional<bool> Members::boolean(std::string_view key) {
  const auto* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  fail(key, "wanted true or false");
  return std::nullopt;
}

std::optional<std::uint64_t> Members::integer(std::string_view key, std::uint64_t low,
                                              std::uint64_t high) {
  const auto* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_number_unsigned()) {
    const auto number = value->get<std::uint64_t>();
    if (number >= low && number <= high) return number;
  }
  fail(key, "wanted a number from " + std::to_string(low) + " to " + std::to_string(high));
  return std::nullopt;
}

template <class T>
std::optional<T> Members::parsed(std::string_view key, std::optional<T> (*parse)(std::string_view),
                                 const char* wanted) {
  const auto value = text(key);
  if (!value) return std::nullopt;
  auto out = parse(*value);
  if (!out) fail(key, std::string("wanted ") + wanted + ", found " + yaml::quoted(*value));
  return out;
}

std::optional<IpAddress> Members::address(std::string_view key) {
  return parsed(key, parse_ip, "an IP address");
}

std::optional<IpPrefix> Members::prefix(std::string_view key) {
  return parsed(key, parse_prefix, "a prefix such as 10.1.0.0/24");
}

std::optional<MacAddress> Members::mac(std::string_view key) {
  return parsed(key, parse_mac, "a MAC address such as 02:00:00:00:00:01");
}

}  // namespace api

namespace {

using api::Failure;
using api::Reply;

http::Response respond(const Reply& reply) {
  const auto text = [](const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  };
  if (const auto* failure = std::get_if<Failure>(&reply)) {
    return {failure->status, "application/json", text({{"error", failure->message}})};
  }
  return {200, "application/json", text(std::get<Json>(reply))};
}

using Done = std::function<void(http::Response)>;

/// Answers a change once it holds: rules that it brings are compiled on another thread.
void answer_when_settled(Agent& agent, Reply reply, const Done& done) {
  if (std::holds_alternative<Failure>(reply)) return done(respond(reply));
  agent.when_policies_settle([done, reply = std::move(reply)](const std::string& wrong) {
    done(respond(wrong.empty() ? reply : Reply(Failure{409, wrong})));
  });
}

http::Response settled(Agent& agent, Reply reply) {
  http::Response response;
  if (!agent.resolver().compiling()) {
    answer_when_settled(agent, std::move(reply),
                        [&](http::Response now) { response = std::move(now); });
    return response;
  }
  response.later = [&agent, reply = std::move(reply)](const auto& done) {
    answer_when_settled(agent, reply, done);
  };
  return response;
}

http::Response dispatch(Agent& agent, const http::Request& request) {
  constexpr std::string_view root = "/v1/";
  const auto fail = [](unsigned status, std::string message) {
    return respond(Failure{status, std::move(message)});
  };
  if (!request.path.starts_with(root)) {
    return fail(404, "no such path; the API starts with /v1/");
  }
  const auto what = request.path.substr(root.size());
  if (request.method == "GET") {
    const auto query = http::parse_query(request.query);
    if (!query) return fail(400, "the query is not percent-encoded well");
    return respond(api::show(agent, what, *query));
  }
  const auto body = api::parse_body(request.body);
  if (body) {
    if (auto reply = api::change_object(agent, request.method, what, *body)) {
      return settled(agent, *std::move(reply));
    }
  }
  using Change = Reply (*)(Agent&, const Json&);
  struct Route {
    std::string_view method;
    std::string_view path;
    Change change;
  };
  constexpr Route routes[] = {{"POST", "explain", api::explain}};
  bool path_known = false;
  for (const auto& route : routes) {
    if (route.path != what) continue;
    path_known = true;
    if (route.method != request.method) continue;
    if (!body) return fail(400, body.error().message);
    return respond(route.change(agent, *body));
  }
  if (!body) return fail(400, body.error().message);
  if (path_known) return fail(405, request.method + " is not for /v1/" + what);
  return fail(404, "nothing at /v1/" + what + " to " + request.method);
}

/// The paths whose answers grow; nullopt: it is none of them.
std::optional<http::Response> stream(Agent& agent, const http::Request& request) {
  if (request.method != "POST") return std::nullopt;
  const bool trace = request.path == "/v1/trace";
  if (!trace && request.path != "/v1/capture") return std::nullopt;
  const auto body = api::parse_body(request.body);
  if (!body) return respond(Failure{400, body.error().message});
  auto reply = trace ? api::trace(agent, *body) : api::capture(agent, *body);
  if (auto* failure = std::get_if<Failure>(&reply)) return respond(std::move(*failure));
  return std::get<http::Response>(std::move(reply));
}

/// The answer comes when the file has been read.
http::Response reload(Agent& agent, const http::Request& request) {
  if (request.method != "POST") {
    return respond(Failure{405, request.method + " is not for /v1/reload"});
  }
  const auto body = api::parse_body(request.body);
  if (!body) return respond(Failure{400, body.error().message});
  const auto wanted = api::read_reload(*body);
  if (const auto* failure = std::get_if<Failure>(&wanted)) return respond(*failure);
  http::Response response;
  response.later = [&agent, dry_run = std::get<bool>(wanted)](const auto& done) {
    agent.reload(dry_run, [&agent, done, dry_run](const auto& result) {
      const auto reply = api::reloaded(result, dry_run);
      if (dry_run) return done(respond(reply));
      answer_when_settled(agent, reply, done);
    });
  };
  return response;
}

/// The answer comes when all sessions have been seen.
http::Response flows(Agent& agent, const http::Request& request) {
  const auto answer = [&]() -> api::FlowReply {
    if (request.method == "GET") {
      const auto query = http::parse_query(request.query);
      if (!query) return Failure{400, "the query is not percent-encoded well"};
      return api::show_flows(agent, *query);
    }
    if (request.method != "DELETE") return Failure{405, request.method + " is not for /v1/flow"};
    const auto body = api::parse_body(request.body);
    if (!body) return Failure{400, body.error().message};
    return api::clear_flows(agent, *body);
  };
  auto reply = answer();
  if (auto* failure = std::get_if<Failure>(&reply)) return respond(std::move(*failure));
  return std::get<http::Response>(std::move(reply));
}

}  // namespace

http::Response Api::handle(const http::Request& request) {
  const auto timer = agent_.handler_times().time("api");
  if (auto streamed = stream(agent_, request)) return *std::move(streamed);
  if (request.method == "GET" && request.path == "/metrics") return metrics(agent_);
  if (request.method == "GET" && request.path == "/healthz") return health(agent_);
  if (request.path == "/v1/flow") return flows(agent_, request);
  if (request.path == "/v1/reload") return reload(agent_, request);
  return dispatch(agent_, request);
}

}  // namespace weft::agent
