/// GET: what there is of controllers.

#include <algorithm>
#include <chrono>

#include "agent/api_table.hpp"
#include "agent/channel.hpp"

namespace weft::agent::api {

namespace {

std::string_view state_text(const Channel::ControllerStatus& status) {
  switch (status.state) {
    case xmpp::ClientState::connecting:
      return "connecting";
    case xmpp::ClientState::up:
      return status.complete ? "up" : "up, telling";
    case xmpp::ClientState::waiting:
      return "down";
    case xmpp::ClientState::stopped:
      return "stopped";
  }
  return {};
}

}  // namespace

Reply show_control(Agent& agent, const Query&) {
  Table table("Controllers",
              {"controller", "state", "age_s", "cause", "routes", "stale", "generation", "untold",
               "sessions", "stanzas_in", "stanzas_out", "replaced"});
  if (agent.channel() == nullptr) return std::move(table).finish();
  const auto now = std::chrono::steady_clock::now();
  for (const auto& status : agent.channel()->controllers()) {
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - status.since);
    table.add({status.address, state_text(status), age.count(), status.cause, status.routes,
               status.stale, status.applied, status.untold, status.sessions,
               status.counters.stanzas_in, status.counters.stanzas_out, status.counters.replaced});
  }
  return std::move(table).finish();
}

Reply show_profiles(Agent& agent, const Query&) {
  Table table("Profiles of controllers", {"kind", "name", "generation", "state", "reason"});
  if (agent.channel() == nullptr) return std::move(table).finish();
  const auto& profiles = agent.channel()->profiles();
  profiles.each([&](const channel::ProfileName& id, std::uint64_t generation, bool stale) {
    const auto refused = profiles.refused().find(id);
    const bool fine = refused == profiles.refused().end();
    table.add({id.kind, id.name, generation,
               !fine   ? "refused"
               : stale ? "stale"
                       : "applied",
               fine ? std::string() : refused->second});
  });
  return std::move(table).finish();
}

}  // namespace weft::agent::api
