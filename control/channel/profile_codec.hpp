#pragma once
/// Profiles and their acknowledgement as XML elements, as `channel.rng` says.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weft/result.hpp"
#include "xmpp/element.hpp"

namespace weft::channel {

/// The namespace of the elements, and the pubsub node where they stand.
inline constexpr std::string_view profile_namespace = "urn:weft:profile:1";
/// The id of the item that acknowledges.
inline constexpr std::string_view applied_item = "applied";

inline constexpr std::size_t most_profile_bytes = 128 << 10;
inline constexpr std::size_t most_refused = 65536;

struct ProfileName {
  std::string kind;  ///< a word of a-z and `-`, like `decap`
  std::string name;  ///< not empty; a route's is `VRF PREFIX`
  friend auto operator<=>(const ProfileName&, const ProfileName&) = default;
};

/// An object for weftd.
struct Profile {
  ProfileName id;
  std::uint64_t generation = 0;
  std::string json;  ///< the object as weftd's API takes it; not looked into here
  friend bool operator==(const Profile&, const Profile&) = default;
};

/// All up to `generation` is applied, but for what was refused.
struct Applied {
  struct Refusal {
    ProfileName id;
    std::string error;
    friend bool operator==(const Refusal&, const Refusal&) = default;
  };
  std::uint64_t generation = 0;
  std::vector<Refusal> refused;
  friend bool operator==(const Applied&, const Applied&) = default;
};

/// An item's id: `decap/blue-vxlan`.
std::string profile_item_id(const ProfileName& id);
Result<ProfileName> parse_profile_item_id(std::string_view text);

xmpp::Element profile_element(const Profile& profile);
Result<Profile> parse_profile(const xmpp::Element& profile);
xmpp::Element applied_element(const Applied& applied);
Result<Applied> parse_applied(const xmpp::Element& applied);

/// What an `items` element of the profiles' node says.
struct ProfileItems {
  std::vector<Profile> profiles;
  std::vector<ProfileName> withdrawn;
  std::vector<std::string> errors;  ///< of items that were left out, each with its id
};
ProfileItems parse_profile_items(const xmpp::Element& items);
xmpp::Element profile_item(const Profile& profile);
xmpp::Element profile_retract(const ProfileName& id);

}  // namespace weft::channel
