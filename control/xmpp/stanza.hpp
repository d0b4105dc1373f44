#pragma once
/// Requests and their answers (RFC 6120 §8).

#include <string>
#include <string_view>

#include "xmpp/element.hpp"

namespace weft::xmpp {

/// An iq of `type` get or set around its payload; Session::request gives it its id and address.
Element iq(std::string_view type, Element payload);
/// The answer to an iq that is done, with a payload or (where that has no name) without.
Element result_of(const Element& iq, Element payload = {});
/// The answer to an iq that is refused: a condition of RFC 6120 §8.3.3, and words for people.
Element error_of(const Element& iq, std::string_view condition, std::string_view text = {});

/// An iq get or set: somebody owes an answer.
bool is_request(const Element& stanza);
/// What a stanza of type error says, in words: `item-not-found: there is no node "blue"`.
std::string describe_error(const Element& stanza);
/// A peer's words as they may stand in a log: one line, not endless.
std::string printable(std::string_view text);

}  // namespace weft::xmpp
