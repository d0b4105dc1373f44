#include "xmpp/reader.hpp"

#include <catch2/catch.hpp>
#include <vector>

#include "xmpp/writer.hpp"

namespace weft::xmpp::reader_test {
namespace {

const std::string header =
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams' to='weft.local' version='1.0'>";

struct Outcome {
  std::vector<StreamEvent> events;
  std::string condition;  ///< empty where nothing was breached
  bool in_stanza = false;
};

Outcome read(std::string_view text, std::size_t piece = 1 << 20, ReaderLimits limits = {}) {
  Reader reader(limits);
  Outcome outcome;
  while (!text.empty()) {
    const auto error = reader.feed(text.substr(0, piece));
    text.remove_prefix(std::min(piece, text.size()));
    while (auto event = reader.next()) outcome.events.push_back(*std::move(event));
    if (error) {
      outcome.condition = error->condition;
      CHECK_FALSE(error->text.empty());
      // It stands.
      CHECK(reader.feed("<message/>")->condition == error->condition);
      CHECK_FALSE(reader.next());
      break;
    }
  }
  outcome.in_stanza = reader.in_stanza();
  return outcome;
}

/// The one stanza of a stream.
Element stanza(const std::string& text) {
  const auto outcome = read(header + text);
  INFO(text << ": " << outcome.condition);
  REQUIRE(outcome.events.size() == 2);
  return std::get<Element>(outcome.events[1]);
}

/// What became of a stream behind its header, which is the same in pieces of any size.
std::string refusal(const std::string& text, ReaderLimits limits = {}) {
  const auto whole = read(header + text, 1 << 20, limits);
  for (const std::size_t piece : {1, 7, 1000}) {
    if (text.size() / piece > 200'000) continue;  // takes too long
    const auto pieces = read(header + text, piece, limits);
    CHECK(pieces.condition == whole.condition);
    CHECK(pieces.events == whole.events);
  }
  return whole.condition;
}

std::string repeat(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("xmpp reader: a stream, whole and byte by byte") {
  const std::string text = header +
                           "\n<message id='1'><event xmlns='urn:x'><a b='&lt;1&#10;'>x&amp;y</a>"
                           "<![CDATA[<z>]]></event></message>  <iq type='get' xml:lang='de'/>"
                           "</stream:stream>\n";
  const std::vector<StreamEvent> wanted{
      StreamHeader{.to = "weft.local", .version = "1.0"},
      Element{.name = "message",
              .xmlns = "jabber:client",
              .attributes = {{"id", "1"}},
              .children = {{.name = "event",
                            .xmlns = "urn:x",
                            .children = {{.name = "a",
                                          .xmlns = "urn:x",
                                          .attributes = {{"b", "<1\n"}},
                                          .text = "x&y"}},
                            .text = "<z>"}}},
      Element{.name = "iq",
              .xmlns = "jabber:client",
              .attributes = {{"type", "get"}, {"xml:lang", "de"}}},
      StreamEnd{}};
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    const auto outcome = read(text, piece);
    CHECK(outcome.condition.empty());
    CHECK(outcome.events == wanted);
  }
}

TEST_CASE("xmpp reader: a stanza is told with its last byte") {
  Reader reader;
  REQUIRE_FALSE(reader.feed(header));
  REQUIRE(reader.next());
  CHECK_FALSE(reader.in_stanza());
  for (const char c : std::string("<iq><a b='c'/></iq")) {
    REQUIRE_FALSE(reader.feed({&c, 1}));
    CHECK_FALSE(reader.next());
  }
  CHECK(reader.in_stanza());
  REQUIRE_FALSE(reader.feed(">"));
  CHECK(reader.next());
  CHECK_FALSE(reader.in_stanza());
}

TEST_CASE("xmpp reader: truncated at any byte it waits for more") {
  const std::string text = "<iq type='set'><q xmlns='urn:x'>&amp;<r/></q></iq>";
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto outcome = read(header + text.substr(0, size));
    CHECK(outcome.condition.empty());
    CHECK(outcome.events.size() == 1);
  }
}

TEST_CASE("xmpp reader: namespaces come from prefixes, too") {
  const Element element =
      stanza("<c:iq xmlns:c='jabber:client' xmlns:o='urn:o'><o:a o:dropped='1' kept='2'/></c:iq>");
  CHECK(element.xmlns == "jabber:client");
  REQUIRE(element.children.size() == 1);
  CHECK(element.children[0].xmlns == "urn:o");
  CHECK(element.children[0].attributes == std::vector<Attribute>{{"kept", "2"}});
}

TEST_CASE("xmpp reader: what XML has and streams forbid") {
  CHECK(refusal("<!-- x --><iq/>") == "restricted-xml");
  CHECK(refusal("<iq><!-- x --></iq>") == "restricted-xml");
  CHECK(refusal("<?pi x?>") == "restricted-xml");
  CHECK(refusal("<iq>&lol;</iq>") == "restricted-xml");
  CHECK(refusal("<iq a='&lol;'/>") == "restricted-xml");
  const std::string doctype = "<!DOCTYPE s [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>";
  CHECK(read(doctype + "<s>&b;</s>").condition == "restricted-xml");
  CHECK(read("<?xml version='1.0'?>" + doctype).condition == "restricted-xml");
  CHECK(read("<!DOCTYPE s SYSTEM 'file:///etc/passwd'>").condition == "restricted-xml");
  CHECK(refusal(doctype) == "not-well-formed");
  CHECK(read("<?xml version='1.0' encoding='ISO-8859-1'?><a/>").condition ==
        "unsupported-encoding");
  CHECK(read("<?xml version='1.0' encoding='utf-8'?>" + header.substr(21)).condition.empty());
}

TEST_CASE("xmpp reader: what is no XML") {
  CHECK(refusal("<iq></message>") == "not-well-formed");
  CHECK(refusal("<iq a='1' a='2'/>") == "not-well-formed");
  CHECK(refusal("<x:iq/>") == "not-well-formed");
  CHECK(refusal("<iq>\x01</iq>") == "not-well-formed");
  CHECK(refusal("<iq>\xc3\x28</iq>") == "not-well-formed");
  CHECK(refusal("<iq>\xed\xa0\x80</iq>") == "not-well-formed");
  CHECK(refusal("<iq>&#0;</iq>") == "not-well-formed");
  CHECK(refusal("</stream:stream><iq/>") == "not-well-formed");
  CHECK(read("GET / HTTP/1.1\r\n\r\n").condition == "not-well-formed");
  CHECK(read(std::string_view("\x16\x03\x01\x02\x00\x01", 6)).condition == "not-well-formed");
}

TEST_CASE("xmpp reader: what is no stream of ours") {
  CHECK(read("<stream xmlns='jabber:client'>").condition == "invalid-namespace");
  CHECK(read("<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:server'>")
            .condition == "invalid-namespace");
  CHECK(read("<s:other xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client'>")
            .condition == "bad-format");
  CHECK(refusal("text<iq/>") == "bad-format");
  CHECK(refusal("<iq><a xmlns=''/></iq>") == "invalid-namespace");
}

TEST_CASE("xmpp reader: bounds, each kept to the last and no further") {
  const ReaderLimits limits{.depth = 4,
                            .attributes = 4,
                            .tag_bytes = 400,
                            .text_bytes = 50,
                            .elements = 6,
                            .names = 24,
                            .stanza_bytes = 500};
  const std::string violation = "policy-violation";
  CHECK(refusal("<iq>" + repeat("<a>", 3) + repeat("</a>", 3) + "</iq>", limits).empty());
  CHECK(refusal("<iq>" + repeat("<a>", 4), limits) == violation);
  CHECK(refusal("<iq a='' b='' c='' d=''/>", limits).empty());
  CHECK(refusal("<iq a='' b='' c='' d='' e=''/>", limits) == violation);
  CHECK(refusal("<iq a='' b='' c='' xmlns:d='urn:d' xmlns:e='urn:e'/>", limits) == violation);
  CHECK(refusal("<iq>" + repeat("x", 50) + "</iq>", limits).empty());
  CHECK(refusal("<iq>" + repeat("x", 51), limits) == violation);
  CHECK(refusal("<iq>" + repeat("x", 30) + "<a/>" + repeat("x", 30), limits) == violation);
  CHECK(refusal("<iq>" + repeat("<a/>", 5) + "</iq>" + "<iq>" + repeat("<a/>", 5) + "</iq>", limits)
            .empty());
  CHECK(refusal("<iq>" + repeat("<a/>", 6), limits) == violation);
  CHECK(refusal("<iq a='" + repeat("x", 392) + "'/>", limits) == violation);
  CHECK(refusal("<iq a='" + repeat("x", 300) + "'/>", limits).empty());
  const std::string half = "<a b='" + repeat("x", 230) + "'/>";
  CHECK(refusal("<iq>" + half + half + "</iq>", limits).empty());
  CHECK(refusal("<iq>" + half + half + repeat("y", 20) + "</iq>", limits) == violation);
  CHECK(refusal("<iq a='" + repeat("x", 100'000), limits) == violation);  // endless
  CHECK(refusal(repeat(" ", 100'000) + "<iq/>", limits).empty());         // keepalives are not
  std::string names;
  for (int i = 0; i < 24; ++i) names += "<iq a" + std::to_string(i) + "=''/>";
  CHECK(refusal(names, limits) == violation);
}

TEST_CASE("xmpp reader: the usual bounds hold what a hostile peer sends") {
  CHECK(refusal(repeat("<a>", 100'000)) == "policy-violation");
  CHECK(refusal("<iq>" + repeat("<a/>", 100'000)) == "policy-violation");
  CHECK(refusal("<iq><b>" + repeat("x", 300'000)) == "policy-violation");
  CHECK(refusal("<iq a='" + repeat("x", 300'000) + "'/>") == "policy-violation");
  CHECK(refusal("<" + repeat("n", 300'000) + "/>") == "policy-violation");
  CHECK(read(repeat(" ", 100'000)).condition == "policy-violation");
  std::string attributes = "<iq";
  for (int i = 0; i < 1000; ++i) attributes += " a" + std::to_string(i) + "=''";
  CHECK(refusal(attributes + "/>") == "policy-violation");
}

TEST_CASE("xmpp writer: what is read again is what was written") {
  const Element element{
      .name = "message",
      .xmlns = "jabber:client",
      .attributes = {{"id", "<&>'\"\n\t\r "}, {"xml:lang", "de"}},
      .children = {{.name = "a", .xmlns = "urn:x", .children = {{.name = "b", .xmlns = "urn:x"}}},
                   {.name = "c", .xmlns = "jabber:client", .text = " <![CDATA[ ]]> &amp; \r\n\t"},
                   {.name = "d", .xmlns = "urn:x", .text = "gr\xc3\xbc\xc3\x9f \xf0\x9f\xa6\x8a"}},
      .text = "text"};
  CHECK(stanza(to_text(element)) == element);
}

TEST_CASE("xmpp writer: namespaces are declared where they change") {
  const Element element{
      .name = "iq",
      .xmlns = "jabber:client",
      .children = {{.name = "q", .xmlns = "urn:x", .children = {{.name = "r", .xmlns = "urn:x"}}}}};
  CHECK(to_text(element) == "<iq><q xmlns='urn:x'><r/></q></iq>");
  CHECK(to_text(Element{.name = "iq", .children = {{.name = "q"}}}) == "<iq><q/></iq>");
}

TEST_CASE("xmpp writer: what XML cannot write becomes U+FFFD") {
  const std::string bad = "\xef\xbf\xbd";
  const auto written = [](const std::string& text) {
    return stanza(to_text(Element{.name = "iq", .text = text})).text;
  };
  CHECK(written(std::string("a\0b", 3)) == "a" + bad + "b");
  CHECK(written("\x01\x1f\x7f") == bad + bad + "\x7f");
  CHECK(written("\xc3") == bad);
  CHECK(written("\xc0\x80") == bad + bad);
  CHECK(written("\xed\xa0\x80") == bad + bad + bad);
  CHECK(written("\xef\xbf\xbf") == bad + bad + bad);
  CHECK(written("\xf4\x90\x80\x80") == bad + bad + bad + bad);
  CHECK(written("\xf4\x8f\xbf\xbd") == "\xf4\x8f\xbf\xbd");
}

TEST_CASE("xmpp writer: streams open, fail and end") {
  const StreamHeader opening{.from = "a@b", .to = "b", .id = "1'", .version = "1.0"};
  const auto outcome = read(to_text(opening) + to_text(StreamError{"conflict", "two <of> them"}) +
                            std::string(stream_end));
  REQUIRE(outcome.events.size() == 3);
  CHECK(std::get<StreamHeader>(outcome.events[0]) == opening);
  const auto& error = std::get<Element>(outcome.events[1]);
  CHECK(error.xmlns == ns::streams);
  CHECK(error.child("conflict", ns::stream_errors) != nullptr);
  CHECK(error.child("text")->text == "two <of> them");
  CHECK(std::holds_alternative<StreamEnd>(outcome.events[2]));
}

}  // namespace weft::xmpp::reader_test
