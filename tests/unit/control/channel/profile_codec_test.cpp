#include "channel/profile_codec.hpp"

#include <catch2/catch.hpp>

#include "support/xml.hpp"

namespace weft::channel::profile_codec_test {
namespace {

using test::from_xml;

std::string error_of(const std::string& text) {
  const auto profile = parse_profile(from_xml(text));
  return profile ? "" : profile.error().message;
}
std::string applied_error(const std::string& text) {
  const auto applied = parse_applied(from_xml(text));
  return applied ? "" : applied.error().message;
}

}  // namespace

TEST_CASE("profile codec: a profile", "[channel]") {
  const Profile profile{{"route", "blue 10.1.0.0/24"}, 17, R"({"via": {"tunnel": "a<b&'c'"}})"};
  const std::string text =
      "<profile xmlns='urn:weft:profile:1' kind='route' name='blue 10.1.0.0/24' generation='17'>"
      "{&quot;via&quot;: {&quot;tunnel&quot;: &quot;a&lt;b&amp;&apos;c&apos;&quot;}}</profile>";
  CHECK(test::to_xml(profile_element(profile)) == text);
  const auto read = parse_profile(from_xml(text));
  REQUIRE(read);
  CHECK(*read == profile);
}

TEST_CASE("profile codec: names of items", "[channel]") {
  const auto id = parse_profile_item_id("route/blue 10.1.0.0/24");
  REQUIRE(id);
  CHECK(id->kind == "route");
  CHECK(id->name == "blue 10.1.0.0/24");
  CHECK(profile_item_id(*id) == "route/blue 10.1.0.0/24");
  CHECK(parse_profile_item_id("security-group/web"));
  for (const char* text : {"", "/", "route", "route/", "/web", "Route/web", "-a/web", "a b/c",
                           "route/a\nb", "applied"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_profile_item_id(text));
  }
  CHECK(parse_profile_item_id("what").error().message == "\"what\": KIND/NAME was wanted");
}

TEST_CASE("profile codec: what is wrong with a profile is named", "[channel]") {
  const std::string in = " xmlns='urn:weft:profile:1'";
  CHECK(error_of("<profile" + in +
                 " kind='vrf' name='a' generation='18446744073709551615'>{}"
                 "</profile>")
            .empty());
  CHECK(error_of("<profile kind='vrf' name='a' generation='1'>{}</profile>") ==
        "item: \"profile of \": profile of urn:weft:profile:1 was wanted");
  CHECK(error_of("<entry" + in + " kind='vrf' name='a' generation='1'>{}</entry>") ==
        "item: \"entry of urn:weft:profile:1\": profile of urn:weft:profile:1 was wanted");
  CHECK(error_of("<profile" + in + " name='a' generation='1'>{}</profile>") ==
        "profile/kind: \"\": a word of a-z and - was wanted");
  CHECK(error_of("<profile" + in + " kind='VRF' name='a' generation='1'>{}</profile>") ==
        "profile/kind: \"VRF\": a word of a-z and - was wanted");
  CHECK(error_of("<profile" + in + " kind='vrf' generation='1'>{}</profile>") ==
        "profile/name: \"\": a name of 1 to 255 bytes was wanted");
  CHECK(error_of("<profile" + in + " kind='vrf' name='a'>{}</profile>") ==
        "profile: generation is missing");
  CHECK(error_of("<profile" + in +
                 " kind='vrf' name='a' generation='18446744073709551616'>{}"
                 "</profile>") ==
        "profile/generation: \"18446744073709551616\": a number of 0 to 18446744073709551615 was "
        "wanted");
  CHECK(error_of("<profile" + in + " kind='vrf' name='a' generation='1'> \n</profile>") ==
        "profile: its JSON is missing");
  CHECK(error_of("<profile" + in + " kind='vrf' name='a' generation='1'>" +
                 std::string(most_profile_bytes + 1, '1') + "</profile>") ==
        "profile: \"" + std::string(64, '1') + "…\": JSON of at most 131072 bytes was wanted");
}

TEST_CASE("profile codec: acknowledgement", "[channel]") {
  const Applied applied{17, {{{"decap", "a"}, "decap a: no such VRF"}, {{"vrf", "b"}, ""}}};
  const std::string text =
      "<applied xmlns='urn:weft:profile:1' generation='17'>"
      "<refused kind='decap' name='a'>decap a: no such VRF</refused>"
      "<refused kind='vrf' name='b'/></applied>";
  CHECK(test::to_xml(applied_element(applied)) == text);
  const auto read = parse_applied(from_xml(text));
  REQUIRE(read);
  CHECK(*read == applied);

  const std::string in = "<applied xmlns='urn:weft:profile:1'";
  CHECK(applied_error(in + " generation='1'><later/></applied>").empty());
  // Read once or twice, it is the same.
  const auto noisy = parse_applied(
      from_xml(in + " generation='1'><refused kind='a' name='b'>\x01 no\n</refused></applied>"));
  REQUIRE(noisy);
  CHECK(noisy->refused.at(0).error == "no");
  CHECK(applied_error(in + "/>") == "applied: generation is missing");
  CHECK(applied_error(in + " generation='-1'/>") ==
        "applied/generation: \"-1\": a number of 0 to 18446744073709551615 was wanted");
  CHECK(applied_error("<applied generation='1'/>") ==
        "item: \"applied of \": applied of urn:weft:profile:1 was wanted");
  CHECK(applied_error(in + " generation='1'><refused kind='vrf'>x</refused></applied>") ==
        "refused/name: \"\": a name of 1 to 255 bytes was wanted");
  CHECK(applied_error(in + " generation='1'><refused kind='a' name='b'/>"
                           "<refused kind='a' name='b'/></applied>") ==
        "applied/refused: \"a/b\": each only once was wanted");
}

TEST_CASE("profile codec: errors are sent short and clean", "[channel]") {
  const auto sent = [](const std::string& error) {
    return applied_element({1, {{{"vrf", "a"}, error}}}).children.at(0).text;
  };
  CHECK(sent("two\nlines\x01") == "two lines ");
  CHECK(sent(std::string(600, 'x')) == std::string(512, 'x'));
  // Not within a character.
  CHECK(sent(std::string(511, 'x') + "äb") == std::string(511, 'x'));
  CHECK(sent(std::string(510, 'x') + "äb") == std::string(510, 'x') + "ä");
}

TEST_CASE("profile codec: items stand or fall alone", "[channel]") {
  const auto profile = [](const std::string& kind, const std::string& name) {
    return "<profile xmlns='urn:weft:profile:1' kind='" + kind + "' name='" + name +
           "' generation='3'>{}</profile></item>";
  };
  const auto read = parse_profile_items(from_xml(
      "<items xmlns='http://jabber.org/protocol/pubsub#event' node='urn:weft:profile:1'><later/>"
      "<item id='vrf/a'>" +
      profile("vrf", "a") + "<item id='vrf/b'>" + profile("vrf", "c") + "<item id='vrf/a'>" +
      profile("vrf", "a") +
      "<item id='vrf/d'/>"
      "<item id='vrf/e'>" +
      profile("?", "e") + "<item>" + profile("vrf", "f") +
      "<retract id='vrf/g'/><retract id='vrf/g'/><retract id='vrf'/></items>"));
  CHECK(read.profiles == std::vector{Profile{{"vrf", "a"}, 3, "{}"}});
  CHECK(read.withdrawn == std::vector{ProfileName{"vrf", "g"}});
  CHECK(read.errors ==
        std::vector<std::string>{
            "item vrf/b: its profile is vrf/c", "item vrf/a: told twice; the first stands",
            "item vrf/d: profile is missing",
            "item vrf/e: profile/kind: \"?\": a word of a-z and - was wanted",
            "item : \"\": KIND/NAME was wanted", "retract vrf/g: told twice; the first stands",
            "retract vrf: \"vrf\": KIND/NAME was wanted"});

  xmpp::Element items{"items", "http://jabber.org/protocol/pubsub#event"};
  items.add(profile_item({{"vrf", "a"}, 3, "{}"}));
  items.add(profile_retract({"vrf", "b"}));
  const auto again = parse_profile_items(from_xml(test::to_xml(items)));
  CHECK(again.errors.empty());
  CHECK(again.profiles.size() == 1);
  CHECK(again.withdrawn == std::vector{ProfileName{"vrf", "b"}});
}

}  // namespace weft::channel::profile_codec_test
