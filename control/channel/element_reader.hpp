#pragma once
/// Reads the parts of an element, and remembers the first one that is wrong.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "weft/result.hpp"
#include "xmpp/element.hpp"

namespace weft::channel {

inline constexpr std::size_t most_name_bytes = 255;

/// Without white space at its ends.
std::string_view trimmed(std::string_view text);
/// 1 to `most` bytes, none of them a control character, nor a space where `spaces` is false.
bool is_word(std::string_view text, std::size_t most, bool spaces = false);

class ElementReader {
 public:
  [[nodiscard]] bool failed() const { return error_.has_value(); }
  [[nodiscard]] const Error& error() const { return *error_; }
  /// Keeps "WHERE: \"VALUE\": WANTED was wanted", when it is the first.
  void wanted(std::string_view where, std::string_view value, std::string_view wanted);
  void missing(std::string_view where, std::string_view part);

  /// The child of that name, of any namespace; null where there is none. Wrong: two of them.
  const xmpp::Element* child(const xmpp::Element& parent, std::string_view name);
  /// The child's text, trimmed; nothing where it is missing or empty.
  std::optional<std::string_view> text(const xmpp::Element& parent, std::string_view name);
  /// The child's number. Nothing where it is missing, empty or wrong.
  std::optional<std::uint32_t> number(const xmpp::Element& parent, std::string_view name,
                                      std::uint32_t least, std::uint32_t most);
  /// A number written at `where`.
  std::optional<std::uint64_t> number_in(std::string_view text, std::string_view where,
                                         std::uint64_t least, std::uint64_t most);
  /// A name of a network, node or group; empty where the child is missing or empty.
  std::string name(const xmpp::Element& parent, std::string_view name);
  std::string name_in(std::string_view text, std::string_view where);

 private:
  std::optional<Error> error_;
};

}  // namespace weft::channel
