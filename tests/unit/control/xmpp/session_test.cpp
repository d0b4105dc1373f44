#include "xmpp/session.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <thread>

#include "support/xmpp_rig.hpp"
#include "xmpp/namespaces.hpp"
#include "xmpp/pubsub.hpp"
#include "xmpp/stanza.hpp"

namespace weft::xmpp::session_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::Seen;
using test::XmppRig;

Element message(const std::string& text) {
  return {.name = "message",
          .xmlns = std::string(ns::client),
          .children = {{.name = "body", .xmlns = std::string(ns::client), .text = text}}};
}

std::vector<std::string> bodies(const Seen& seen) {
  std::vector<std::string> out;
  for (const Element& stanza : seen.stanzas) {
    if (const Element* body = stanza.child("body")) out.push_back(body->text);
  }
  return out;
}

Element question() { return iq("get", {.name = "q", .xmlns = "urn:q"}); }

bool starts(const std::vector<std::string>& texts, const std::string& start) {
  return !texts.empty() && texts.back().starts_with(start);
}

void hold(SessionLimits& limits, int ms) { limits.hold = milliseconds(ms); }

}  // namespace

TEST_CASE("xmpp session: stanzas there and back") {
  XmppRig rig;
  rig.meet();
  CHECK(rig.here.session->self() == test::compute_a);
  CHECK(rig.here.session->peer() == test::controller);
  CHECK(rig.there.session->peer() == test::compute_a);
  CHECK(rig.here.session->remote_address() == "127.0.0.1:" + std::to_string(rig.server->port()));

  Element forged = message("hello");
  forged.attributes.push_back({"from", "somebody@else"});
  rig.here.session->send(forged);
  rig.there.session->send(message("welcome"));
  REQUIRE(rig.run_until([&] { return !rig.here.stanzas.empty() && !rig.there.stanzas.empty(); }));
  CHECK(bodies(rig.there) == std::vector<std::string>{"hello"});
  CHECK(rig.there.stanzas[0].attribute("from") == "compute-a@weft.local/weftd");
  CHECK(bodies(rig.here) == std::vector<std::string>{"welcome"});
  const auto counters = rig.there.session->counters();
  CHECK(counters.stanzas_in == 1);
  CHECK(counters.stanzas_out == 1);
  CHECK(counters.bytes_in > 0);
  CHECK(counters.bytes_out > counters.queue_bytes_most);
  CHECK(counters.queue_stanzas_most == 1);
}

TEST_CASE("xmpp session: requests have answers") {
  XmppRig rig;
  rig.meet();
  auto& session = *rig.here.session;
  SECTION("a result") {
    rig.there.session->on_stanza = [&](const Element& stanza) {
      rig.there.session->send(result_of(stanza, {.name = "a", .xmlns = "urn:q"}));
      return true;
    };
    const auto answer = rig.wait(session.request(question()));
    REQUIRE(answer);
    CHECK(answer->child("a", "urn:q") != nullptr);
  }
  SECTION("an error") {
    rig.there.session->on_stanza = [&](const Element& stanza) {
      rig.there.session->send(error_of(stanza, "item-not-found", "there is no q"));
      return true;
    };
    const auto answer = rig.wait(session.request(question()));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().message == "the peer refuses: item-not-found: there is no q");
  }
  SECTION("what nobody knows is unavailable") {
    const auto answer = rig.wait(session.request(question()));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().message == "the peer refuses: service-unavailable");
    rig.there.session->on_stanza = nullptr;
    CHECK_FALSE(rig.wait(session.request(question())));
  }
  SECTION("a handler that throws is an error of its side") {
    rig.there.session->on_stanza = [](const Element&) -> bool {
      throw std::runtime_error("broken");
    };
    const auto answer = rig.wait(session.request(question()));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().message == "the peer refuses: internal-server-error: broken");
  }
  SECTION("pings are answered by the session") {
    CHECK(rig.wait(session.request(iq("get", {.name = "ping", .xmlns = std::string(ns::ping)}))));
    CHECK(rig.there.stanzas.empty());
  }
  SECTION("the end of the session") {
    rig.there.session->on_stanza = [&](const Element&) {
      rig.there.session->abort("enough");
      return true;
    };
    const auto answer = rig.wait(session.request(question()));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().message.starts_with("the session has ended: "));
    CHECK_FALSE(rig.wait(rig.there.session->request(question())));
  }
  CHECK(rig.here.stanzas.empty());  // answers go to who asked
}

TEST_CASE("xmpp session: requests do not wait for ever, nor without number") {
  XmppRig rig;
  auto options = rig.client_options();
  options.session.request_timeout = milliseconds(50);
  options.session.requests = 2;
  rig.meet(options);
  rig.there.session->on_stanza = [](const Element&) { return true; };
  std::vector<std::string> errors;
  for (int i = 0; i < 3; ++i) {
    rig.here.session->request(question(), [&](const Result<Element>& answer) {
      errors.push_back(answer ? "" : answer.error().message);
    });
  }
  REQUIRE(rig.run_until([&] { return errors.size() == 3; }));
  CHECK(errors == std::vector<std::string>{"2 requests wait for an answer already",
                                           "no answer within 50 ms", "no answer within 50 ms"});
}

TEST_CASE("xmpp session: an answer of somebody else is none") {
  XmppRig rig;
  auto options = rig.client_options();
  options.session.request_timeout = milliseconds(100);
  rig.meet(options);
  rig.there.session->on_stanza = [&](const Element& stanza) {
    Element forged = result_of(stanza);
    std::ranges::find(forged.attributes, "from", &Attribute::name)->value = "other@weft.local";
    rig.there.session->send(forged);
    return true;
  };
  CHECK_FALSE(rig.wait(rig.here.session->request(question())));
}

TEST_CASE("xmpp session: one text serves many sessions") {
  XmppRig rig;
  std::vector<Seen> seen(3);
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    clients.push_back(rig.start(
        rig.client_options({"compute-" + std::to_string(i), "weft.local", "weftd"}), seen[i]));
  }
  REQUIRE(rig.run_until([&] { return rig.server->sessions().size() == 3; }));
  const Text text = encode(message("to all"));
  for (const auto& session : rig.server->sessions()) session->send(text);
  CHECK(text.use_count() == 4);
  REQUIRE(rig.run_until([&] {
    return std::ranges::all_of(seen, [](const Seen& one) { return one.stanzas.size() == 1; });
  }));
  CHECK(text.use_count() == 1);
}

TEST_CASE("xmpp session: of what waits the newest state wins") {
  XmppRig rig;
  rig.meet();
  for (int i = 0; i < 100; ++i) {
    rig.there.session->send(message("a" + std::to_string(i)), "a");
    rig.there.session->send(message("b" + std::to_string(i)), "b");
  }
  rig.there.session->send(message("end"));
  CHECK(rig.there.session->queued_stanzas() == 3);
  REQUIRE(rig.run_until([&] { return rig.here.stanzas.size() == 3; }));
  CHECK(bodies(rig.here) == std::vector<std::string>{"a99", "b99", "end"});
  CHECK(rig.there.session->counters().replaced == 198);
}

TEST_CASE("xmpp session: who reads too slowly is closed, with the cause") {
  XmppRig rig([](ServerOptions& options) { options.session.queue_bytes = 1 << 20; });
  auto stream = rig.negotiate();  // and never reads
  REQUIRE(stream);
  REQUIRE(rig.run_until([&] { return rig.there.sessions == 1; }));
  const auto& session = rig.there.session;
  SECTION("by bytes") {
    const Text text = encode(message(std::string(100'000, 'x')));
    REQUIRE(rig.run_until([&] {
      session->send(text);
      return !rig.there.ends.empty();
    }));
    CHECK(starts(rig.there.ends, "the peer reads too slowly: 11 stanzas of 11"));
    CHECK(session->counters().queue_bytes_most > 1 << 20);
    CHECK(session->counters().queue_bytes_most < 1'200'000);
  }
  SECTION("but not while newer state takes the place of older") {
    const Text text = encode(message(std::string(100'000, 'x')));
    for (int i = 0; i < 1000; ++i) session->send(text, "key" + std::to_string(i % 5));
    rig.run_until([&] { return session->ended(); }, milliseconds(50));
    CHECK_FALSE(session->ended());
  }
  SECTION("nor while who sends heeds the room there is") {
    const Text text = encode(message(std::string(10'000, 'x')));
    int sent = 0;
    const auto more = [&] {
      while (session->has_room() && sent < 2000) {
        session->send(text);
        ++sent;
      }
    };
    session->on_room = more;
    more();
    CHECK(sent < 2000);
    CHECK_FALSE(rig.run_until([&] { return sent == 2000; }, milliseconds(50)));
    int got = 0;
    co_spawn(
        rig.io,
        [&]() -> boost::asio::awaitable<void> {
          while (co_await stream->connection->read()) ++got;
        },
        boost::asio::detached);
    REQUIRE(rig.run_until([&] { return got == 2000; }));
    stream->connection->close();
    REQUIRE(rig.run_until([&] { return session->ended(); }));
  }
}

TEST_CASE("xmpp session: a number of stanzas that wait is too slow, too") {
  XmppRig rig([](ServerOptions& options) { options.session.queue_stanzas = 10; });
  rig.meet();
  for (int i = 0; i < 10; ++i) rig.there.session->send(message("x"));
  CHECK_FALSE(rig.there.session->ended());
  rig.there.session->send(message("x"));
  CHECK(rig.there.session->ended());
  CHECK(rig.there.ends.empty());  // told from the loop
  REQUIRE(rig.run_until([&] { return !rig.there.ends.empty(); }));
  CHECK(starts(rig.there.ends, "the peer reads too slowly: 11 stanzas"));
}

TEST_CASE("xmpp session: a silent peer is given up after the hold time") {
  XmppRig rig([](ServerOptions& options) { hold(options.session, 150); });
  const auto before = steady_clock::now();
  auto stream = rig.negotiate();
  REQUIRE(stream);
  REQUIRE(rig.run_until([&] { return rig.there.sessions == 1; }));
  REQUIRE(rig.run_until([&] { return !rig.there.ends.empty(); }));
  CHECK(steady_clock::now() - before > milliseconds(150));
  CHECK(rig.there.ends[0] == "nothing was heard from the peer for 150 ms");
  CHECK(rig.server->sessions().empty());
  // It was asked, and heard white space meanwhile.
  const auto ping = rig.wait(stream->connection->read());
  REQUIRE(ping);
  CHECK(std::get<Element>(*ping).child("ping", ns::ping) != nullptr);
}

TEST_CASE("xmpp session: a peer that speaks and does not read is given up, too") {
  XmppRig rig([](ServerOptions& options) { hold(options.session, 150); });
  auto stream = rig.negotiate();
  REQUIRE(stream);
  REQUIRE(rig.run_until([&] { return rig.there.sessions == 1; }));
  co_spawn(
      rig.io,
      [&]() -> boost::asio::awaitable<void> {
        boost::asio::steady_timer pause(rig.io);
        const std::string blank = " ";
        while (co_await stream->connection->write(blank)) {
          pause.expires_after(milliseconds(20));
          co_await pause.async_wait(boost::asio::use_awaitable);
        }
      },
      boost::asio::detached);
  const Text text = encode(message(std::string(100'000, 'x')));
  REQUIRE(rig.run_until([&] {
    rig.there.session->send(text, "key");
    return !rig.there.ends.empty();
  }));
  CHECK(rig.there.ends[0] == "the peer took nothing for 150 ms");
  stream->connection->close();
  rig.run_until([] { return false; }, milliseconds(50));  // the peer sees it, too
}

TEST_CASE("xmpp session: who has nothing to say stays") {
  XmppRig rig([](ServerOptions& options) { hold(options.session, 150); });
  auto options = rig.client_options();
  SECTION("while both keep alive") { hold(options.session, 150); }
  SECTION("while only one does") { hold(options.session, 90'000); }
  rig.meet(options);
  CHECK_FALSE(rig.run_until([&] { return !rig.there.ends.empty() || !rig.here.ends.empty(); },
                            milliseconds(600)));
  CHECK(rig.there.stanzas.empty());
  CHECK(rig.here.stanzas.empty());
}

TEST_CASE("xmpp session: that we stood still is not the peer's silence") {
  XmppRig rig([](ServerOptions& options) { hold(options.session, 150); });
  auto options = rig.client_options();
  hold(options.session, 900);  // it waits longer for us than we stand still, and speaks meanwhile
  boost::asio::io_context far;
  auto client = Client::start(
      far, options, [](const auto&) {}, [](const auto&) {});
  REQUIRE(client);
  std::thread peer([&far] { far.run(); });
  // The session has asked, was answered, and has looked at its hold time since.
  const bool met = rig.run_until(
      [&] { return rig.there.session && rig.there.session->counters().stanzas_in == 1; });
  rig.run_until([] { return false; }, milliseconds(30));
  // When the loop turns again, this is due, and behind it the session's look at its hold time.
  boost::asio::steady_timer stall(rig.io, milliseconds(1));
  stall.async_wait([](const auto&) { std::this_thread::sleep_for(milliseconds(400)); });
  std::this_thread::sleep_for(milliseconds(30));
  rig.run_until([&] { return !rig.there.ends.empty(); }, milliseconds(600));
  far.stop();
  peer.join();
  CHECK(met);
  CHECK(rig.there.ends.empty());
}

TEST_CASE("xmpp session: leave is taken in order") {
  XmppRig rig;
  rig.meet();
  for (int i = 0; i < 1000; ++i) rig.there.session->send(message("x"));
  SECTION("by the server's session") {
    rig.there.session->close("maintenance");
    rig.there.session->send(message("too late"));
    REQUIRE(rig.run_until([&] { return !rig.here.downs.empty() && !rig.there.ends.empty(); }));
    CHECK(rig.there.ends == std::vector<std::string>{"maintenance"});
    CHECK(rig.here.ends == std::vector<std::string>{"the peer closed the stream"});
  }
  SECTION("by the server") {
    rig.server->stop("maintenance");
    REQUIRE(rig.run_until([&] { return !rig.here.downs.empty() && !rig.there.ends.empty(); }));
    CHECK(rig.there.ends == std::vector<std::string>{"maintenance"});
  }
  CHECK(rig.here.stanzas.size() == 1000);  // all that waited came
}

TEST_CASE("xmpp session: a peer that does not take leave is left") {
  XmppRig rig([](ServerOptions& options) { options.session.close_timeout = milliseconds(50); });
  auto stream = rig.negotiate();
  REQUIRE(stream);
  REQUIRE(rig.run_until([&] { return rig.there.sessions == 1; }));
  rig.there.session->close("maintenance");
  REQUIRE(rig.run_until([&] { return !rig.there.ends.empty(); }));
  CHECK(rig.there.ends[0] == "maintenance");
}

TEST_CASE("xmpp session: a peer that breaks the rules is told which") {
  XmppRig rig([](ServerOptions& options) { options.session.reader.depth = 4; });
  auto stream = rig.negotiate();
  REQUIRE(stream);
  REQUIRE(rig.run_until([&] { return rig.there.sessions == 1; }));
  std::string said;
  std::string condition;
  std::string cause;
  SECTION("nested too deeply") {
    said = "<iq><a><a><a><a>";
    condition = "policy-violation";
    cause = "the peer breaks the rules of streams: policy-violation: elements nested deeper than 4";
  }
  SECTION("a DTD") {
    said = "<!DOCTYPE a [<!ENTITY b 'c'>]>";
    condition = "not-well-formed";
    cause = "the peer breaks the rules of streams: not-well-formed";
  }
  SECTION("an entity") {
    said = "<message><body>&lol;</body></message>";
    condition = "restricted-xml";
    cause = "the peer breaks the rules of streams: restricted-xml";
  }
  SECTION("no stanza") {
    said = "<start xmlns='urn:x'/>";
    condition = "unsupported-stanza-type";
    cause = "the peer sends <start>, which is no stanza";
  }
  SECTION("more than it can read") {
    said = "<message><body>&lol;</body></message>" + std::string(200'000, 'x');
    condition = "restricted-xml";
    cause = "the peer breaks the rules of streams: restricted-xml";
  }
  REQUIRE(rig.wait(stream->connection->write("<message/>" + said)));
  const auto error = rig.wait(stream->connection->read());
  REQUIRE(error);
  CHECK(std::get<Element>(*error).child(condition, ns::stream_errors) != nullptr);
  const auto end = rig.wait(stream->connection->read());
  REQUIRE(end);
  CHECK(std::holds_alternative<StreamEnd>(*end));
  stream->connection->close();
  REQUIRE(rig.run_until([&] { return !rig.there.ends.empty(); }));
  CHECK(rig.there.ends[0].starts_with(cause));
  CHECK(rig.there.stanzas.size() == 1);  // what came before
}

TEST_CASE("xmpp session: a connection that breaks off") {
  XmppRig rig;
  auto stream = rig.negotiate();
  REQUIRE(stream);
  REQUIRE(rig.run_until([&] { return rig.there.sessions == 1; }));
  SECTION("between stanzas") {
    stream->connection->close();
    REQUIRE(rig.run_until([&] { return !rig.there.ends.empty(); }));
    CHECK(rig.there.ends[0] == "the connection ended");
  }
  SECTION("inside one") {
    REQUIRE(rig.wait(stream->connection->write("<message><bo")));
    stream->connection->close();
    REQUIRE(rig.run_until([&] { return !rig.there.ends.empty(); }));
    CHECK(rig.there.ends[0] == "the connection ended inside a stanza");
    CHECK(rig.there.stanzas.empty());
  }
}

TEST_CASE("xmpp session: a server that goes while its sessions talk calls nobody") {
  XmppRig rig;
  rig.meet();
  std::string answer = "none";
  rig.there.session->request(question(), [&](const Result<Element>&) { answer = "one"; });
  rig.there.session.reset();
  rig.here.session->on_stanza = [&](const Element&) {
    rig.server.reset();
    return false;
  };
  REQUIRE(rig.run_until([&] { return !rig.here.downs.empty(); }));
  CHECK(rig.there.ends.empty());
  CHECK(answer == "none");
}

TEST_CASE("xmpp session: a handler may let go of its client") {
  XmppRig rig;
  rig.meet();
  bool gone = false;
  rig.here.session->on_stanza = [&](const Element&) {
    rig.client.reset();
    gone = true;
    return false;
  };
  rig.there.session->send(message("x"));
  REQUIRE(rig.run_until([&] { return gone && !rig.there.ends.empty(); }));
  CHECK(rig.here.ends.empty());
  CHECK(rig.here.downs.empty());
}

}  // namespace weft::xmpp::session_test
