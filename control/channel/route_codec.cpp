#include "channel/route_codec.hpp"

#include <optional>
#include <set>
#include <utility>

#include "channel/route_fields.hpp"

namespace weft::channel {
namespace {

using vpn::Attributes;
using vpn::Encapsulation;
using vpn::NextHop;
using vpn::Nlri;
using xmpp::Element;

constexpr std::string_view event_namespace = "http://jabber.org/protocol/pubsub#event";

void add_text(Element& parent, std::string_view name, std::string text) {
  parent.add({std::string(name), {}, {}, {}, std::move(text)});
}

void add_next_hop(Element& list, const NextHop& hop) {
  Element& element = list.add({"next-hop"});
  add_text(element, "af", hop.address.is_v4() ? "1" : "2");
  add_text(element, "address", to_string(hop.address));
  if (hop.mac) add_text(element, "mac", to_string(*hop.mac));
  if (hop.label) add_text(element, "label", std::to_string(*hop.label));
  if (hop.vni) add_text(element, "vni", std::to_string(*hop.vni));
  Element& encapsulations = element.add({"tunnel-encapsulation-list"});
  for (const Encapsulation encapsulation : hop.encapsulations) {
    add_text(encapsulations, "tunnel-encapsulation", std::string(to_string(encapsulation)));
  }
}

void add_load_balance(Element& entry, const vpn::LoadBalance& balance) {
  Element& element = entry.add({"load-balance"});
  Element& fields = element.add({"load-balance-fields"});
  for (const auto& [name, field] : balance_fields) {
    if (balance.*field) add_text(fields, "load-balance-field-list", std::string(name));
  }
  add_text(element, "load-balance-decision", "field-hash");
}

/// A route's whole name, or its NLRI alone, as deployed systems write it.
Result<Nlri> parse_item_id(std::string_view id, std::string_view network,
                           vpn::RouteDistinguisher rd) {
  if (const auto alone = parse_nlri(id, rd)) return *alone;
  auto name = parse_route_name(id, rd);
  if (!name) return name.error();
  if (name->network != network) {
    return Error{"it belongs to network " + name->network + ", not to " + std::string(network)};
  }
  return name->nlri;
}

}  // namespace

Element entry_element(const RouteEntry& entry) {
  const Attributes& a = entry.attributes;
  Element element{"entry", std::string(route_namespace)};
  Element& nlri = element.add({"nlri"});
  const vpn::Family family = entry.nlri.family();
  add_text(nlri, "af", std::to_string(family.afi));
  add_text(nlri, "safi", std::to_string(family.safi));
  if (entry.nlri.is_mac_ip()) {
    add_text(nlri, "ethernet-tag", std::to_string(entry.nlri.ethernet_tag()));
    add_text(nlri, "mac", to_string(entry.nlri.mac()));
    if (const auto ip = entry.nlri.ip()) add_text(nlri, "address", to_string(*ip));
  } else {
    add_text(nlri, "address", to_string(entry.nlri.prefix()));
  }
  Element& next_hops = element.add({"next-hops"});
  for (const NextHop& hop : a.next_hops) add_next_hop(next_hops, hop);
  add_text(element, "version", std::to_string(entry.version));
  if (!a.virtual_network.empty()) add_text(element, "virtual-network", *a.virtual_network);
  if (!a.origin.empty()) add_text(element, "origin", *a.origin);
  if (a.mobility) {
    Element& mobility = element.add({"mobility"});
    mobility.attributes = {{"seqno", std::to_string(a.mobility->sequence)},
                           {"sticky", a.mobility->sticky ? "true" : "false"}};
    add_text(element, "sequence-number", std::to_string(a.mobility->sequence));
  }
  if (!a.security_groups.empty()) {
    Element& list = element.add({"security-group-list"});
    for (const std::string& group : *a.security_groups) add_text(list, "security-group", group);
  }
  if (!a.targets.empty()) {
    Element& list = element.add({"route-target-list"});
    for (const vpn::RouteTarget target : *a.targets) {
      add_text(list, "route-target", to_string(target));
    }
  }
  add_text(element, "local-preference", std::to_string(a.local_preference));
  add_text(element, "med", std::to_string(a.med));
  if (a.load_balance != vpn::LoadBalance{}) add_load_balance(element, a.load_balance);
  return element;
}

RouteItems parse_route_items(const Element& items, std::string_view network,
                             vpn::RouteDistinguisher rd) {
  RouteItems read;
  std::set<Nlri> told;
  for (const Element& child : items.children) {
    const bool retract = child.name == "retract";
    if (!retract && child.name != "item") continue;
    const auto id = child.attribute("id");
    const auto left_out = [&](const std::string& why) {
      read.errors.push_back(child.name + " " +
                            std::string(id.value_or("without id").substr(0, 128)) + ": " + why);
    };
    std::optional<Nlri> named;
    if (id) {
      const auto parsed = parse_item_id(*id, network, rd);
      if (!parsed) {
        left_out(parsed.error().message);
        continue;
      }
      named = *parsed;
    }
    if (retract) {
      if (!named) {
        left_out("id is missing");
      } else if (!told.insert(*named).second) {
        left_out("told twice; the first stands");
      } else {
        read.withdrawn.push_back(*named);
      }
      continue;
    }
    const Element* const entry = child.child("entry");
    if (entry == nullptr) {
      left_out("entry is missing");
      continue;
    }
    auto route = parse_entry(*entry, rd);
    if (!route) {
      left_out(route.error().message);
    } else if (named && *named != route->nlri) {
      left_out("its entry is about " + to_string(route->nlri));
    } else if (!told.insert(route->nlri).second) {
      left_out("told twice; the first stands");
    } else {
      read.routes.push_back(std::move(*route));
    }
  }
  return read;
}

Element route_item(std::string_view network, const RouteEntry& entry) {
  Element item{"item", {}, {{"id", route_name(network, entry.nlri)}}};
  item.add(entry_element(entry));
  return item;
}

Element route_retract(std::string_view network, const Nlri& nlri) {
  return {"retract", {}, {{"id", route_name(network, nlri)}}};
}

Element end_of_rib() {
  return {"items", std::string(event_namespace), {{"node", std::string(end_of_rib_node)}}};
}

bool is_end_of_rib(const Element& items) {
  return items.name == "items" && items.attribute("node") == end_of_rib_node;
}

}  // namespace weft::channel
