#include "xmpp/stanza.hpp"

#include "xmpp/namespaces.hpp"

namespace weft::xmpp {

namespace {

/// RFC 6120 §8.3.3: what a requester may do about it.
std::string_view error_type(std::string_view condition) {
  if (condition == "bad-request" || condition == "jid-malformed" || condition == "not-acceptable" ||
      condition == "policy-violation") {
    return "modify";
  }
  if (condition == "forbidden" || condition == "not-authorized") return "auth";
  if (condition == "resource-constraint" || condition == "recipient-unavailable") return "wait";
  return "cancel";
}

Element answer_to(const Element& iq, std::string_view type) {
  Element answer{.name = "iq", .xmlns = std::string(ns::client)};
  answer.attributes.push_back({"type", std::string(type)});
  const auto copy = [&](std::string_view from, std::string_view to) {
    if (const auto value = iq.attribute(from)) {
      answer.attributes.push_back({std::string(to), std::string(*value)});
    }
  };
  copy("id", "id");
  copy("from", "to");
  copy("to", "from");
  return answer;
}

}  // namespace

Element iq(std::string_view type, Element payload) {
  Element stanza{.name = "iq", .xmlns = std::string(ns::client)};
  stanza.attributes.push_back({"type", std::string(type)});
  stanza.add(std::move(payload));
  return stanza;
}

Element result_of(const Element& iq, Element payload) {
  Element answer = answer_to(iq, "result");
  if (!payload.name.empty()) answer.add(std::move(payload));
  return answer;
}

Element error_of(const Element& iq, std::string_view condition, std::string_view text) {
  Element answer = answer_to(iq, "error");
  Element& error = answer.add({.name = "error"});
  error.attributes.push_back({"type", std::string(error_type(condition))});
  const std::string space(ns::stanza_errors);
  error.add({.name = std::string(condition), .xmlns = space});
  if (!text.empty()) error.add({.name = "text", .xmlns = space, .text = std::string(text)});
  return answer;
}

bool is_request(const Element& stanza) {
  if (stanza.name != "iq") return false;
  const auto type = stanza.attribute("type");
  return type == "get" || type == "set";
}

std::string describe_error(const Element& stanza) {
  const Element* error = stanza.child("error");
  if (error == nullptr) return "an error without a reason";
  std::string condition = "undefined-condition";
  std::string text;
  for (const Element& child : error->children) {
    if (child.xmlns != ns::stanza_errors) continue;
    if (child.name == "text") {
      text = child.text;
    } else {
      condition = child.name;
    }
  }
  return condition + (text.empty() ? "" : ": " + printable(text));
}

std::string printable(std::string_view text) {
  constexpr std::size_t most = 256;
  std::string out(text.substr(0, most));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  }
  return out + (text.size() > most ? "..." : "");
}

}  // namespace weft::xmpp
