#pragma once
/// Bytes of an XML stream into stanzas (RFC 6120 §4, §11).

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "xmpp/element.hpp"

namespace weft::xmpp {

/// Why a stream ends: one of the conditions of RFC 6120 §4.9.3, and words for people.
struct StreamError {
  std::string condition;
  std::string text;
};

/// What a peer may make us hold. Bytes are those on the wire.
struct ReaderLimits {
  std::size_t depth = 32;              ///< of elements inside a stanza, itself counted
  std::size_t attributes = 32;         ///< of one element, namespace declarations counted
  std::size_t tag_bytes = 16 << 10;    ///< one tag with all its attributes
  std::size_t text_bytes = 192 << 10;  ///< directly inside one element
  std::size_t elements = 16384;        ///< in one stanza
  std::size_t names = 1024;            ///< different ones in a stream; the parser keeps each
  std::size_t stanza_bytes = 256 << 10;
};

/// The opening tag of a stream, whose stanzas are in `jabber:client`.
struct StreamHeader {
  std::string from{};
  std::string to{};
  std::string id{};
  std::string version{};
  friend bool operator==(const StreamHeader&, const StreamHeader&) = default;
};

struct StreamEnd {
  friend bool operator==(const StreamEnd&, const StreamEnd&) = default;
};

using StreamEvent = std::variant<StreamHeader, Element, StreamEnd>;

/// Takes the bytes of one stream in pieces of any size. DTDs, entities but for the five that XML
/// predefines, comments and processing instructions are breaches, as are elements in no namespace;
/// attributes of other namespaces than XML's own are left out. What came before a breach is still
/// to be had.
class Reader {
 public:
  explicit Reader(ReaderLimits limits = {});
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;
  ~Reader();

  /// Nothing, or the breach, which then stands: later bytes are not read.
  std::optional<StreamError> feed(std::string_view bytes);
  /// The oldest event that nobody took yet.
  std::optional<StreamEvent> next();
  /// Inside a stanza: the stream ends too early here.
  [[nodiscard]] bool in_stanza() const;

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace weft::xmpp
