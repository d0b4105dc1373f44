// Profiles on the channel: what nodes are told to be, and what they say of themselves.
#include <fmt/format.h>

#include "controller/route_server.hpp"

namespace weft::controller {

namespace {

namespace pubsub = xmpp::pubsub;

}  // namespace

/// What stands where profiles do comes from a node when it speaks of itself.
Status RouteServer::hear_profile(Node& node, const xmpp::Element& payload) {
  if (payload.name == "profile") {
    const auto profile = channel::parse_profile(payload);
    if (!profile) return profile.error();
    if (profile->id != channel::ProfileName{"node", node.name}) {
      return Error{fmt::format("a node tells of itself alone, not of {} {}", profile->id.kind,
                               profile->id.name)};
    }
    handlers_.described(node.name, profile->json);
    return ok();
  }
  const auto applied = channel::parse_applied(payload);
  if (!applied) return applied.error();
  return handlers_.applied(node.name, *applied);
}

void RouteServer::tell(const std::string& node, std::uint64_t generation,
                       const std::vector<ProfileChange>& changes) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end() || found->second.session == nullptr || !found->second.wants_profiles) {
    return;
  }
  auto& session = *found->second.session;
  for (const auto& [id, json] : changes) {
    pubsub::Event event{.node = std::string(channel::profile_namespace)};
    const auto item = channel::profile_item_id(id);
    if (json) {
      event.items.push_back({.id = item,
                             .payload = channel::profile_element(
                                 {.id = id, .generation = generation, .json = *json})});
    } else {
      event.retracted.push_back(item);
    }
    session.send(pubsub::build(event));
  }
  send_mark(session, generation);
}

/// Behind all that belongs to the generation, and never before it: so it has no key, by which a
/// later one would take the place of one that waits.
void RouteServer::send_mark(xmpp::Session& session, std::uint64_t generation) {
  const channel::Profile mark{
      .id = {"generation", fmt::to_string(generation)}, .generation = generation, .json = "{}"};
  pubsub::Event event{.node = std::string(channel::profile_namespace)};
  event.items.push_back(
      {.id = channel::profile_item_id(mark.id), .payload = channel::profile_element(mark)});
  session.send(pubsub::build(event));
}

}  // namespace weft::controller
