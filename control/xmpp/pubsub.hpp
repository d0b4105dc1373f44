#pragma once
/// Publish and subscribe (XEP-0060), as far as draft-ietf-l3vpn-end-system uses it: requests in iq,
/// events in messages. Payloads are Elements that nobody looks into here.

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "weft/result.hpp"
#include "xmpp/element.hpp"

namespace weft::xmpp::pubsub {

/// The node whose empty items say that all of a table has been told.
inline constexpr std::string_view end_of_rib = "0/0/EndOfRib";

struct Item {
  std::string id{};  ///< may be empty
  std::optional<Element> payload{};
  friend bool operator==(const Item&, const Item&) = default;
};

struct Subscribe {
  std::string node;
  std::string jid{};                         ///< XEP-0060 §6.1.1 wants one; ours may leave it out
  std::optional<std::string> instance_id{};  ///< of options
  friend bool operator==(const Subscribe&, const Subscribe&) = default;
};

struct Unsubscribe {
  std::string node;
  std::string jid{};
  friend bool operator==(const Unsubscribe&, const Unsubscribe&) = default;
};

/// Of the node end_of_rib and without items: all that the publisher has was told.
struct Publish {
  std::string node;
  std::vector<Item> items{};
  friend bool operator==(const Publish&, const Publish&) = default;
};

struct Retract {
  std::string node;
  std::vector<std::string> ids{};
  friend bool operator==(const Retract&, const Retract&) = default;
};

/// Puts a node into a collection, or takes it out.
struct Associate {
  std::string collection;
  std::string node;
  friend bool operator==(const Associate&, const Associate&) = default;
};

struct Dissociate {
  std::string collection;
  std::string node;
  friend bool operator==(const Dissociate&, const Dissociate&) = default;
};

using Request = std::variant<Subscribe, Unsubscribe, Publish, Retract, Associate, Dissociate>;

/// An iq set, for Session::request.
Element build(const Request& request);
/// Whether an iq is one of publish/subscribe at all.
bool is_request(const Element& iq);
/// An Error says what is missing or unknown: the answer is error_of(iq, "bad-request", message).
Result<Request> parse_request(const Element& iq);

/// What changed at a node.
struct Event {
  std::string node;
  std::vector<Item> items{};
  std::vector<std::string> retracted{};
  friend bool operator==(const Event&, const Event&) = default;
};

/// A message without addresses, the same for all subscribers.
Element build(const Event& event);
/// Whether a stanza, message or iq, brings an event.
bool is_event(const Element& stanza);
/// Takes messages and iq, and `event` in either namespace of XEP-0060.
Result<Event> parse_event(const Element& stanza);

}  // namespace weft::xmpp::pubsub
