#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "xmpp/base64.hpp"
#include "xmpp/jid.hpp"
#include "xmpp/namespaces.hpp"
#include "xmpp/pubsub.hpp"
#include "xmpp/send_queue.hpp"
#include "xmpp/stanza.hpp"

namespace weft::xmpp::codec_test {
namespace {

Element parse(const std::string& text) {
  Reader reader;
  REQUIRE_FALSE(reader.feed(to_text(StreamHeader{}) + text));
  REQUIRE(reader.next());
  auto event = reader.next();
  REQUIRE(event);
  return std::get<Element>(*event);
}

std::string refusal(const std::string& inside) {
  const auto request = pubsub::parse_request(
      parse("<iq type='set'><pubsub xmlns='http://jabber.org/protocol/pubsub'>" + inside +
            "</pubsub></iq>"));
  return request ? "" : request.error().message;
}

Text text(const std::string& content) { return std::make_shared<const std::string>(content); }

}  // namespace

TEST_CASE("xmpp addresses") {
  const auto full = Jid::parse("Compute-A@Weft.local/weftd/1@x");
  REQUIRE(full);
  CHECK(*full == Jid{"compute-a", "weft.local", "weftd/1@x"});
  CHECK(full->str() == "compute-a@weft.local/weftd/1@x");
  CHECK(full->bare().str() == "compute-a@weft.local");
  CHECK(Jid::parse("weft.local")->str() == "weft.local");
  CHECK(Jid::parse("a@[2001:db8::1]"));
  for (const std::string bad : {"", "@b", "a@", "a@b/", "a b@c", "a@b c", "a@b@c", "<a@b",
                                "a@b/x\ny", "\xc3\xbc@b", "a@b\xc3\xbc"}) {
    INFO(bad);
    CHECK_FALSE(Jid::parse(bad));
  }
  CHECK(Jid::parse(std::string(1023, 'a') + "@b"));
  CHECK_FALSE(Jid::parse(std::string(1024, 'a') + "@b"));
}

TEST_CASE("xmpp base64, RFC 4648 section 10") {
  for (const auto& [plain, coded] : {std::pair<std::string, std::string>{"", ""},
                                     {"f", "Zg=="},
                                     {"fo", "Zm8="},
                                     {"foo", "Zm9v"},
                                     {"foobar", "Zm9vYmFy"}}) {
    CHECK(base64_encode(plain) == coded);
    CHECK(base64_decode(coded) == plain);
  }
  CHECK_FALSE(base64_decode("Zg"));
  CHECK_FALSE(base64_decode("Z!=="));
}

TEST_CASE("xmpp pubsub: requests there and back") {
  const Element payload{
      .name = "entry", .xmlns = "urn:e", .attributes = {{"a", "<1>"}}, .text = "t"};
  const std::vector<pubsub::Request> requests{
      pubsub::Subscribe{"blue"},
      pubsub::Subscribe{"blue", "a@b/c", "7"},
      pubsub::Unsubscribe{"blue", "a@b"},
      pubsub::Publish{"1/1/blue/10.1.0.11/32", {{"x", payload}, {"", payload}, {"y", {}}}},
      pubsub::Publish{std::string(pubsub::end_of_rib)},
      pubsub::Retract{"blue", {"x", "y"}},
      pubsub::Associate{"blue", "1/1/blue/10.1.0.11/32"},
      pubsub::Dissociate{"blue", "1/1/blue/10.1.0.11/32"}};
  for (const auto& request : requests) {
    const Element stanza = parse(to_text(pubsub::build(request)));
    CHECK(pubsub::is_request(stanza));
    const auto again = pubsub::parse_request(stanza);
    REQUIRE(again);
    CHECK(*again == request);
  }
}

TEST_CASE("xmpp pubsub: the words on the wire are those of XEP-0060 and the draft") {
  CHECK(to_text(pubsub::build(pubsub::Subscribe{"blue", "", "7"})) ==
        "<iq type='set'><pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='blue'/>"
        "<options node='blue'><instance-id>7</instance-id></options></pubsub></iq>");
  CHECK(to_text(pubsub::build(pubsub::Associate{"blue", "n"})) ==
        "<iq type='set'><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
        "<collection node='blue'><associate node='n'/></collection></pubsub></iq>");
  CHECK(to_text(pubsub::build(
            pubsub::Event{.node = "blue", .items = {{"1", {}}}, .retracted = {"2"}})) ==
        "<message><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='blue'>"
        "<item id='1'/><retract id='2'/></items></event></message>");
  const auto inside = pubsub::parse_request(parse(
      "<iq type='set'><pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='blue'>"
      "<options><instance-id>9</instance-id></options></subscribe></pubsub></iq>"));
  REQUIRE(inside);
  CHECK(std::get<pubsub::Subscribe>(*inside).instance_id == "9");
}

TEST_CASE("xmpp pubsub: requests that say too little or too much") {
  CHECK(refusal("") == "<pubsub> is empty");
  CHECK(refusal("<options node='a'/>") == "<pubsub> is empty");
  CHECK(refusal("<subscribe/>") == "<subscribe> names no node");
  CHECK(refusal("<publish node=''/>") == "<publish> names no node");
  CHECK(refusal("<publish node='a'><item><b/><c/></item></publish>") ==
        "an item has more than one payload");
  CHECK(refusal("<publish node='a'><entry/></publish>") ==
        "<publish> has a <entry>, wanted <item>");
  CHECK(refusal("<retract node='a'/>") == "<retract> names no item");
  CHECK(refusal("<retract node='a'><item/></retract>") == "<retract> wants items, each with an id");
  CHECK(refusal("<collection node='a'/>") == "<collection> wants one thing to be done");
  CHECK(refusal("<collection node='a'><associate/></collection>") == "<associate> names no node");
  CHECK(refusal("<collection node='a'><x node='b'/></collection>") ==
        "<x> is unknown, wanted <associate> or <dissociate>");
  CHECK(refusal("<purge node='a'/>") == "<purge> is no request that is known here");
}

TEST_CASE("xmpp pubsub: events there and back, in messages and iq") {
  const pubsub::Event event{
      .node = "blue",
      .items = {{"1", Element{.name = "entry", .xmlns = "urn:e", .text = "t"}}, {"", {}}},
      .retracted = {"2", "3"}};
  const Element stanza = parse(to_text(pubsub::build(event)));
  CHECK(pubsub::is_event(stanza));
  CHECK(*pubsub::parse_event(stanza) == event);
  for (const std::string space :
       {"http://jabber.org/protocol/pubsub#event", "http://jabber.org/protocol/pubsub"}) {
    for (const std::string kind : {"message", "iq type='set'"}) {
      const std::string name = kind.substr(0, kind.find(' '));
      const Element end = parse(fmt::format(
          "<{}><event xmlns='{}'><items node='0/0/EndOfRib'/></event></{}>", kind, space, name));
      CHECK(*pubsub::parse_event(end) == pubsub::Event{std::string(pubsub::end_of_rib)});
    }
  }
  const auto refused = [](const std::string& inside) {
    const auto parsed = pubsub::parse_event(
        parse("<message><event xmlns='http://jabber.org/protocol/pubsub#event'>" + inside +
              "</event></message>"));
    return parsed ? "" : parsed.error().message;
  };
  CHECK(refused("") == "<event> brings no <items>");
  CHECK(refused("<items/>") == "<items> names no node");
  CHECK(refused("<items node='a'><retract/></items>") == "<retract> names no item");
  CHECK(refused("<items node='a'><b/></items>") == "<items> has a <b>, wanted <item> or <retract>");
  CHECK_FALSE(pubsub::is_event(parse("<message><body>x</body></message>")));
}

TEST_CASE("xmpp stanzas: answers go back to who asked") {
  const Element request =
      parse("<iq type='get' id='7' from='a@b/c' to='d'><q xmlns='urn:q'/></iq>");
  CHECK(is_request(request));
  CHECK(to_text(result_of(request, {.name = "r", .xmlns = "urn:q"})) ==
        "<iq type='result' id='7' to='a@b/c' from='d'><r xmlns='urn:q'/></iq>");
  const Element error = error_of(request, "bad-request", "no\nidea");
  CHECK(to_text(error) ==
        "<iq type='error' id='7' to='a@b/c' from='d'><error type='modify'>"
        "<bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no\nidea</text></error></iq>");
  CHECK(describe_error(error) == "bad-request: no idea");
  CHECK_FALSE(is_request(error));
  CHECK(printable(std::string(300, 'x')).size() == 259);
}

TEST_CASE("xmpp send queue: in order, of each key the newest in the first's place") {
  SendQueue queue;
  std::string out;
  CHECK_FALSE(queue.push(text("a1,"), "a"));
  CHECK_FALSE(queue.push(text("b1,"), "b"));
  CHECK_FALSE(queue.push(text("x,"), ""));
  CHECK_FALSE(queue.push(text("x,"), ""));
  CHECK(queue.push(text("a2 longer,"), "a"));
  CHECK(queue.stanzas() == 4);
  CHECK(queue.bytes() == 17);
  CHECK(queue.take(1, out) == 1);
  CHECK(out == "a2 longer,");
  CHECK_FALSE(queue.push(text("a3,"), "a"));  // what is out is not replaced
  CHECK(queue.push(text("b2,"), "b"));
  out.clear();
  CHECK(queue.take(100, out) == 4);
  CHECK(out == "b2,x,x,a3,");
  CHECK(queue.empty());
  CHECK(queue.bytes() == 0);
}

}  // namespace weft::xmpp::codec_test
