// Two controllers in one process that tell each other their nodes' routes.
#include "controller/peer_routes.hpp"

#include <catch2/catch.hpp>
#include <deque>

#include "channel/route_codec.hpp"
#include "support/routes.hpp"
#include "support/xml.hpp"

namespace weft::peer_routes_test {

using controller::PeerRoutes;
using test::addresses;
using test::mobile;
using test::route;
using test::via;
using Texts = std::vector<std::string>;

namespace {

const vpn::Nlri vm = route("10.1.0.11/32");

/// A controller, and what is on the way to it.
struct Side {
  explicit Side(boost::asio::io_context& io)
      : routes(io, tables, {.stale = std::chrono::seconds(100), .restart = std::chrono::hours(1)},
               handlers()) {
    routes.add_peer("the other");
    add_network("blue", "1:1");
  }

  PeerRoutes::Handlers handlers() {
    return {.preference = [](const std::string&) { return vpn::EncapsulationList(); },
            .changed = [] {},
            .member =
                [this](const std::string& node, const std::string& network, bool member) {
                  members.push_back(network + (member ? " has " : " lost ") + node);
                },
            .nodes_back = [this] { return nodes_back; }};
  }
  void add_network(const char* name, const char* number) {
    REQUIRE(tables.set_network(
        {name, test::rd(number), {test::target(number)}, {test::target(number)}}));
    routes.networks_changed();
  }
  void remove_network(const char* name) {
    routes.network_goes(name);
    tables.remove_network(*tables.find_network(name));
  }
  void announce(vpn::SourceId source, const vpn::Attributes& attributes,
                const char* network = "blue", const vpn::Nlri& nlri = vm) {
    REQUIRE(tables.announce(source, *tables.find_network(network), nlri, attributes,
                            std::chrono::steady_clock::now()));
  }
  void withdraw(vpn::SourceId source, const vpn::Nlri& nlri = vm) {
    REQUIRE(tables.withdraw(source, *tables.find_network("blue"), nlri));
  }
  const vpn::Attributes* best(const char* network = "blue", const vpn::Nlri& nlri = vm) {
    const auto id = *tables.find_network(network);
    const auto* found = tables.table(id)->find(nlri.within(tables.network(id)->rd));
    return found == nullptr || !found->best ? nullptr : &*found->best;
  }
  Texts hops(const char* network = "blue") {
    const auto* found = best(network);
    return found == nullptr ? Texts() : addresses(*found);
  }

  vpn::VpnTables tables;
  bool nodes_back = true;
  Texts members;
  PeerRoutes routes;
  std::deque<std::function<void()>> coming;
  std::size_t events = 0;
  std::optional<PeerRoutes::ListenerId> listener;
  bool reads = true;
};

struct Site {
  boost::asio::io_context io;
  Side a{io};
  Side b{io};
  vpn::SourceId n = a.tables.add_source("n");  ///< a node that has a session with a alone
  vpn::SourceId m = b.tables.add_source("m");  ///< with b alone

  /// `to` hears from `from` from now on.
  void connect(Side& from, Side& to) {
    from.listener =
        from.routes.add_listener({.send =
                                      [&to](const xmpp::Text& text) {
                                        to.coming.emplace_back([&to, text] {
                                          ++to.events;
                                          const auto event =
                                              xmpp::pubsub::parse_event(test::from_xml(*text));
                                          REQUIRE(event);
                                          const auto heard = to.routes.hear(0, *event);
                                          INFO((heard ? "" : heard.error().message));
                                          REQUIRE(heard);
                                        });
                                      },
                                  .has_room = [&to] { return to.coming.size() < 2; },
                                  .abort = [](const std::string&) { FAIL("it was given up"); }});
    to.routes.begin(0, [&from, &to](std::function<void()> answered) {
      to.coming.emplace_back(std::move(answered));
      from.routes.tell_all(*from.listener);
    });
  }
  void disconnect(Side& from, Side& to) {
    from.routes.remove_listener(*from.listener);
    from.listener.reset();
    to.coming.clear();
    to.routes.lost(0);
  }
  bool read(Side& to, Side& from) {
    if (!to.reads || to.coming.empty()) return false;
    const auto next = std::move(to.coming.front());
    to.coming.pop_front();
    next();
    if (to.coming.empty() && from.listener) from.routes.has_room(*from.listener);
    return true;
  }
  /// Until nobody has anything to say.
  void settle() {
    for (bool more = true; more;) {
      more = a.tables.work(1000);
      more = b.tables.work(1000) || more;
      io.restart();
      more = io.poll() != 0 || more;
      more = read(b, a) || more;
      more = read(a, b) || more;
    }
  }
  void connect_both() {
    connect(a, b);
    connect(b, a);
    settle();
  }
  void tick(std::chrono::seconds later = {}) {
    const auto now = std::chrono::steady_clock::now() + later;
    a.routes.tick(now);
    b.routes.tick(now);
    settle();
  }
};

/// What subscribers of a network are sent.
struct Watcher {
  explicit Watcher(Side& side) : tables(side.tables), id(tables.add_subscriber()) {
    tables.subscribe(id, *tables.find_network("blue"));
    changes();
  }
  std::size_t changes() {
    std::size_t count = 0;
    vpn::Delivery delivery;
    while (tables.next(delivery, 100)) count += delivery.changes.size();
    return count;
  }
  vpn::VpnTables& tables;
  vpn::SubscriberId id;
};

}  // namespace

TEST_CASE("peer routes: of one's own nodes go to the other, and nothing comes back", "[peers]") {
  Site s;
  s.a.announce(s.n, via("192.0.2.1"));
  s.connect_both();
  CHECK(s.b.hops() == Texts{"192.0.2.1"});
  CHECK(s.b.best()->origin == "n");
  CHECK(s.b.routes.heard_all());
  CHECK(s.a.routes.count(0).routes == 0);

  s.b.announce(s.m, via("192.0.2.2"));
  s.settle();
  CHECK(s.a.hops() == Texts{"192.0.2.1", "192.0.2.2"});
  CHECK(s.b.hops() == Texts{"192.0.2.1", "192.0.2.2"});
  CHECK(s.b.routes.count(0).routes == 1);

  s.a.withdraw(s.n);
  s.settle();
  CHECK(s.b.hops() == Texts{"192.0.2.2"});
}

TEST_CASE("peer routes: nodes of one prefix do not hide each other", "[peers]") {
  Site s;
  const auto other = s.a.tables.add_source("o");
  s.connect_both();
  s.a.announce(s.n, via("192.0.2.1"));
  s.a.announce(other, via("192.0.2.3"));
  s.settle();
  CHECK(s.b.hops() == Texts{"192.0.2.1", "192.0.2.3"});
  s.a.withdraw(s.n);
  s.settle();
  CHECK(s.b.hops() == Texts{"192.0.2.3"});
}

TEST_CASE("peer routes: what a node tells both is told to subscribers once", "[peers]") {
  Site s;
  const auto here = s.b.tables.add_source("n");
  s.connect_both();
  s.b.announce(here, via("192.0.2.1"));
  Watcher watcher(s.b);
  s.a.announce(s.n, via("192.0.2.1"));
  s.settle();
  CHECK(s.b.routes.count(0).routes == 1);
  CHECK(watcher.changes() == 0);
  CHECK(s.b.hops() == Texts{"192.0.2.1"});

  SECTION("its own word holds against one that comes late") {
    s.b.announce(here, via("192.0.2.8"));
    CHECK(watcher.changes() == 1);
    s.a.announce(s.n, via("192.0.2.7"));
    s.settle();
    CHECK(watcher.changes() == 0);
    CHECK(s.b.hops() == Texts{"192.0.2.8"});
  }
  SECTION("but not when its session is lost") {
    s.b.tables.mark_stale(here);
    s.a.announce(s.n, via("192.0.2.7"));
    s.settle();
    CHECK(s.b.hops() == Texts{"192.0.2.7"});
  }
  SECTION("the other's word goes, and its own stays") {
    s.a.withdraw(s.n);
    s.settle();
    CHECK(watcher.changes() == 0);
    CHECK(s.b.hops() == Texts{"192.0.2.1"});
  }
}

TEST_CASE("peer routes: a lost session leaves them until they are swept", "[peers]") {
  Site s;
  s.connect_both();
  s.a.announce(s.n, via("192.0.2.1"));
  s.settle();
  s.disconnect(s.a, s.b);
  Watcher watcher(s.b);
  CHECK(s.b.routes.count(0).stale == 1);

  SECTION("after a time") {
    s.tick(std::chrono::seconds(50));
    CHECK(s.b.hops() == Texts{"192.0.2.1"});
    s.tick(std::chrono::seconds(101));
    CHECK(s.b.hops().empty());
  }
  SECTION("or not, when they are told again") {
    s.connect(s.a, s.b);
    s.settle();
    CHECK(s.b.routes.count(0).stale == 0);
    s.tick(std::chrono::seconds(101));
    CHECK(s.b.hops() == Texts{"192.0.2.1"});
    CHECK(watcher.changes() == 0);
  }
  SECTION("at the end of what is told, when they are not among it") {
    s.a.withdraw(s.n);
    s.connect(s.a, s.b);
    s.settle();
    CHECK(s.b.hops().empty());
  }
  SECTION("but not before the other's nodes are back") {
    s.a.tables.withdraw(s.n, *s.a.tables.find_network("blue"), vm);
    s.a.nodes_back = false;
    s.connect(s.a, s.b);
    s.settle();
    s.tick();
    CHECK(s.b.hops() == Texts{"192.0.2.1"});
    s.a.nodes_back = true;
    s.tick();
    CHECK(s.b.hops().empty());
  }
}

TEST_CASE("peer routes: what the other sweeps goes here", "[peers]") {
  Site s;
  s.connect_both();
  s.a.announce(s.n, via("192.0.2.1"));
  s.settle();
  s.a.tables.mark_stale(s.n);
  s.settle();
  CHECK(s.b.hops() == Texts{"192.0.2.1"});
  s.a.tables.sweep(s.n);
  s.settle();
  CHECK(s.b.hops().empty());
}

TEST_CASE("peer routes: of a network that comes later they are asked for again", "[peers]") {
  Site s;
  s.connect_both();
  s.a.add_network("red", "1:2");
  s.a.announce(s.n, via("192.0.2.1"), "red");
  s.settle();
  CHECK(s.b.routes.count(0).routes == 0);
  s.b.add_network("red", "1:2");
  s.settle();
  CHECK(s.b.hops("red") == Texts{"192.0.2.1"});

  s.b.remove_network("red");
  s.settle();
  s.b.add_network("red", "1:2");
  s.settle();
  CHECK(s.b.hops("red") == Texts{"192.0.2.1"});
  CHECK(s.b.routes.count(0).stale == 0);

  s.a.remove_network("red");
  s.settle();
  CHECK(s.b.hops("red").empty());
}

TEST_CASE("peer routes: what was under way when all was asked for again is not kept", "[peers]") {
  Site s;
  s.connect_both();
  s.a.add_network("red", "1:2");
  s.a.announce(s.n, via("192.0.2.1"), "red");
  s.settle();
  s.b.reads = false;
  s.a.announce(s.n, via("192.0.2.1"));
  s.settle();  // on its way
  s.a.withdraw(s.n);
  s.b.add_network("red", "1:2");  // which asks; the withdrawal is not told any more
  s.b.reads = true;
  s.settle();
  CHECK(s.b.hops("red") == Texts{"192.0.2.1"});
  CHECK(s.b.hops().empty());
}

TEST_CASE("peer routes: a VM moves between nodes of two controllers", "[peers]") {
  Site s;
  s.connect_both();
  s.a.announce(s.n, mobile(via("192.0.2.1"), 0));
  s.settle();
  REQUIRE(s.b.best()->sequence() == 0);

  SECTION("the new node does not know of the old one's route") {
    s.b.announce(s.m, mobile(via("192.0.2.2"), 0));
  }
  SECTION("or it does") { s.b.announce(s.m, mobile(via("192.0.2.2"), 1)); }
  s.settle();
  for (Side* side : {&s.a, &s.b}) {
    CHECK(side->hops() == Texts{"192.0.2.2"});
    CHECK(side->best()->sequence() == 1);
  }
  s.a.withdraw(s.n);
  s.settle();
  CHECK(s.a.hops() == Texts{"192.0.2.2"});
  // And back.
  s.a.announce(s.n, mobile(via("192.0.2.1"), 0));
  s.settle();
  for (Side* side : {&s.a, &s.b}) {
    CHECK(side->hops() == Texts{"192.0.2.1"});
    CHECK(side->best()->sequence() == 2);
  }
}

TEST_CASE("peer routes: two claims at once end alike at both", "[peers]") {
  Site s;
  s.connect_both();
  s.a.announce(s.n, mobile(via("192.0.2.1"), 0));
  s.b.announce(s.m, mobile(via("192.0.2.2"), 0));
  s.settle();
  CHECK(s.a.hops() == s.b.hops());
  CHECK(s.a.hops() == Texts{"192.0.2.1"});
  s.a.withdraw(s.n);  // which had it before
  s.settle();
  CHECK(s.b.hops() == Texts{"192.0.2.2"});
  CHECK(s.a.hops() == Texts{"192.0.2.2"});
}

TEST_CASE("peer routes: what is held back is not told", "[peers]") {
  Site s;
  s.connect_both();
  const auto rival = s.a.tables.add_source("o");
  for (std::uint32_t i = 0; i < 8; ++i) {
    s.a.announce(i % 2 == 0 ? s.n : rival, mobile(via(i % 2 == 0 ? "192.0.2.1" : "192.0.2.3"), i));
    s.settle();
  }
  REQUIRE(s.a.tables.duplicates().size() == 1);
  CHECK(s.b.hops() == s.a.hops());
  CHECK(s.b.routes.count(0).routes == 1);
}

TEST_CASE("peer routes: members of networks are told, and stay while the other is lost",
          "[peers]") {
  Site s;
  s.a.routes.set_member("n", "blue", true);
  s.connect_both();
  CHECK(s.b.members == Texts{"blue has n"});
  CHECK(s.b.routes.member("n", "blue"));
  CHECK(s.a.members.empty());
  s.a.routes.set_member("n", "red", true);
  s.a.routes.set_member("n", "blue", false);
  s.settle();
  CHECK(s.b.members == Texts{"blue has n", "blue lost n", "red has n"});
  s.b.add_network("red", "1:2");
  s.b.routes.network_comes("red");
  s.settle();
  CHECK(s.b.members.size() == 4);
  CHECK(s.b.members.back() == "red has n");

  s.disconnect(s.a, s.b);
  s.tick(std::chrono::seconds(101));
  CHECK(s.b.routes.member("n", "red"));
  s.a.routes.set_member("n", "red", false);
  s.a.routes.set_member("n", "blue", true);
  s.connect(s.a, s.b);
  s.settle();
  CHECK_FALSE(s.b.routes.member("n", "red"));
  CHECK(s.b.routes.member("n", "blue"));
  CHECK(s.b.members.size() == 6);
}

TEST_CASE("peer routes: who reads slowly gets the newest state alone", "[peers]") {
  Site s;
  s.connect_both();
  s.b.reads = false;
  const auto before = s.b.events;
  for (std::uint32_t label = 100; label < 200; ++label) {
    s.a.announce(s.n, via("192.0.2.1", label));
    s.settle();
  }
  CHECK(s.b.coming.size() == 3);  // one is the mark that all of blue was told
  s.b.reads = true;
  s.settle();
  CHECK(s.b.events - before == 4);
  CHECK(s.b.best()->next_hops.front().label == 199);
}

TEST_CASE("peer routes: what is wrong with an item is named, and the rest is taken", "[peers]") {
  Site s;
  s.connect_both();
  const auto entry = channel::entry_element({.nlri = vm, .attributes = via("192.0.2.1")});
  const auto error_of = [&](const std::string& id, std::optional<xmpp::Element> payload) {
    xmpp::pubsub::Event event{.node = std::string(channel::peer_routes_node)};
    event.items.push_back({.id = id, .payload = std::move(payload)});
    event.items.push_back({.id = "o/1/1/blue/10.1.0.11/32", .payload = entry});
    const auto heard = s.b.routes.hear(0, event);
    CHECK(s.b.hops() == Texts{"192.0.2.1"});
    return heard ? "" : heard.error().message;
  };
  CHECK(error_of("n/1/1/blue/10.1.0.11/32", entry).empty());
  CHECK_THAT(error_of("1/1/blue/10.1.0.11", entry), Catch::Contains("was wanted"));
  CHECK_THAT(error_of("no-slash", entry), Catch::Contains("NODE/AFI/SAFI/NETWORK/PREFIX"));
  CHECK_THAT(error_of("n/1/1/blue/10.1.0.12/32", entry), Catch::Contains("about 10.1.0.11/32"));
  CHECK_THAT(error_of("n/1/1/blue/10.1.0.11/32", {}), Catch::Contains("without an entry"));
}

}  // namespace weft::peer_routes_test
