#include "channel/state_codec.hpp"

#include <catch2/catch.hpp>

#include "support/xml.hpp"

namespace weft::channel::state_codec_test {
namespace {

using test::from_xml;

std::string error_of(const std::string& attributes, const std::string& text = "{}") {
  const auto read = parse_state(
      from_xml("<object xmlns='urn:weft:state:1' " + attributes + ">" + text + "</object>"));
  return read ? "" : read.error().message;
}

}  // namespace

TEST_CASE("state codec: an object, and one that is gone", "[channel]") {
  for (const char* json : {R"({"object": {"name": "a<b"}})", ""}) {
    const StateObject object{{"route", "blue 10.1.0.0/24"}, 17, "c0", json};
    const auto read = parse_state(from_xml(test::to_xml(state_element(object))));
    REQUIRE(read);
    CHECK(*read == object);
  }
}

TEST_CASE("state codec: what is wrong with an object is named", "[channel]") {
  CHECK(error_of("kind='vm' name='a' count='1' by='c0'").empty());
  CHECK(error_of("kind='vm' name='a' by='c0'") == "object: count is missing");
  CHECK_THAT(error_of("kind='vm' name='a' count='-1' by='c0'"), Catch::Contains("object/count"));
  CHECK_THAT(error_of("kind='vm' name='a' count='9223372036854775808' by='c0'"),
             Catch::Contains("object/count"));
  CHECK_THAT(error_of("kind='vm' name='a' count='1'"), Catch::Contains("object/by"));
  CHECK_THAT(error_of("kind='VM' name='a' count='1' by='c0'"), Catch::Contains("KIND/NAME"));
  CHECK_THAT(error_of("kind='vm' name='a' count='1' by='c0'", std::string(200000, 'x')),
             Catch::Contains("131072 bytes"));
  const auto other = parse_state(from_xml("<object xmlns='urn:weft:profile:1'/>"));
  REQUIRE_FALSE(other);
  CHECK_THAT(other.error().message, Catch::Contains("object of urn:weft:state:1 was wanted"));
}

}  // namespace weft::channel::state_codec_test
