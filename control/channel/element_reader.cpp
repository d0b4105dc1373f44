#include "channel/element_reader.hpp"

#include <algorithm>

#include "vpn/number.hpp"

namespace weft::channel {
namespace {

/// As much as a person needs to find it, on one line.
std::string quoted(std::string_view value) {
  constexpr std::size_t most = 64;
  std::string text(value.substr(0, most));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return '"' + text + (value.size() > most ? "…\"" : "\"");
}

std::string at(const xmpp::Element& parent, std::string_view name) {
  return parent.name + "/" + std::string(name);
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  const auto first = text.find_first_not_of(space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(space) - first + 1);
}

bool is_word(std::string_view text, std::size_t most, bool spaces) {
  return !text.empty() && text.size() <= most && std::ranges::none_of(text, [&](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || (c == ' ' && !spaces);
  });
}

void ElementReader::wanted(std::string_view where, std::string_view value,
                           std::string_view wanted) {
  if (error_) return;
  error_ =
      Error{std::string(where) + ": " + quoted(value) + ": " + std::string(wanted) + " was wanted"};
}

void ElementReader::missing(std::string_view where, std::string_view part) {
  if (!error_) error_ = Error{std::string(where) + ": " + std::string(part) + " is missing"};
}

const xmpp::Element* ElementReader::child(const xmpp::Element& parent, std::string_view name) {
  const xmpp::Element* const found = parent.child(name);
  if (found == nullptr) return nullptr;
  const auto second =
      std::find_if(parent.children.begin() + (found - parent.children.data()) + 1,
                   parent.children.end(), [&](const xmpp::Element& e) { return e.name == name; });
  if (second != parent.children.end()) wanted(at(parent, name), trimmed(second->text), "only one");
  return found;
}

std::optional<std::string_view> ElementReader::text(const xmpp::Element& parent,
                                                    std::string_view name) {
  const xmpp::Element* const found = child(parent, name);
  if (found == nullptr || trimmed(found->text).empty()) return std::nullopt;
  return trimmed(found->text);
}

std::optional<std::uint32_t> ElementReader::number(const xmpp::Element& parent,
                                                   std::string_view name, std::uint32_t least,
                                                   std::uint32_t most) {
  const auto written = text(parent, name);
  if (!written) return std::nullopt;
  const auto read = number_in(*written, at(parent, name), least, most);
  if (!read) return std::nullopt;
  return static_cast<std::uint32_t>(*read);
}

std::optional<std::uint64_t> ElementReader::number_in(std::string_view text, std::string_view where,
                                                      std::uint64_t least, std::uint64_t most) {
  const auto read = vpn::parse_number(text, most);
  if (read && *read >= least) return read;
  wanted(where, text, "a number of " + std::to_string(least) + " to " + std::to_string(most));
  return std::nullopt;
}

std::string ElementReader::name(const xmpp::Element& parent, std::string_view name) {
  const auto written = text(parent, name);
  return written ? name_in(*written, at(parent, name)) : std::string();
}

std::string ElementReader::name_in(std::string_view text, std::string_view where) {
  if (is_word(text, most_name_bytes)) return std::string(text);
  wanted(where, text,
         "a name of 1 to " + std::to_string(most_name_bytes) + " bytes without spaces");
  return {};
}

}  // namespace weft::channel
