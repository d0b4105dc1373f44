// A stream's bytes, whole and in pieces, against the promises of its reader; its stanzas through
// the writer and the codec of publish/subscribe, there and back.
#include "fuzz/fuzz.hpp"
#include "xmpp/jid.hpp"
#include "xmpp/pubsub.hpp"
#include "xmpp/reader.hpp"
#include "xmpp/stanza.hpp"
#include "xmpp/writer.hpp"

using namespace weft;
using namespace weft::xmpp;

namespace {

constexpr ReaderLimits limits{.depth = 12,
                              .attributes = 8,
                              .tag_bytes = 600,
                              .text_bytes = 400,
                              .elements = 40,
                              .names = 60,
                              .stanza_bytes = 1500};

struct Outcome {
  std::vector<StreamEvent> events;
  std::string condition;
};

/// In pieces of so many bytes, each on a heap copy of exactly its size.
Outcome read(std::string_view text, std::size_t piece) {
  Reader reader(limits);
  Outcome outcome;
  while (!text.empty()) {
    const auto size = std::min(piece, text.size());
    const std::vector<char> copy(text.begin(), text.begin() + static_cast<long>(size));
    text.remove_prefix(size);
    const auto error = reader.feed({copy.data(), copy.size()});
    while (auto event = reader.next()) outcome.events.push_back(*std::move(event));
    if (!error) continue;
    fuzz::require(!error->condition.empty() && !error->text.empty(), "a breach has a reason");
    outcome.condition = error->condition;
    break;
  }
  return outcome;
}

struct Size {
  std::size_t elements = 0;
  std::size_t depth = 0;
};

Size measure(const Element& element) {
  fuzz::require(!element.name.empty() && !element.xmlns.empty(), "an element has both its names");
  fuzz::require(element.attributes.size() <= limits.attributes, "bound on attributes");
  fuzz::require(element.text.size() <= limits.text_bytes, "bound on text");
  Size size{1, 1};
  for (const Element& child : element.children) {
    const Size inside = measure(child);
    size.elements += inside.elements;
    size.depth = std::max(size.depth, inside.depth + 1);
  }
  return size;
}

/// Behind a header of ours, with room for what writing makes longer.
Element read_again(const std::string& text) {
  Reader reader({.attributes = 64, .tag_bytes = 1 << 16});
  fuzz::require(!reader.feed(to_text(StreamHeader{})), "our header is read");
  fuzz::require(!reader.feed(text), "what was written is read");
  fuzz::require(reader.next().has_value(), "our header is told");
  auto event = reader.next();
  fuzz::require(event && std::holds_alternative<Element>(*event), "a stanza is one");
  return std::get<Element>(*std::move(event));
}

void check_stanza(const Element& stanza) {
  const Size size = measure(stanza);
  fuzz::require(size.elements <= limits.elements, "bound on elements");
  fuzz::require(size.depth <= limits.depth, "bound on depth");
  fuzz::require(read_again(to_text(stanza)) == stanza, "read of written");
  if (pubsub::is_request(stanza)) {
    if (const auto request = pubsub::parse_request(stanza)) {
      const auto again = pubsub::parse_request(read_again(to_text(pubsub::build(*request))));
      fuzz::require(again && *again == *request, "request: back and forth");
    }
  }
  if (pubsub::is_event(stanza)) {
    if (const auto event = pubsub::parse_event(stanza)) {
      const auto again = pubsub::parse_event(read_again(to_text(pubsub::build(*event))));
      fuzz::require(again && *again == *event, "event: back and forth");
    }
  }
  if (is_request(stanza)) {
    const auto refusal = read_again(to_text(error_of(stanza, "bad-request", stanza.text)));
    fuzz::require(!is_request(refusal) && refusal.attribute("id") == stanza.attribute("id"),
                  "an answer has the request's id and asks nothing");
    fuzz::require(describe_error(refusal).starts_with("bad-request"), "an error says which");
  }
  if (const auto from = stanza.attribute("from")) {
    if (const auto jid = Jid::parse(*from)) {
      const auto again = Jid::parse(jid->str());
      fuzz::require(again && *again == *jid, "an address: back and forth");
    }
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input({data, size});
  const std::size_t piece = input.byte();
  const auto bytes = input.rest();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const Outcome whole = read(text, text.size());
  for (const StreamEvent& event : whole.events) {
    if (const auto* stanza = std::get_if<Element>(&event)) check_stanza(*stanza);
  }
  // What breaks several rules at once may be told of another first.
  const Outcome pieces = read(text, piece + 1);
  fuzz::require(pieces.condition.empty() == whole.condition.empty(), "pieces are as good");
  fuzz::require(pieces.events == whole.events, "pieces say the same");
  return 0;
}
