#include "channel/state_codec.hpp"

#include <limits>

#include "channel/element_reader.hpp"

namespace weft::channel {

xmpp::Element state_element(const StateObject& object) {
  xmpp::Element element{"object",
                        std::string(state_namespace),
                        {{"kind", object.id.kind},
                         {"name", object.id.name},
                         {"count", std::to_string(object.count)},
                         {"by", object.by}}};
  element.text = object.json;
  return element;
}

Result<StateObject> parse_state(const xmpp::Element& element) {
  ElementReader reader;
  if (element.name != "object" || element.xmlns != state_namespace) {
    reader.wanted("item", element.name + " of " + element.xmlns,
                  "object of " + std::string(state_namespace));
    return reader.error();
  }
  StateObject out;
  const auto id = parse_profile_item_id(std::string(element.attribute("kind").value_or("")) + "/" +
                                        std::string(element.attribute("name").value_or("")));
  if (!id) return Error{"object: " + id.error().message};
  out.id = *id;
  const auto count = element.attribute("count");
  if (!count) reader.missing("object", "count");
  out.count = reader
                  .number_in(count.value_or(""), "object/count", 0,
                             std::numeric_limits<std::int64_t>::max())
                  .value_or(0);
  out.by = reader.name_in(element.attribute("by").value_or(""), "object/by");
  if (element.text.size() > most_profile_bytes) {
    reader.wanted("object", element.text.substr(0, 64),
                  "JSON of at most " + std::to_string(most_profile_bytes) + " bytes");
  }
  if (reader.failed()) return reader.error();
  out.json = std::string(trimmed(element.text));
  return out;
}

}  // namespace weft::channel
