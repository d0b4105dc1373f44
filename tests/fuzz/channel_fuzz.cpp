// What the control channel carries, as XML, and the names in it. What is understood must come back
// as it was when it is written again.
#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>

#include "channel/profile_codec.hpp"
#include "channel/route_codec.hpp"
#include "channel/state_codec.hpp"
#include "fuzz/fuzz.hpp"
#include "support/xml.hpp"

using namespace weft;

namespace {

const vpn::RouteDistinguisher rd{};

void check_route(const channel::RouteEntry& entry) {
  const auto& hops = entry.attributes.next_hops;
  fuzz::require(!hops.empty() && hops.size() <= vpn::most_next_hops,
                "there are next hops, bounded");
  for (const auto& hop : hops) {
    fuzz::require(!hop.encapsulations.empty(), "a next hop has an encapsulation");
    fuzz::require(!hop.label || (*hop.label >= 16 && *hop.label < 1U << 20), "labels are in range");
    fuzz::require(!hop.vni || (*hop.vni >= 1 && *hop.vni < 1U << 24), "VNIs are in range");
    for (const auto encapsulation : hop.encapsulations) {
      const auto network = vpn::describe(encapsulation).network;
      fuzz::require(network != vpn::NetworkField::label || hop.label, "who needs a label has it");
      fuzz::require(network != vpn::NetworkField::vni || hop.vni, "who needs a VNI has it");
    }
  }
  const auto again = channel::parse_entry(channel::entry_element(entry), rd);
  fuzz::require(again && *again == entry, "a route is written as it was read");
  const auto name = channel::parse_route_name(channel::route_name("n", entry.nlri), rd);
  fuzz::require(name && name->nlri == entry.nlri && name->network == "n", "a route has a name");
}

void check_items(const xmpp::Element& items) {
  const auto told = static_cast<std::size_t>(std::ranges::count_if(
      items.children, [](const auto& e) { return e.name == "item" || e.name == "retract"; }));
  const auto routes = channel::parse_route_items(items, "blue", rd);
  for (const auto& route : routes.routes) check_route(route);
  fuzz::require(routes.routes.size() + routes.withdrawn.size() + routes.errors.size() == told,
                "each item is a route, a withdrawal or an error");
  const auto profiles = channel::parse_profile_items(items);
  fuzz::require(
      profiles.profiles.size() + profiles.withdrawn.size() + profiles.errors.size() == told,
      "each item is a profile, a withdrawal or an error");
}

void check_element(const xmpp::Element& element) {
  if (const auto entry = channel::parse_entry(element, rd)) check_route(*entry);
  if (const auto profile = channel::parse_profile(element)) {
    const auto again = channel::parse_profile(channel::profile_element(*profile));
    fuzz::require(again && *again == *profile, "a profile is written as it was read");
  }
  if (const auto applied = channel::parse_applied(element)) {
    const auto again = channel::parse_applied(channel::applied_element(*applied));
    fuzz::require(again && *again == *applied, "an acknowledgement is written as it was read");
  }
  if (const auto state = channel::parse_state(element)) {
    const auto again = channel::parse_state(channel::state_element(*state));
    fuzz::require(again && *again == *state, "an object is written as it was read");
  }
  check_items(element);
}

void check_names(std::string_view text) {
  if (const auto name = channel::parse_route_name(text, rd)) {
    const auto again =
        channel::parse_route_name(channel::route_name(name->network, name->nlri), rd);
    fuzz::require(again && *again == *name, "a route's name is written as it was read");
  }
  if (const auto id = channel::parse_profile_item_id(text)) {
    fuzz::require(channel::profile_item_id(*id) == text, "a profile's name is what it was");
  }
  if (const auto target = vpn::parse_route_target(text)) {
    fuzz::require(vpn::parse_route_target(to_string(*target)) == target, "a target is what it was");
  }
  if (const auto read = vpn::parse_route_distinguisher(text)) {
    fuzz::require(vpn::parse_route_distinguisher(to_string(*read)) == read,
                  "a distinguisher is what it was");
  }
}

std::optional<xmpp::Element> element_of(std::string_view text) {
  try {
    return test::from_xml(text);
  } catch (const std::runtime_error&) {
    return std::nullopt;
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  check_names(text);
  if (const auto element = element_of(text)) check_element(*element);
  return 0;
}
