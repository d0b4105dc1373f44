#pragma once
/// An XML element as a value. Names are without prefixes; the namespace stands beside them.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::xmpp {

struct Attribute {
  std::string name;  ///< as written; `xml:lang` keeps its prefix
  std::string value;
  friend bool operator==(const Attribute&, const Attribute&) = default;
};

struct Element {
  std::string name;
  std::string xmlns{};  ///< inherited ones are written here, too
  std::vector<Attribute> attributes{};
  std::vector<Element> children{};
  std::string text{};  ///< all character data directly inside, joined

  /// The attribute's value, or nothing.
  [[nodiscard]] std::optional<std::string_view> attribute(std::string_view wanted) const {
    const auto found = std::ranges::find(attributes, wanted, &Attribute::name);
    if (found == attributes.end()) return std::nullopt;
    return found->value;
  }
  /// The first child of that name, of any namespace, or null.
  [[nodiscard]] const Element* child(std::string_view wanted) const {
    const auto found = std::ranges::find(children, wanted, &Element::name);
    return found == children.end() ? nullptr : &*found;
  }
  /// The first child of that name and namespace, or null.
  [[nodiscard]] const Element* child(std::string_view wanted, std::string_view space) const {
    const auto found = std::ranges::find_if(
        children, [&](const Element& e) { return e.name == wanted && e.xmlns == space; });
    return found == children.end() ? nullptr : &*found;
  }
  /// Adds a child, which takes this element's namespace where it has none, and returns it. Good
  /// until the next one is added.
  Element& add(Element child) {
    if (child.xmlns.empty()) child.xmlns = xmlns;
    return children.emplace_back(std::move(child));
  }

  friend bool operator==(const Element&, const Element&) = default;
};

}  // namespace weft::xmpp
