#pragma once
/// What controllers of a site tell one another, as XML elements, as `channel.rng` says.

#include <cstdint>
#include <string>
#include <string_view>

#include "channel/profile_codec.hpp"

namespace weft::channel {

/// The namespace of the element, and the pubsub node that a controller subscribes to at another.
inline constexpr std::string_view state_namespace = "urn:weft:state:1";

/// An object as it shall be since somebody said so: of two that tell of the same object, that of
/// the greater (count, by) holds.
struct StateObject {
  ProfileName id;           ///< `network`, `blue`
  std::uint64_t count = 0;  ///< Lamport's clock of who said it, then
  std::string by;           ///< that controller's name
  std::string json;         ///< not looked into here; empty: the object is gone
  friend bool operator==(const StateObject&, const StateObject&) = default;
};

xmpp::Element state_element(const StateObject& object);
Result<StateObject> parse_state(const xmpp::Element& element);

}  // namespace weft::channel
