#include "xmpp/pubsub.hpp"

#include <algorithm>

#include "xmpp/namespaces.hpp"
#include "xmpp/stanza.hpp"

namespace weft::xmpp::pubsub {

namespace {

Element with_node(std::string name, const std::string& node) {
  Element element{.name = std::move(name)};
  element.attributes.push_back({"node", node});
  return element;
}

void add_jid(Element& element, const std::string& jid) {
  if (!jid.empty()) element.attributes.push_back({"jid", jid});
}

void add_item(Element& parent, std::string_view name, const std::string& id,
              const std::optional<Element>& payload) {
  Element& item = parent.add({.name = std::string(name)});
  if (!id.empty()) item.attributes.push_back({"id", id});
  if (payload) item.add(*payload);
}

struct Builder {
  Element& pubsub;

  void operator()(const Subscribe& request) const {
    add_jid(pubsub.add(with_node("subscribe", request.node)), request.jid);
    if (!request.instance_id) return;
    Element& options = pubsub.add(with_node("options", request.node));
    add_jid(options, request.jid);
    options.add({.name = "instance-id", .text = *request.instance_id});
  }
  void operator()(const Unsubscribe& request) const {
    add_jid(pubsub.add(with_node("unsubscribe", request.node)), request.jid);
  }
  void operator()(const Publish& request) const {
    Element& publish = pubsub.add(with_node("publish", request.node));
    for (const Item& item : request.items) add_item(publish, "item", item.id, item.payload);
  }
  void operator()(const Retract& request) const {
    Element& retract = pubsub.add(with_node("retract", request.node));
    retract.attributes.push_back({"notify", "true"});
    for (const std::string& id : request.ids) add_item(retract, "item", id, {});
  }
  void operator()(const Associate& request) const {
    pubsub.add(with_node("collection", request.collection))
        .add(with_node("associate", request.node));
  }
  void operator()(const Dissociate& request) const {
    pubsub.add(with_node("collection", request.collection))
        .add(with_node("dissociate", request.node));
  }
};

Result<std::string> node_of(const Element& element) {
  const auto node = element.attribute("node");
  if (!node || node->empty()) return Error{"<" + element.name + "> names no node"};
  return std::string(*node);
}

std::string text_of(const Element& element, std::string_view attribute) {
  return std::string(element.attribute(attribute).value_or(""));
}

Result<Item> parse_item(const Element& element) {
  if (element.children.size() > 1) return Error{"an item has more than one payload"};
  Item item{.id = text_of(element, "id")};
  if (!element.children.empty()) item.payload = element.children.front();
  return item;
}

Result<Request> parse_subscribe(const Element& pubsub, const Element& element, std::string node) {
  Subscribe request{.node = std::move(node), .jid = text_of(element, "jid")};
  const Element* options = element.child("options");  // deployed peers put them inside
  if (options == nullptr) options = pubsub.child("options");
  const Element* instance = options == nullptr ? nullptr : options->child("instance-id");
  if (instance != nullptr) request.instance_id = instance->text;
  return Request{std::move(request)};
}

Result<Request> parse_publish(const Element& element, std::string node) {
  Publish request{.node = std::move(node)};
  for (const Element& child : element.children) {
    if (child.name != "item") return Error{"<publish> has a <" + child.name + ">, wanted <item>"};
    auto item = parse_item(child);
    if (!item) return item.error();
    request.items.push_back(std::move(item).value());
  }
  return Request{std::move(request)};
}

Result<Request> parse_retract(const Element& element, std::string node) {
  Retract request{.node = std::move(node)};
  for (const Element& child : element.children) {
    const auto id = child.attribute("id");
    if (child.name != "item" || !id || id->empty()) {
      return Error{"<retract> wants items, each with an id"};
    }
    request.ids.emplace_back(*id);
  }
  if (request.ids.empty()) return Error{"<retract> names no item"};
  return Request{std::move(request)};
}

Result<Request> parse_collection(const Element& element, std::string collection) {
  if (element.children.size() != 1) return Error{"<collection> wants one thing to be done"};
  const Element& change = element.children.front();
  auto node = node_of(change);
  if (!node) return node.error();
  if (change.name == "associate") {
    return Request{Associate{std::move(collection), std::move(node).value()}};
  }
  if (change.name == "dissociate") {
    return Request{Dissociate{std::move(collection), std::move(node).value()}};
  }
  return Error{"<" + change.name + "> is unknown, wanted <associate> or <dissociate>"};
}

/// Deployed peers write events in the namespace of requests.
const Element* event_of(const Element& stanza) {
  if (stanza.name != "message" && stanza.name != "iq") return nullptr;
  const Element* event = stanza.child("event", ns::pubsub_event);
  return event != nullptr ? event : stanza.child("event", ns::pubsub);
}

}  // namespace

Element build(const Request& request) {
  Element pubsub{.name = "pubsub", .xmlns = std::string(ns::pubsub)};
  std::visit(Builder{pubsub}, request);
  return iq("set", std::move(pubsub));
}

bool is_request(const Element& iq) {
  return xmpp::is_request(iq) && iq.child("pubsub", ns::pubsub) != nullptr;
}

Result<Request> parse_request(const Element& iq) {
  const Element* pubsub = iq.child("pubsub", ns::pubsub);
  if (pubsub == nullptr) return Error{"there is no <pubsub>"};
  if (iq.attribute("type") != "set") return Error{"wanted an iq of type set"};
  const auto action =
      std::ranges::find_if(pubsub->children, [](const Element& e) { return e.name != "options"; });
  if (action == pubsub->children.end()) return Error{"<pubsub> is empty"};
  auto node = node_of(*action);
  if (!node) return node.error();
  if (action->name == "subscribe") return parse_subscribe(*pubsub, *action, *node);
  if (action->name == "unsubscribe") {
    return Request{Unsubscribe{*node, text_of(*action, "jid")}};
  }
  if (action->name == "publish") return parse_publish(*action, *node);
  if (action->name == "retract") return parse_retract(*action, *node);
  if (action->name == "collection") return parse_collection(*action, *node);
  return Error{"<" + action->name + "> is no request that is known here"};
}

Element build(const Event& event) {
  Element message{.name = "message", .xmlns = std::string(ns::client)};
  Element& items = message.add({.name = "event", .xmlns = std::string(ns::pubsub_event)})
                       .add(with_node("items", event.node));
  for (const Item& item : event.items) add_item(items, "item", item.id, item.payload);
  for (const std::string& id : event.retracted) add_item(items, "retract", id, {});
  return message;
}

bool is_event(const Element& stanza) { return event_of(stanza) != nullptr; }

Result<Event> parse_event(const Element& stanza) {
  const Element* element = event_of(stanza);
  if (element == nullptr) return Error{"there is no <event>"};
  const Element* items = element->child("items");
  if (items == nullptr) return Error{"<event> brings no <items>"};
  auto node = node_of(*items);
  if (!node) return node.error();
  Event event{.node = std::move(node).value()};
  for (const Element& child : items->children) {
    if (child.name == "item") {
      auto item = parse_item(child);
      if (!item) return item.error();
      event.items.push_back(std::move(item).value());
    } else if (child.name == "retract") {
      const auto id = child.attribute("id");
      if (!id || id->empty()) return Error{"<retract> names no item"};
      event.retracted.emplace_back(*id);
    } else {
      return Error{"<items> has a <" + child.name + ">, wanted <item> or <retract>"};
    }
  }
  return event;
}

}  // namespace weft::xmpp::pubsub
