#include "agent/api_stream.hpp"

namespace weft::agent::api {

std::string interface_name(const Model& model, PortId port) {
  if (!port.valid()) return "weftd";
  for (const auto& [name, vif] : model.vifs) {
    if (vif.port == port) return "vif " + name;
  }
  const auto found = model.port_names.find(port);
  return found == model.port_names.end() ? "port " + std::to_string(port.index())
                                         : "port " + found->second;
}

std::variant<std::vector<PortId>, Failure> named_ports(const Model& model, Members& body) {
  std::vector<PortId> ids;
  std::optional<Failure> failure;
  const auto add = [&](const std::string& kind, const std::string& name) {
    if (kind == "vif") {
      const auto found = model.vifs.find(name);
      if (found != model.vifs.end()) return ids.push_back(found->second.port);
      failure = no_such(kind, name, model.vifs);
    } else {
      const auto found = model.ports.find(name);
      if (found != model.ports.end()) return ids.push_back(found->second.id);
      failure = no_such(kind, name, model.ports);
    }
  };
  for (const std::string kind : {"vif", "port"}) {
    if (const auto name = body.text(kind)) add(kind, *name);
    const std::string plural = kind + "s";
    const Json* list = body.find(plural);
    if (list == nullptr) continue;
    if (!list->is_array() || list->size() > rows_max) {
      body.fail(plural, "wanted a list of names");
      continue;
    }
    for (const auto& item : *list) {
      if (item.is_string()) {
        add(kind, item.get<std::string>());
      } else {
        body.fail(plural, "wanted a list of names");
      }
    }
  }
  if (body.failure()) return *body.failure();
  if (failure) return *failure;
  return ids;
}

std::string describe_request(const Model& model, const char* kind, const std::vector<PortId>& ports,
                             const std::string& filter) {
  std::string text = kind;
  for (const PortId port : ports) {
    text += (text == kind ? " at " : ", ") + interface_name(model, port);
  }
  return filter.empty() ? text : text + ": " + filter;
}

Reply show_observers(Agent& agent, const Query&) {
  Json rows = Json::array();
  for (const auto& [id, reader] : agent.observations().readers()) {
    const auto status = agent.plane().observer_status(id);
    rows.push_back({{"id", id.index()},
                    {"what", reader->what()},
                    {"matched", status.taken},
                    {"lost", status.lost}});
  }
  return Json{{"title", "Traces and captures"},
              {"columns", {"id", "what", "matched", "lost"}},
              {"rows", rows}};
}

void StreamedObservation::on_tick(Time now) {
  if (duration_ && now - started_ >= *duration_) end("time");
}

void StreamedObservation::end(std::string_view why) {
  if (ended_) return;
  ended_ = true;
  const auto self = shared_from_this();  // stop() lets go of it
  const auto status = agent_.observations().stop(id_);
  agent_.reclaim_soon();
  finish(why, status);
  body_->finish();
}

}  // namespace weft::agent::api
