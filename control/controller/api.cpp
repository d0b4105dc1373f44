#include "controller/api.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/api_json.hpp"
#include "controller/api_show.hpp"
#include "controller/document.hpp"
#include "http/percent.hpp"

namespace weft::controller {
namespace {

constexpr std::string_view api_root = "/v1/";

http::Response answer(const Json& json, unsigned status = 200) {
  return {.status = status,
          .content_type = "application/json",
          .body = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"};
}

http::Response failure(unsigned status, const std::string& message) {
  return answer({{"error", message}}, status);
}

/// The key that a body names; an Error says what is missing.
Result<Key> key_in(Kind kind, const Json& body) {
  const std::string word(describe(kind).word);
  if (!body.is_object()) return Error{"wanted a JSON object that names the " + word};
  const auto text = [&](const char* member) -> Result<std::string> {
    const auto found = body.find(member);
    if (found != body.end() && found->is_string() && !found->get<std::string>().empty()) {
      return found->get<std::string>();
    }
    for (const auto& [given, value] : body.items()) {
      if (given != member && yaml::nearest(given, {member})) {
        return Error{
            fmt::format("{}: {}: unknown key{}", word, given, yaml::did_you_mean(given, {member}))};
      }
    }
    return Error{word + ": " + member + ": required, but missing"};
  };
  if (kind != Kind::route) {
    auto name = text("name");
    if (!name) return name.error();
    return Key{kind, *name};
  }
  const auto network = text("network");
  if (!network) return network.error();
  const auto prefix = text("prefix");
  if (!prefix) return prefix.error();
  const auto parsed = parse_prefix(*prefix);
  if (!parsed)
    return Error{"route: prefix: wanted a prefix, like 10.1.0.0/24, found " +
                 yaml::quoted(*prefix)};
  return Key{kind, *network + " " + to_string(parsed->masked())};
}

Json changes_json(const Changes& changes, bool dry_run) {
  Json out{{"message", ""},
           {"added", Json::array()},
           {"changed", Json::array()},
           {"removed", Json::array()},
           {"generation", changes.generation},
           {"dry_run", dry_run}};
  for (const auto& change : changes.objects) {
    const char* list = !change.before ? "added" : !change.after ? "removed" : "changed";
    out[list].push_back(api::change_text(change));
  }
  const auto count = [&](const char* list) {
    return std::to_string(out[list].size()) + " " + list;
  };
  out["message"] = (dry_run ? "would be: " : "") + count("added") + ", " + count("changed") + ", " +
                   count("removed");
  return out;
}

std::string diagnostics_text(const std::vector<agent::Diagnostic>& diagnostics) {
  constexpr std::size_t most = 20;
  std::string out;
  for (std::size_t i = 0; i < std::min(most, diagnostics.size()); ++i) {
    out += (out.empty() ? "" : "\n") + agent::to_string(diagnostics[i]);
  }
  if (diagnostics.size() > most) {
    out += "\nand " + std::to_string(diagnostics.size() - most) + " more";
  }
  return out;
}

}  // namespace

Api::Api(Controller& controller, MetricSources sources)
    : controller_(controller), sources_(std::move(sources)) {
  controller_.on_event = [this](const Json& event) { tell(event); };
}

std::vector<Api::Path> Api::paths() {
  std::vector<Path> out;
  for (const auto& info : spoken_kinds()) {
    for (const auto* method : {"GET", "POST", "PUT", "DELETE"}) {
      out.push_back({method, std::string(api_root) + std::string(info.word)});
    }
  }
  for (const auto* path : {"/v1/intent", "/v1/profile", "/v1/path", "/v1/controller",
                           "/v1/conflict", "/v1/watch", "/healthz", "/metrics"}) {
    out.push_back({"GET", path});
  }
  out.push_back({"POST", "/v1/apply"});
  return out;
}

http::Response Api::health() const {
  if (controller_.trouble().empty()) return answer({{"status", "ok"}});
  return answer({{"status", "failing"}, {"reasons", Json::array({controller_.trouble()})}}, 503);
}

http::Response Api::handle(const http::Request& request, Role role) {
  const auto all = paths();
  const auto here = [&](const Path& path) { return path.path == request.path; };
  if (std::ranges::none_of(all, here)) {
    std::vector<std::string_view> known;
    for (const auto& path : all) known.push_back(path.path);
    return failure(404, "there is nothing at " + yaml::quoted(request.path) +
                            yaml::did_you_mean(request.path, known));
  }
  const auto served = [&](const Path& path) { return here(path) && path.method == request.method; };
  if (std::ranges::none_of(all, served)) {
    return failure(405, request.method + " is not for " + request.path);
  }
  ++requests_[request.method];
  if (request.path == "/healthz") return health();
  if (request.path == "/metrics") {
    return {.content_type = "text/plain; version=0.0.4",
            .body = metrics_text(controller_, sources_, requests_)};
  }
  if (controller_.lost()) {
    return failure(503, "the state on the disk is being read again: " + controller_.trouble());
  }
  return dispatch(request, role);
}

http::Response Api::dispatch(const http::Request& request, Role role) {
  const auto what = std::string_view(request.path).substr(api_root.size());
  if (request.method != "GET") {
    if (what == "apply") return apply(request, role);
    if (const auto allowed = may(role, request, false); !allowed) {
      return failure(403, allowed.error().message);
    }
    return change_object(*kind_of_word(what), request);
  }
  const auto query = http::parse_query(request.query);
  if (!query) return failure(400, "the query is not percent-encoded well");
  const auto result = [](const Result<Json>& shown) {
    return shown ? answer(*shown) : failure(404, shown.error().message);
  };
  if (what == "watch") return watch();
  if (what == "intent") return answer(api::intents(controller_));
  if (what == "conflict") return answer(api::conflicts(controller_));
  if (what == "controller") return answer(api::controllers(sources_.peers));
  if (what == "profile") return result(api::profiles(controller_, *query));
  if (what == "path") return result(api::path(controller_, *query));
  return answer(api::objects(controller_, *kind_of_word(what), sources_.route_server));
}

http::Response Api::change_object(Kind kind, const http::Request& request) {
  const auto body = agent::api::parse_body(request.body);
  if (!body) return failure(400, body.error().message);
  const auto key = key_in(kind, *body);
  if (!key) return failure(400, key.error().message);
  const Object* there = controller_.model().find(*key);
  const bool aside = controller_.ledger().aside().contains(*key);
  if (request.method == "DELETE" && there == nullptr && !aside) {
    return failure(404, "there is no " + label(*key) + controller_.model().did_you_mean(*key));
  }
  if (request.method == "POST" && there != nullptr) {
    return failure(409, label(*key) + " is there already; change it with PUT (weftctl " +
                            std::string(describe(kind).word) + " set)");
  }
  Edit edit{*key, std::nullopt};
  if (request.method != "DELETE") {
    Json wanted = there == nullptr ? Json::object() : object_json(*there);
    if (kind == Kind::route && (body->contains("node") || body->contains("discard"))) {
      wanted.erase("node");  // where it leads is one of the two
      wanted.erase("discard");
    }
    wanted.merge_patch(*body);
    auto object = read_json(kind, wanted);
    if (!object) return failure(400, object.error().message);
    edit.object = *std::move(object);
  }
  http::Response response;
  response.later = [this, edit = std::move(edit)](const auto& done) {
    controller_.change({edit}, [done, key = edit.key](const Result<Changes>& changed) {
      if (!changed) return done(failure(409, changed.error().message));
      const auto& objects = changed->objects;
      const std::string said = objects.empty()           ? " is as it was"
                               : !objects.front().before ? " is there"
                               : !objects.front().after  ? " is gone"
                                                         : " is changed";
      done(answer({{"message", label(key) + said}, {"generation", changed->generation}}));
    });
  };
  return response;
}

http::Response Api::apply(const http::Request& request, Role role) {
  const auto body = agent::api::parse_body(request.body);
  if (!body) return failure(400, body.error().message);
  agent::api::Members members(*body, "", {"text", "name", "dry_run", "prune"});
  members.require("text");
  const auto text = members.text("text");
  const auto name = members.text("name").value_or("text");
  const bool dry_run = members.boolean("dry_run").value_or(false);
  const bool prune = members.boolean("prune").value_or(false);
  if (members.failure()) return failure(400, members.failure()->message);
  if (const auto allowed = may(role, request, dry_run); !allowed) {
    return failure(403, allowed.error().message);
  }
  auto document = read_document(*text, name);
  if (!document.diagnostics.empty()) return failure(400, diagnostics_text(document.diagnostics));
  if (prune) {
    std::set<Key> named;
    for (const auto& edit : document.edits) named.insert(edit.key);
    for (const auto& [key, object] : controller_.model().objects()) {
      if (!describe(key.kind).list.empty() && !named.contains(key)) {
        document.edits.push_back({key, std::nullopt});
      }
    }
  }
  if (dry_run) {
    const auto changes = controller_.rehearse(std::move(document.edits));
    return changes ? answer(changes_json(*changes, true)) : failure(409, changes.error().message);
  }
  http::Response response;
  response.later = [this, edits = std::move(document.edits)](const auto& done) {
    controller_.change(edits, [done](const Result<Changes>& changed) {
      done(changed ? answer(changes_json(*changed, false)) : failure(409, changed.error().message));
    });
  };
  return response;
}

/// Server-sent events (WHATWG HTML §9.2), each with one JSON object.
http::Response Api::watch() {
  auto stream = std::make_shared<http::BodyStream>();
  stream->on_reader_left = [this, weak = std::weak_ptr(stream)] {
    const auto leaving = weak.lock();
    if (leaving == nullptr || watchers_.erase(leaving) == 0) return;
    leaving->finish();
  };
  watchers_.insert(stream);
  const Json hello{{"event", "watching"}, {"generation", controller_.rollout().generation()}};
  stream->write("data: " + hello.dump() + "\n\n");
  http::Response response{.content_type = "text/event-stream", .body = {}};
  response.stream = std::move(stream);
  return response;
}

void Api::tell(const Json& event) {
  const std::string line =
      "data: " + event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n\n";
  for (auto at = watchers_.begin(); at != watchers_.end();) {
    const auto watcher = *at++;
    if (watcher->write(line)) continue;
    watchers_.erase(watcher);  // it reads too slowly to be told everything, so it is told no more
    watcher->finish();
  }
}

}  // namespace weft::controller
