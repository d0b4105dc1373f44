#pragma once
/// Elements into text (RFC 6120 §4, §11).

#include <memory>
#include <string>
#include <string_view>

#include "xmpp/element.hpp"
#include "xmpp/namespaces.hpp"
#include "xmpp/reader.hpp"

namespace weft::xmpp {

/// A stanza as text, which any number of sessions send without a copy.
using Text = std::shared_ptr<const std::string>;

/// `outer` is the namespace that the element is written into; an element without one is in its
/// parent's. Text comes before children. Characters that XML 1.0 has no way to write, and bytes
/// that are no UTF-8, become U+FFFD. Elements of the stream's own namespace get the prefix that the
/// header declares.
std::string to_text(const Element& element, std::string_view outer = ns::client);
inline Text encode(const Element& stanza) {
  return std::make_shared<const std::string>(to_text(stanza));
}

/// The XML declaration and the opening tag; empty fields are left out, `content` is
/// `jabber:client`.
std::string to_text(const StreamHeader& header);
/// The error alone; `stream_end` goes behind it.
std::string to_text(const StreamError& error);
inline constexpr std::string_view stream_end = "</stream:stream>";

}  // namespace weft::xmpp
