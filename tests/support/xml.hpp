#pragma once
/// XML of tests' own making into elements and back, apart from the code under test: elements,
/// attributes, text, the five entities and namespaces without prefixes. Throws where it ends.

#include <array>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "xmpp/element.hpp"

namespace weft::test {

inline constexpr std::array<std::pair<std::string_view, char>, 5> xml_entities{
    {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};

class XmlText {
 public:
  explicit XmlText(std::string_view text) : rest_(text) {}

  xmpp::Element element(std::string_view outer = "") {
    skip_space();
    expect("<");
    xmpp::Element made{std::string(until(" \t\r\n/>")), std::string(outer)};
    for (skip_space(); rest_.front() != '/' && rest_.front() != '>'; skip_space()) {
      const std::string name(until("="));
      expect("=");
      const std::string quote(rest_.substr(0, 1));
      expect(quote == "'" ? "'" : "\"");
      std::string value = unescaped(until(quote));
      expect(quote);
      if (name == "xmlns") {
        made.xmlns = std::move(value);
      } else {
        made.attributes.push_back({name, std::move(value)});
      }
    }
    if (rest_.starts_with("/>")) {
      rest_.remove_prefix(2);
      return made;
    }
    expect(">");
    while (!rest_.starts_with("</")) {
      if (rest_.starts_with("<")) {
        made.children.push_back(element(made.xmlns));
      } else {
        made.text += unescaped(until("<"));
      }
    }
    expect("</" + made.name + ">");
    return made;
  }

 private:
  void skip_space() {
    while (!rest_.empty() &&
           std::string_view(" \t\r\n").find(rest_.front()) != std::string_view::npos) {
      rest_.remove_prefix(1);
    }
    if (rest_.empty()) throw std::runtime_error("XML ends early");
  }
  void expect(std::string_view text) {
    if (!rest_.starts_with(text)) throw std::runtime_error("XML lacks " + std::string(text));
    rest_.remove_prefix(text.size());
  }
  std::string_view until(std::string_view any_of) {
    const auto end = rest_.find_first_of(any_of);
    if (end == std::string_view::npos) throw std::runtime_error("XML ends early");
    const auto text = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return text;
  }
  static std::string unescaped(std::string_view text) {
    std::string plain;
    while (!text.empty()) {
      std::size_t taken = 1;
      char c = text.front();
      for (const auto& [entity, character] : xml_entities) {
        if (!text.starts_with(entity)) continue;
        c = character;
        taken = entity.size();
      }
      plain += c;
      text.remove_prefix(taken);
    }
    return plain;
  }

  std::string_view rest_;
};

inline xmpp::Element from_xml(std::string_view text) { return XmlText(text).element(); }

inline std::string xml_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    std::string_view written(&c, 1);
    for (const auto& [entity, character] : xml_entities) {
      if (c == character) written = entity;
    }
    out += written;
  }
  return out;
}

inline std::string to_xml(const xmpp::Element& element, std::string_view outer = "") {
  std::string text = "<" + element.name;
  if (element.xmlns != outer) text += " xmlns='" + element.xmlns + "'";
  for (const auto& [name, value] : element.attributes) {
    text += " " + name + "='" + xml_escaped(value) + "'";
  }
  if (element.text.empty() && element.children.empty()) return text + "/>";
  text += ">" + xml_escaped(element.text);
  for (const auto& child : element.children) text += to_xml(child, element.xmlns);
  return text + "</" + element.name + ">";
}

}  // namespace weft::test
