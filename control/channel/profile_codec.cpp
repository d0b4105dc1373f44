#include "channel/profile_codec.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "channel/element_reader.hpp"

namespace weft::channel {
namespace {

using xmpp::Element;

constexpr std::size_t most_kind_bytes = 32;
constexpr std::size_t most_error_bytes = 512;
constexpr auto most_generation = std::numeric_limits<std::uint64_t>::max();

bool is_kind(std::string_view text) {
  return !text.empty() && text.size() <= most_kind_bytes && text.front() != '-' &&
         std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
}

ProfileName read_name(ElementReader& reader, const Element& element) {
  ProfileName id{std::string(element.attribute("kind").value_or("")),
                 std::string(element.attribute("name").value_or(""))};
  if (!is_kind(id.kind)) {
    reader.wanted(element.name + "/kind", id.kind, "a word of a-z and -");
  }
  if (!is_word(id.name, most_name_bytes, true)) {
    reader.wanted(element.name + "/name", id.name, "a name of 1 to 255 bytes");
  }
  return id;
}

std::uint64_t read_generation(ElementReader& reader, const Element& element) {
  const auto text = element.attribute("generation");
  if (!text) reader.missing(element.name, "generation");
  return reader.number_in(text.value_or(""), element.name + "/generation", 0, most_generation)
      .value_or(0);
}

void expect(ElementReader& reader, const Element& element, std::string_view name) {
  if (element.name != name || element.xmlns != profile_namespace) {
    reader.wanted("item", element.name + " of " + element.xmlns,
                  std::string(name) + " of " + std::string(profile_namespace));
  }
}

/// What XML can carry, and no more than a person reads.
std::string error_text(std::string_view error) {
  std::string text(error.substr(0, most_error_bytes));
  // Not within a character of several bytes.
  if (error.size() > most_error_bytes) {
    while (!text.empty() && (static_cast<unsigned char>(error[text.size()]) & 0xc0) == 0x80) {
      text.pop_back();
    }
  }
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return text;
}

std::vector<xmpp::Attribute> name_attributes(const ProfileName& id) {
  return {{"kind", id.kind}, {"name", id.name}};
}

}  // namespace

std::string profile_item_id(const ProfileName& id) { return id.kind + "/" + id.name; }

Result<ProfileName> parse_profile_item_id(std::string_view text) {
  const auto slash = text.find('/');
  const auto kind = text.substr(0, slash);
  const auto name = slash == std::string_view::npos ? std::string_view() : text.substr(slash + 1);
  if (!is_kind(kind) || !is_word(name, most_name_bytes, true)) {
    return Error{"\"" + std::string(text.substr(0, 64)) + "\": KIND/NAME was wanted"};
  }
  return ProfileName{std::string(kind), std::string(name)};
}

Element profile_element(const Profile& profile) {
  Element element{"profile", std::string(profile_namespace), name_attributes(profile.id)};
  element.attributes.push_back({"generation", std::to_string(profile.generation)});
  element.text = profile.json;
  return element;
}

Result<Profile> parse_profile(const Element& element) {
  ElementReader reader;
  expect(reader, element, "profile");
  Profile profile{read_name(reader, element), read_generation(reader, element), {}};
  if (trimmed(element.text).empty()) reader.missing("profile", "its JSON");
  if (element.text.size() > most_profile_bytes) {
    reader.wanted("profile", element.text,
                  "JSON of at most " + std::to_string(most_profile_bytes) + " bytes");
  }
  if (reader.failed()) return reader.error();
  profile.json = element.text;
  return profile;
}

Element applied_element(const Applied& applied) {
  Element element{"applied",
                  std::string(profile_namespace),
                  {{"generation", std::to_string(applied.generation)}}};
  for (const Applied::Refusal& refusal : applied.refused) {
    element.add({"refused", {}, name_attributes(refusal.id), {}, error_text(refusal.error)});
  }
  return element;
}

Result<Applied> parse_applied(const Element& element) {
  ElementReader reader;
  expect(reader, element, "applied");
  Applied applied{read_generation(reader, element), {}};
  std::set<ProfileName> told;
  for (const Element& child : element.children) {
    if (child.name != "refused") continue;
    const ProfileName id = read_name(reader, child);
    if (!told.insert(id).second) {
      reader.wanted("applied/refused", profile_item_id(id), "each only once");
    }
    if (told.size() > most_refused) {
      reader.wanted("applied", profile_item_id(id),
                    "no more than " + std::to_string(most_refused) + " refused");
    }
    if (reader.failed()) break;
    applied.refused.push_back({id, std::string(trimmed(error_text(child.text)))});
  }
  if (reader.failed()) return reader.error();
  return applied;
}

ProfileItems parse_profile_items(const Element& items) {
  ProfileItems read;
  std::set<ProfileName> told;
  for (const Element& child : items.children) {
    const bool retract = child.name == "retract";
    if (!retract && child.name != "item") continue;
    const auto id = child.attribute("id").value_or("");
    const auto left_out = [&](const std::string& why) {
      read.errors.push_back(child.name + " " + std::string(id.substr(0, 128)) + ": " + why);
    };
    const auto named = parse_profile_item_id(id);
    if (!named) {
      left_out(named.error().message);
      continue;
    }
    std::optional<Profile> profile;
    if (!retract) {
      const Element* const payload = child.child("profile");
      if (payload == nullptr) {
        left_out("profile is missing");
        continue;
      }
      auto parsed = parse_profile(*payload);
      if (!parsed) {
        left_out(parsed.error().message);
        continue;
      }
      if (parsed->id != *named) {
        left_out("its profile is " + profile_item_id(parsed->id));
        continue;
      }
      profile = std::move(*parsed);
    }
    if (!told.insert(*named).second) {
      left_out("told twice; the first stands");
    } else if (profile) {
      read.profiles.push_back(std::move(*profile));
    } else {
      read.withdrawn.push_back(*named);
    }
  }
  return read;
}

Element profile_item(const Profile& profile) {
  Element item{"item", {}, {{"id", profile_item_id(profile.id)}}};
  item.add(profile_element(profile));
  return item;
}

Element profile_retract(const ProfileName& id) {
  return {"retract", {}, {{"id", profile_item_id(id)}}};
}

}  // namespace weft::channel
