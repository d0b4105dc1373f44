#include "xmpp/writer.hpp"

#include <array>
#include <cstdint>

namespace weft::xmpp {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";  // U+FFFD

/// How many bytes of `text` are one character that XML 1.0 allows, in UTF-8; 0 where they are none.
std::size_t character_bytes(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return lead >= 0x20 || lead == '\t' || lead == '\n' || lead == '\r' ? 1 : 0;
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return 0;
  std::uint32_t code = lead & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr std::array<std::uint32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
  const bool good = code >= least[size] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) &&
                    code != 0xfffe && code != 0xffff;
  return good ? size : 0;
}

/// What must not stand there as it is. White space in attributes would come out as blanks.
std::string_view escaped(char c, bool in_attribute) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '\r':
      return "&#13;";
    case '\'':
      return in_attribute ? "&apos;" : "";
    case '\n':
      return in_attribute ? "&#10;" : "";
    case '\t':
      return in_attribute ? "&#9;" : "";
    default:
      return "";
  }
}

void append(std::string& out, std::string_view text, bool in_attribute) {
  std::size_t start = 0;  // of what goes out as it is
  const auto instead = [&](std::size_t at, std::string_view what) {
    out += text.substr(start, at - start);
    out += what;
    start = at + 1;
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = character_bytes(text.substr(at));
    if (size == 0) {
      instead(at, replacement);
    } else if (const auto escape = escaped(text[at], in_attribute); !escape.empty()) {
      instead(at, escape);
    }
    at += size == 0 ? 1 : size;
  }
  out += text.substr(start);
}

void append_attribute(std::string& out, std::string_view name, std::string_view value) {
  out += ' ';
  out += name;
  out += "='";
  append(out, value, true);
  out += '\'';
}

void append(std::string& out, const Element& element, std::string_view outer) {
  const bool of_stream = element.xmlns == ns::streams;
  const std::string_view space = element.xmlns.empty() || of_stream ? outer : element.xmlns;
  const auto name = [&] {
    if (of_stream) out += "stream:";
    out += element.name;
  };
  out += '<';
  name();
  if (space != outer) append_attribute(out, "xmlns", space);
  for (const Attribute& attribute : element.attributes) {
    append_attribute(out, attribute.name, attribute.value);
  }
  if (element.text.empty() && element.children.empty()) {
    out += "/>";
    return;
  }
  out += '>';
  append(out, element.text, false);
  for (const Element& child : element.children) append(out, child, space);
  out += "</";
  name();
  out += '>';
}

}  // namespace

std::string to_text(const Element& element, std::string_view outer) {
  std::string out;
  append(out, element, outer);
  return out;
}

std::string to_text(const StreamHeader& header) {
  std::string out = "<?xml version='1.0'?><stream:stream";
  append_attribute(out, "xmlns", ns::client);
  append_attribute(out, "xmlns:stream", ns::streams);
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) append_attribute(out, name, value);
  };
  add("from", header.from);
  add("to", header.to);
  add("id", header.id);
  add("version", header.version);
  return out + '>';
}

std::string to_text(const StreamError& error) {
  Element element{.name = "error", .xmlns = std::string(ns::streams)};
  const std::string space(ns::stream_errors);
  element.add({.name = error.condition, .xmlns = space});
  if (!error.text.empty()) element.add({.name = "text", .xmlns = space, .text = error.text});
  return to_text(element);
}

}  // namespace weft::xmpp
