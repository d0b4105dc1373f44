#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "support/xmpp_rig.hpp"
#include "xmpp/namespaces.hpp"

namespace weft::xmpp::negotiation_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::Pki;
using test::Seen;
using test::XmppRig;

std::string load_error(const TlsFiles& files) {
  const auto loaded = TlsContext::load(files);
  return loaded ? "" : loaded.error().message;
}

std::shared_ptr<TlsContext> load(const TlsFiles& files) {
  auto loaded = TlsContext::load(files);
  if (!loaded) throw std::runtime_error(loaded.error().message);
  return std::move(loaded).value();
}

const std::string open_stream =
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
    "to='weft.local' version='1.0'>";

/// A peer without TLS that says what it likes.
class Raw {
 public:
  explicit Raw(XmppRig& rig) : rig_(rig), socket_(rig.io) {
    socket_.connect({asio::ip::make_address("127.0.0.1"), rig.server->port()});
  }
  void say(const std::string& text) { asio::write(socket_, asio::buffer(text)); }
  /// What comes, until that is among it or the server closes.
  std::string hear(const std::string& wanted = "no such text") {
    return rig_.wait(read(socket_, wanted));
  }
  bool hears(const std::string& wanted) { return hear(wanted).find(wanted) != std::string::npos; }
  Tcp::socket& socket() { return socket_; }

 private:
  static asio::awaitable<std::string> read(Tcp::socket& socket, std::string wanted) {
    std::string heard;
    error_code error;
    std::array<char, 4096> chunk;
    while (!error && heard.find(wanted) == std::string::npos) {
      const auto got = co_await socket.async_read_some(asio::buffer(chunk), to(error));
      heard.append(chunk.data(), got);
    }
    co_return heard;
  }

  XmppRig& rig_;
  Tcp::socket socket_;
};

/// Why a client's first try fails.
std::string client_fails(XmppRig& rig, const ClientOptions& options) {
  Seen seen;
  const auto client = rig.start(options, seen);
  if (!rig.run_until([&] { return !seen.downs.empty() || seen.sessions > 0; })) return "nothing";
  return seen.downs.empty() ? "a session" : seen.downs[0];
}

}  // namespace

TEST_CASE("xmpp certificates: what is wrong with the files is told") {
  Pki pki;
  const TlsFiles good = pki.issue("good", {.address = "a@weft.local"});
  CHECK(load_error(good).empty());
  CHECK(load(good)->addresses() == std::vector<Jid>{{"a", "weft.local", ""}});
  CHECK(load(good)->expires() > std::chrono::system_clock::now() + std::chrono::minutes(50));

  TlsFiles files = good;
  files.ca = pki.path("missing.pem");
  CHECK(load_error(files) ==
        "the CA's certificate " + files.ca + " cannot be read: No such file or directory");
  files = good;
  files.cert = pki.path("empty.pem");
  std::ofstream(files.cert).flush();
  CHECK(load_error(files) == "the certificate " + files.cert + " cannot be read: it is empty");
  files.cert = good.key;
  CHECK(load_error(files).starts_with("the certificate " + files.cert +
                                      " is no certificate in PEM: "));
  files = good;
  files.ca = good.key;
  CHECK(load_error(files).starts_with("the CA's certificate " + files.ca +
                                      " is no certificate in PEM: "));
  files = good;
  files.key = good.cert;
  CHECK(load_error(files).starts_with("the private key " + files.key + " is no key in PEM"));
  files = good;
  files.key = pki.issue("other", {.address = "b@weft.local"}).key;
  CHECK(load_error(files) ==
        "the private key " + files.key + " does not belong to the certificate " + good.cert);
  const auto expired = pki.issue("old", {.address = "a@weft.local", .until_s = -60});
  const auto error = load_error(expired);
  CHECK(error.starts_with("the certificate " + expired.cert + " is expired since 20"));
  CHECK(error.ends_with(" UTC: issue a new one"));
  const auto early = pki.issue("early", {.address = "a@weft.local", .from_s = 600});
  CHECK(load_error(early).starts_with("the certificate " + early.cert + " is not valid before 20"));
  const auto nameless = pki.issue("nameless", {});
  CHECK(load_error(nameless) ==
        "the certificate " + nameless.cert +
            " names no XMPP address (id-on-xmppAddr in its subjectAltName)");
}

TEST_CASE("xmpp certificates: both ends say why they refuse the other") {
  XmppRig rig;
  Pki stranger("another CA");
  auto options = rig.client_options();
  SECTION("the client is from an unknown CA") {
    auto files = stranger.issue("a", {.address = "compute-a@weft.local"});
    files.ca = rig.pki.path("ca.pem");
    options.tls = load(files);
    CHECK(client_fails(rig, options) == "the peer refuses: unknown CA");
    REQUIRE(rig.run_until([&] { return !rig.refusals.empty(); }));
    CHECK(rig.refusals[0] ==
          "TLS: the peer's certificate (CN = a) is from a CA that is unknown here: "
          "CN = another CA");
  }
  SECTION("the server is from an unknown CA") {
    auto files = rig.pki.issue("a", {.address = "compute-a@weft.local"});
    stranger.issue("a", {});
    files.ca = stranger.path("ca.pem");
    options.tls = load(files);
    CHECK(client_fails(rig, options) ==
          "TLS: the peer's certificate (CN = network-control@weft.local) is from a CA that is "
          "unknown here: CN = Weft test CA");
    REQUIRE(rig.run_until([&] { return !rig.refusals.empty(); }));
    CHECK(rig.refusals[0] == "TLS: the peer refuses: unknown CA");
  }
  SECTION("the client's certificate has expired since it was loaded") {
    options.tls = load(rig.pki.issue("a", {.address = "compute-a@weft.local", .until_s = 1}));
    rig.run_until([&] {
      return std::chrono::system_clock::now() > options.tls->expires() + std::chrono::seconds(1);
    });
    CHECK(client_fails(rig, options) == "the peer refuses: certificate expired");
    REQUIRE(rig.run_until([&] { return !rig.refusals.empty(); }));
    CHECK(rig.refusals[0].starts_with("TLS: the peer's certificate (CN = a) is expired since 20"));
  }
  SECTION("the client's certificate is not made for clients") {
    options.tls =
        load(rig.pki.issue("a", {.address = "compute-a@weft.local", .usage = "serverAuth"}));
    CHECK(client_fails(rig, options) == "the peer refuses: unsupported certificate");
    REQUIRE(rig.run_until([&] { return !rig.refusals.empty(); }));
    CHECK(rig.refusals[0] ==
          "TLS: the peer's certificate (CN = a) is not made for this end of a "
          "connection (extended key usage)");
  }
  SECTION("the server is somebody else") {
    options.peer = {"other", "weft.local", ""};
    CHECK(client_fails(rig, options) ==
          "the server's certificate names network-control@weft.local, wanted other@weft.local");
  }
  CHECK(rig.there.sessions == 0);
}

TEST_CASE("xmpp certificates: a server's that is not made for servers") {
  XmppRig rig([](ServerOptions&) {});
  rig.server.reset();
  rig.server_options.tls =
      load(rig.pki.issue("c", {.address = test::controller.bare().str(), .usage = "clientAuth"}));
  rig.listen();
  CHECK(client_fails(rig, rig.client_options()) ==
        "TLS: the peer's certificate (CN = c) is not made for this end of a connection (extended "
        "key usage)");
}

TEST_CASE("xmpp certificates: a client without one is refused") {
  XmppRig rig;
  Raw raw(rig);
  raw.say(open_stream);
  REQUIRE(raw.hears("<required/>"));
  raw.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
  REQUIRE(raw.hears("<proceed"));
  asio::ssl::context bare(asio::ssl::context::tls_client);
  asio::ssl::stream<Tcp::socket&> tls(raw.socket(), bare);
  std::optional<error_code> done;
  tls.async_handshake(asio::ssl::stream_base::client,
                      [&](const error_code& error) { done = error; });
  REQUIRE(rig.run_until([&] { return done.has_value(); }));
  raw.socket().close();
  REQUIRE(rig.run_until([&] { return !rig.refusals.empty(); }));
  CHECK(rig.refusals[0] == "TLS: the peer shows no certificate");
}

TEST_CASE("xmpp certificates: TLS 1.1 is too old") {
  XmppRig rig;
  Raw raw(rig);
  raw.say(open_stream);
  REQUIRE(raw.hears("<required/>"));
  raw.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
  REQUIRE(raw.hears("<proceed"));
  asio::ssl::context old(asio::ssl::context::tls_client);
  SSL_CTX_set_max_proto_version(old.native_handle(), TLS1_1_VERSION);
  SSL_CTX_set_cipher_list(old.native_handle(), "DEFAULT@SECLEVEL=0");
  asio::ssl::stream<Tcp::socket&> tls(raw.socket(), old);
  std::optional<error_code> done;
  tls.async_handshake(asio::ssl::stream_base::client,
                      [&](const error_code& error) { done = error; });
  REQUIRE(rig.run_until([&] { return done.has_value(); }));
  raw.socket().close();
  REQUIRE(rig.run_until([&] { return !rig.refusals.empty(); }));
  CHECK(rig.refusals[0] == "TLS: unsupported protocol");
}

TEST_CASE("xmpp negotiation: an identity is the certificate's") {
  XmppRig rig;
  SECTION("not another's") {
    const auto stream = rig.negotiate({"compute-b", "weft.local", "weftd"},
                                      rig.pki.context("compute-a@weft.local"));
    REQUIRE_FALSE(stream);
    CHECK(stream.error().message ==
          "the peer says invalid-authzid: the peer's certificate does "
          "not name compute-b@weft.local");
  }
  SECTION("of our domain") {
    const auto stream = rig.negotiate({"a", "other.local", "weftd"});
    REQUIRE_FALSE(stream);
    CHECK(stream.error().message ==
          "the peer says invalid-authzid: a@other.local is not of weft.local");
  }
  SECTION("and known here") {
    rig.server.reset();
    auto listening =
        Server::listen(rig.io, rig.server_options,
                       {.on_session = [&](const auto& session) { rig.there.watch(session); },
                        .authorize = [](const Jid& who) -> Status {
                          if (who.local == "compute-b") return ok();
                          return Error{"there is no node " + who.local};
                        }});
    REQUIRE(listening);
    rig.server = std::move(listening).value();
    const auto stream = rig.negotiate();
    REQUIRE_FALSE(stream);
    CHECK(stream.error().message == "the peer says not-authorized: there is no node compute-a");
    CHECK(rig.negotiate({"compute-b", "weft.local", "weftd"}));
  }
}

TEST_CASE("xmpp negotiation: our own certificate must name us") {
  XmppRig rig;
  auto options = rig.client_options();
  options.self.local = "compute-b";
  const auto client = Client::start(rig.io, options, {}, {});
  REQUIRE_FALSE(client);
  CHECK(client.error().message ==
        "our certificate names compute-a@weft.local, not compute-b@weft.local");
  auto server = rig.server_options;
  server.port = 0;
  server.tls = options.tls;
  CHECK_FALSE(Server::listen(rig.io, server, {}));
  CHECK_FALSE(rig.server->use(options.tls));
  options.address = "weft.local";
  CHECK_FALSE(Client::start(rig.io, options, {}, {}));
}

TEST_CASE("xmpp negotiation: peers that do not play along are told what is wrong") {
  XmppRig rig;
  Raw raw(rig);
  std::string condition;
  std::string cause;
  SECTION("no XML") {
    raw.say("GET / HTTP/1.1\r\n\r\n");
    condition = "not-well-formed";
    cause = "not-well-formed: syntax error at byte 0 of the stream";
  }
  SECTION("no stream") {
    raw.say("<iq xmlns='jabber:client'/>");
    condition = "invalid-namespace";
    cause = "invalid-namespace: the stream is in \"jabber:client\"";
  }
  SECTION("an XML bomb") {
    raw.say("<?xml version='1.0'?><!DOCTYPE s [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>");
    condition = "restricted-xml";
    cause = "restricted-xml: a document type declaration";
  }
  SECTION("an old version") {
    raw.say(
        "<stream:stream xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams' to='weft.local'>");
    condition = "unsupported-version";
    cause = "the peer speaks version \"\" of XMPP, wanted 1.0";
  }
  SECTION("another host") {
    raw.say(
        "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
        "to='other.local' version='1.0'>");
    condition = "host-unknown";
    cause = "the peer wants \"other.local\", here is weft.local";
  }
  SECTION("no TLS") {
    raw.say(open_stream +
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AA==</auth>");
    condition = "policy-violation";
    cause = "the peer does not start TLS";
  }
  SECTION("a stanza in clear that would be read behind TLS") {
    raw.say(open_stream +
            "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><iq type='set' id='1'/>");
    cause = "the peer went on in a stream that had come to its end";
  }
  SECTION("more than a stranger may say") {
    raw.say(open_stream + "<a xmlns='urn:x'>" + std::string(20'000, 'x'));
    condition = "policy-violation";
    cause = "policy-violation: text of more bytes than 4096";
  }
  SECTION("gone at once") {
    raw.socket().close();
    cause = "the connection ended";
  }
  if (raw.socket().is_open()) {
    const std::string heard = raw.hear();
    INFO(heard);
    CHECK((condition.empty() || heard.find("<" + condition + " xmlns='" +
                                           std::string(ns::stream_errors)) != heard.npos));
    CHECK(heard.ends_with(condition.empty() ? "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
                                            : "</stream:stream>"));
    CHECK(heard.starts_with("<?xml version='1.0'?><stream:stream "));
  }
  raw.socket().close();
  REQUIRE(rig.run_until([&] { return !rig.refusals.empty(); }));
  CHECK(rig.refusals[0] == cause);
  CHECK(rig.server->counters().refused == 1);
}

TEST_CASE("xmpp negotiation: a server that does not play along") {
  XmppRig rig;
  Tcp::acceptor acceptor(rig.io, {asio::ip::make_address("127.0.0.1"), 0});
  auto options = rig.client_options();
  options.port = acceptor.local_endpoint().port();
  options.negotiation_timeout = milliseconds(400);
  std::string says;
  std::string cause;
  SECTION("silent") { cause = "no session within 400 ms, waiting for the peer's stream header"; }
  SECTION("silent later") {
    says = open_stream;
    cause = "no session within 400 ms, waiting for the server's features";
  }
  SECTION("without TLS") {
    says = open_stream + "<stream:features/>";
    cause = "the server offers no STARTTLS";
  }
  SECTION("that refuses TLS") {
    says = open_stream +
           "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
           "</stream:features><failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    cause = "the peer says undefined-condition";
  }
  SECTION("that speaks no TLS") {
    says = open_stream +
           "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
           "</stream:features><proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    cause = "no session within 400 ms, waiting for the TLS handshake";
  }
  SECTION("that sends a stream error") {
    says = open_stream +
           "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
           "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>later\nplease</text>"
           "</stream:error></stream:stream>";
    cause = "the peer says system-shutdown: later please";
  }
  SECTION("that ends") {
    says = open_stream + "</stream:stream>";
    cause = "the peer closed the stream instead of the server's features";
  }
  Tcp::socket socket(rig.io);
  acceptor.async_accept(socket, [&](const error_code& error) {
    if (!error && !says.empty()) asio::write(socket, asio::buffer(says));
  });
  CHECK(client_fails(rig, options) == cause);
}

TEST_CASE("xmpp server: who says nothing is closed, and keeps nobody out") {
  XmppRig rig([](ServerOptions& options) {
    options.negotiation_timeout = milliseconds(200);
    options.negotiations = 2;
  });
  SECTION("in time") {
    Raw raw(rig);
    const auto before = steady_clock::now();
    CHECK(raw.hear().empty());
    CHECK(steady_clock::now() - before > milliseconds(150));
    REQUIRE(rig.run_until([&] { return !rig.refusals.empty(); }));
    CHECK(rig.refusals[0] == "no session within 200 ms, waiting for the peer's stream header");
  }
  SECTION("at once when others come") {
    std::vector<std::unique_ptr<Raw>> silent;
    for (int i = 0; i < 20; ++i) silent.push_back(std::make_unique<Raw>(rig));
    rig.meet();
    CHECK(rig.server->counters().accepted >= 21);
    CHECK(rig.server->counters().turned_away >= 19);
    CHECK(rig.refusals[0] == "too many connections that are no session");
  }
}

TEST_CASE("xmpp server: sessions are bounded") {
  XmppRig rig([](ServerOptions& options) { options.sessions = 1; });
  rig.meet();
  Seen other;
  auto options = rig.client_options({"compute-b", "weft.local", "weftd"});
  const auto client = rig.start(options, other);
  REQUIRE(rig.run_until([&] { return !other.downs.empty(); }));
  CHECK(other.downs[0] ==
        "the peer says resource-constraint: 1 sessions are open, which is all "
        "there may be");
  CHECK(rig.server->sessions().size() == 1);
  CHECK(rig.there.sessions == 1);
  // Who is there already may come again.
  rig.meet();
  CHECK(rig.there.sessions == 2);
}

TEST_CASE("xmpp server: a second session of a name takes over") {
  XmppRig rig;
  rig.meet();
  const auto first = std::move(rig.client);
  const auto old = rig.there.session;
  bool ended_before = false;
  old->on_end = [&](const std::string& cause) {
    rig.there.ends.push_back(cause);
    ended_before = rig.there.session == old;
  };
  Seen second;
  auto options = rig.client_options();
  const auto client = rig.start(options, second);
  REQUIRE(rig.run_until([&] { return rig.there.sessions == 2 && !rig.here.downs.empty(); }));
  CHECK(ended_before);
  REQUIRE(rig.there.ends.size() == 1);
  CHECK(
      rig.there.ends[0].starts_with("a new session of compute-a@weft.local/weftd from 127.0.0.1:"));
  CHECK(rig.here.downs[0].starts_with("the peer says conflict: a new session of"));
}

TEST_CASE("xmpp server: other resources of a name are other sessions") {
  XmppRig rig;
  rig.meet();
  const auto other = rig.negotiate({"compute-a", "weft.local", "other"});
  CHECK(other);
  const auto nameless = rig.negotiate({"compute-a", "weft.local", ""});
  REQUIRE(nameless);
  CHECK(nameless->self.resource.size() == 32);
  REQUIRE(rig.run_until([&] { return rig.there.sessions == 3; }));
  CHECK(rig.there.ends.empty());
}

TEST_CASE("xmpp server: an address that cannot be listened on") {
  XmppRig rig;
  auto options = rig.server_options;
  const auto taken = Server::listen(rig.io, options, {});
  REQUIRE_FALSE(taken);
  CHECK(taken.error().message == "127.0.0.1 port " + std::to_string(options.port) +
                                     " cannot be listened on: Address already in use");
  options.address = "weft.local";
  CHECK_FALSE(Server::listen(rig.io, options, {}));
}

TEST_CASE("xmpp client: comes back, and says why it was away") {
  XmppRig rig;
  rig.meet();
  CHECK(rig.client->state() == ClientState::up);
  CHECK(rig.client->cause().empty());
  rig.server.reset();
  REQUIRE(rig.run_until([&] { return rig.here.downs.size() >= 3; }));
  CHECK(rig.here.ends == std::vector<std::string>{"the connection ended"});
  CHECK(rig.here.downs[0] == "the connection ended");
  CHECK(rig.here.downs[1] == "Connection refused");
  CHECK(rig.client->cause() == "Connection refused");
  CHECK(rig.client->state() == ClientState::waiting);
  CHECK_FALSE(rig.client->session());
  rig.listen();
  REQUIRE(rig.run_until([&] { return rig.client->state() == ClientState::up; }));
  CHECK(rig.client->sessions() == 2);
  CHECK(rig.here.sessions == 2);
  rig.client->stop("that will do");
  REQUIRE(rig.run_until([&] { return rig.client->state() == ClientState::stopped; }));
  CHECK(rig.here.downs.back() == "that will do");
  CHECK(rig.here.ends.back() == "that will do");
  REQUIRE(rig.run_until([&] { return rig.server->sessions().empty(); }));
  CHECK(rig.there.ends.back() == "the peer closed the stream");
}

TEST_CASE("xmpp client: waits longer and longer, within bounds") {
  XmppRig rig;
  auto options = rig.client_options();
  rig.server.reset();
  std::vector<steady_clock::time_point> tries;
  auto client = Client::start(
      rig.io, options, [](const auto&) {},
      [&](const std::string&) { tries.push_back(steady_clock::now()); });
  REQUIRE(client);
  REQUIRE(rig.run_until([&] { return tries.size() == 6; }));
  // 20, 40, 80, 80, 80 ms, each up to a quarter less; a busy machine adds to it.
  constexpr std::array least{15, 30, 60, 60, 60};
  for (std::size_t i = 0; i < least.size(); ++i) {
    CHECK(tries[i + 1] - tries[i] >= milliseconds(least[i]));
  }
  CHECK(tries[5] - tries[0] < milliseconds(2000));
  (*client)->stop("enough");
  REQUIRE(rig.run_until([&] { return (*client)->state() == ClientState::stopped; }));
  CHECK(tries.size() == 7);
}

TEST_CASE("xmpp client: a renewed certificate is used from the next session on") {
  XmppRig rig;
  auto options = rig.client_options();
  rig.meet(options);
  CHECK(rig.client->use(rig.pki.context("compute-a@weft.local")));
  CHECK_FALSE(rig.client->use(rig.pki.context("compute-b@weft.local")));
  CHECK(rig.server->use(rig.pki.context("network-control@weft.local")));
  rig.there.session->close("again");
  REQUIRE(rig.run_until([&] { return rig.here.sessions == 2; }));
}

}  // namespace weft::xmpp::negotiation_test
