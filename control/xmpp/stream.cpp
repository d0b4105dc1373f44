#include "xmpp/stream.hpp"

#include <algorithm>
#include <random>

#include "xmpp/base64.hpp"
#include "xmpp/namespaces.hpp"
#include "xmpp/stanza.hpp"

namespace weft::xmpp {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds linger{1'000};

std::string random_name() {
  std::random_device source;
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (int i = 0; i < 4; ++i) {
    for (auto word = source(), nibble = 0U; nibble < 8; ++nibble, word >>= 4) {
      out += digits[word & 15];
    }
  }
  return out;
}

/// Closes the connection when its time is over, and knows that it did.
class Deadline {
 public:
  Deadline(Connection& connection, milliseconds time)
      : timer_(connection.executor(), time), watched_(std::make_shared<Watched>()) {
    watched_->connection = &connection;
    timer_.async_wait([watched = watched_](const error_code& error) {
      if (error || watched->connection == nullptr) return;
      watched->expired = true;
      watched->connection->close();
    });
  }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  ~Deadline() { watched_->connection = nullptr; }
  [[nodiscard]] bool expired() const { return watched_->expired; }

 private:
  struct Watched {
    Connection* connection = nullptr;
    bool expired = false;
  };
  asio::steady_timer timer_;
  std::shared_ptr<Watched> watched_;
};

/// What both ends do. Each step is a coroutine that ends with an Error when the peer does not play
/// along.
class Negotiation {
 public:
  explicit Negotiation(Connection& connection) : connection_(connection) {}

  [[nodiscard]] const std::string& step() const { return step_; }

 protected:
  /// An Error, and what the peer is told before the connection closes.
  Error refuse(const std::string& condition, const std::string& text) {
    refusal_ = StreamError{condition, text};
    return Error{text};
  }

  asio::awaitable<Result<StreamHeader>> read_header() {
    step_ = "the peer's stream header";
    auto event = co_await connection_.read();
    if (!event) co_return event.error();
    auto* header = std::get_if<StreamHeader>(&event.value());
    if (header == nullptr) co_return refuse("bad-format", "the peer did not open a stream");
    const auto& version = header->version;
    if (version.empty() || version[0] < '1' || version[0] > '9') {
      co_return refuse("unsupported-version", "the peer speaks version \"" + printable(version) +
                                                  "\" of XMPP, wanted 1.0");
    }
    co_return std::move(*header);
  }

  asio::awaitable<Result<Element>> read_element(std::string_view what) {
    step_ = what;
    auto event = co_await connection_.read();
    if (!event) co_return event.error();
    auto* element = std::get_if<Element>(&event.value());
    if (element == nullptr) co_return Error{"the peer closed the stream instead of " + step_};
    if ((element->xmlns == ns::streams && element->name == "error") || element->name == "failure") {
      co_return Error{describe_failure(*element)};
    }
    co_return std::move(*element);
  }

  // g++ 12 destroys twice what is made inside some expressions with co_await, so texts have names.
  asio::awaitable<Status> write(const Element& element) {
    const std::string text = to_text(element);
    co_return co_await connection_.write(text);
  }

  asio::awaitable<Status> handshake(Connection::End end) {
    step_ = "the TLS handshake";
    auto restarted = connection_.restart(stranger_limits);
    if (!restarted) co_return restarted;
    co_return co_await connection_.handshake(end);
  }

  Connection& connection_;
  std::string step_;
  std::optional<StreamError> refusal_;
};

class ClientNegotiation : public Negotiation {
 public:
  ClientNegotiation(Connection& connection, const ClientTerms& terms)
      : Negotiation(connection), terms_(terms) {}

  /// The JID that the server bound.
  asio::awaitable<Result<Jid>> run() {
    step_ = "the connection";
    if (auto done = co_await connection_.connect(terms_.server); !done) co_return done.error();
    if (auto done = co_await start_tls(); !done) co_return done.error();
    if (auto done = co_await authenticate(); !done) co_return done.error();
    co_return co_await bind();
  }

 private:
  asio::awaitable<Result<Element>> open(bool say_who) {
    const std::string header = to_text(StreamHeader{.from = say_who ? terms_.self.bare().str() : "",
                                                    .to = terms_.peer.domain,
                                                    .version = "1.0"});
    if (auto sent = co_await connection_.write(header); !sent) co_return sent.error();
    if (auto answer = co_await read_header(); !answer) co_return answer.error();
    auto features = co_await read_element("the server's features");
    if (features && (features->name != "features" || features->xmlns != ns::streams)) {
      co_return refuse("bad-format", "the server sent no features");
    }
    co_return features;
  }

  asio::awaitable<Status> start_tls() {
    const auto features = co_await open(false);
    if (!features) co_return features.error();
    if (features->child("starttls", ns::tls) == nullptr) {
      co_return Error{"the server offers no STARTTLS"};
    }
    const Element start{.name = "starttls", .xmlns = std::string(ns::tls)};
    if (auto sent = co_await write(start); !sent) co_return sent;
    const auto proceed = co_await read_element("the server's leave to start TLS");
    if (!proceed) co_return proceed.error();
    if (proceed->name != "proceed" || proceed->xmlns != ns::tls) {
      co_return Error{"the server does not start TLS"};
    }
    if (auto done = co_await handshake(Connection::End::client); !done) co_return done;
    const auto& names = connection_.peer_addresses();
    if (std::ranges::find(names, terms_.peer.bare()) != names.end()) co_return ok();
    std::string list;
    for (const Jid& name : names) list += (list.empty() ? "" : ", ") + name.str();
    co_return Error{"the server's certificate names " + (list.empty() ? "nobody" : list) +
                    ", wanted " + terms_.peer.bare().str()};
  }

  asio::awaitable<Status> authenticate() {
    const auto features = co_await open(true);
    if (!features) co_return features.error();
    const Element* mechanisms = features->child("mechanisms", ns::sasl);
    if (mechanisms == nullptr || std::ranges::find(mechanisms->children, "EXTERNAL",
                                                   &Element::text) == mechanisms->children.end()) {
      co_return Error{"the server offers no SASL EXTERNAL: it does not know our certificate"};
    }
    Element auth{.name = "auth",
                 .xmlns = std::string(ns::sasl),
                 .text = base64_encode(terms_.self.bare().str())};
    auth.attributes.push_back({"mechanism", "EXTERNAL"});
    if (auto sent = co_await write(auth); !sent) co_return sent;
    const auto answer = co_await read_element("the server's word on our identity");
    if (!answer) co_return answer.error();
    if (answer->name != "success" || answer->xmlns != ns::sasl) {
      co_return Error{"the server answers SASL EXTERNAL with <" + answer->name + ">"};
    }
    co_return connection_.restart(terms_.session_limits);
  }

  asio::awaitable<Result<Jid>> bind() {
    const auto features = co_await open(true);
    if (!features) co_return features.error();
    if (features->child("bind", ns::bind) == nullptr) {
      co_return Error{"the server lets nobody bind a resource"};
    }
    Element request{.name = "bind", .xmlns = std::string(ns::bind)};
    if (!terms_.self.resource.empty()) {
      request.add({.name = "resource", .text = terms_.self.resource});
    }
    Element wanted = iq("set", std::move(request));
    wanted.attributes.push_back({"id", "bind"});
    if (auto sent = co_await write(wanted); !sent) co_return sent.error();
    const auto answer = co_await read_element("the server to bind our resource");
    if (!answer) co_return answer.error();
    if (answer->attribute("type") == "error") {
      co_return Error{"the server binds no resource: " + describe_error(*answer)};
    }
    const Element* bound = answer->child("bind", ns::bind);
    const Element* jid = bound == nullptr ? nullptr : bound->child("jid");
    if (jid == nullptr) co_return Error{"the server did not say which resource it bound"};
    auto parsed = Jid::parse(jid->text);
    if (!parsed) co_return parsed.error();
    if (parsed->bare() != terms_.self.bare()) {
      co_return Error{"the server takes us for " + parsed->str()};
    }
    co_return parsed;
  }

  const ClientTerms& terms_;
};

class ServerNegotiation : public Negotiation {
 public:
  ServerNegotiation(Connection& connection, const ServerTerms& terms)
      : Negotiation(connection), terms_(terms) {}

  /// The client's full JID.
  asio::awaitable<Result<Jid>> run() {
    if (auto done = co_await start_tls(); !done) co_return done.error();
    auto who = co_await authenticate();
    if (!who) co_return who.error();
    co_return co_await bind(std::move(who).value());
  }

  /// Tells a peer that is still there why it is refused.
  asio::awaitable<void> take_leave() {
    if (connection_.breach()) refusal_ = connection_.breach();
    std::string text;
    if (refusal_) {
      if (!opened_) text += to_text(header());
      text += failure_;
      text += to_text(*refusal_);
      text += stream_end;
    }
    const Deadline deadline(connection_, linger);
    if (!text.empty()) (void)co_await connection_.write(text);
    connection_.finish_sending();
    co_await connection_.drain();
  }

 private:
  [[nodiscard]] StreamHeader header() const {
    return {.from = terms_.self.domain, .id = random_name(), .version = "1.0"};
  }

  /// Answers the client's header with ours and what we offer.
  asio::awaitable<Status> open(Element offer) {
    opened_ = false;
    const auto theirs = co_await read_header();
    if (!theirs) co_return theirs.error();
    opened_ = true;
    Element features{.name = "features", .xmlns = std::string(ns::streams)};
    features.add(std::move(offer));
    const auto to = Jid::parse(theirs->to);
    const bool ours = to && to->domain == terms_.self.domain;
    std::string text = to_text(header());
    if (ours) text += to_text(features);
    if (auto sent = co_await connection_.write(text); !sent) co_return sent;
    if (!ours) {
      co_return refuse("host-unknown", "the peer wants \"" + printable(theirs->to) +
                                           "\", here is " + terms_.self.domain);
    }
    co_return ok();
  }

  asio::awaitable<Status> start_tls() {
    Element offer{.name = "starttls", .xmlns = std::string(ns::tls)};
    offer.add({.name = "required"});
    if (auto opened = co_await open(std::move(offer)); !opened) co_return opened;
    const auto request = co_await read_element("the client to start TLS");
    if (!request) co_return request.error();
    if (request->name != "starttls" || request->xmlns != ns::tls) {
      co_return refuse("policy-violation", "the peer does not start TLS");
    }
    const Element proceed{.name = "proceed", .xmlns = std::string(ns::tls)};
    if (auto sent = co_await write(proceed); !sent) co_return sent;
    opened_ = false;
    co_return co_await handshake(Connection::End::server);
  }

  asio::awaitable<Result<Jid>> authenticate() {
    Element offer{.name = "mechanisms", .xmlns = std::string(ns::sasl)};
    offer.add({.name = "mechanism", .text = "EXTERNAL"});
    if (auto opened = co_await open(std::move(offer)); !opened) co_return opened.error();
    auto request = co_await read_element("the client to say who it is");
    if (!request) co_return request.error();
    if (request->name != "auth" || request->xmlns != ns::sasl) {
      co_return refuse("not-authorized", "the peer does not say who it is");
    }
    if (request->attribute("mechanism") != "EXTERNAL") {
      co_return fail("invalid-mechanism", "the peer wants another mechanism than EXTERNAL");
    }
    if (request->text.empty()) {  // RFC 6120 §6.4.2: it has no initial response, so it is asked
      const Element challenge{.name = "challenge", .xmlns = std::string(ns::sasl)};
      if (auto sent = co_await write(challenge); !sent) co_return sent.error();
      request = co_await read_element("the client's response");
      if (!request) co_return request.error();
      if (request->name != "response") co_return fail("aborted", "the peer gave up");
    }
    const auto claim =
        request->text == "=" ? std::optional<std::string>("") : base64_decode(request->text);
    if (!claim) co_return fail("incorrect-encoding", "the peer's name is no base64");
    auto who = identify(*claim);
    if (!who) co_return fail("invalid-authzid", who.error().message);
    if (terms_.authorize) {
      const auto allowed = terms_.authorize(*who);
      if (!allowed) co_return fail("not-authorized", allowed.error().message);
    }
    const Element success{.name = "success", .xmlns = std::string(ns::sasl)};
    if (auto sent = co_await write(success); !sent) co_return sent.error();
    if (auto restarted = connection_.restart(terms_.session_limits); !restarted) {
      co_return restarted.error();
    }
    co_return who;
  }

  /// One of the names that the certificate proves: the one that is claimed, or the first of our
  /// domain.
  [[nodiscard]] Result<Jid> identify(const std::string& claim) const {
    const auto& names = connection_.peer_addresses();
    const auto found = std::ranges::find_if(names, [&](const Jid& name) {
      return claim.empty() ? name.domain == terms_.self.domain : name.str() == claim;
    });
    if (found == names.end()) {
      return Error{claim.empty() ? "the peer's certificate names nobody of " + terms_.self.domain
                                 : "the peer's certificate does not name " + printable(claim)};
    }
    if (found->domain != terms_.self.domain) {
      return Error{found->str() + " is not of " + terms_.self.domain};
    }
    return *found;
  }

  /// The same as refuse, where SASL has words of its own for it (RFC 6120 §6.5).
  Error fail(const std::string& condition, const std::string& text) {
    Element failure{.name = "failure", .xmlns = std::string(ns::sasl)};
    failure.add({.name = condition});
    failure.add({.name = "text", .text = text});
    failure_ = to_text(failure);
    return refuse("not-authorized", text);
  }

  asio::awaitable<Result<Jid>> bind(Jid who) {
    Element offer{.name = "bind", .xmlns = std::string(ns::bind)};
    if (auto opened = co_await open(std::move(offer)); !opened) co_return opened.error();
    const auto request = co_await read_element("the client to bind a resource");
    if (!request) co_return request.error();
    const Element* bind = request->child("bind", ns::bind);
    if (!is_request(*request) || bind == nullptr) {
      co_return refuse("not-authorized", "the peer sends stanzas before it binds a resource");
    }
    const Element* resource = bind->child("resource");
    const std::string name =
        resource == nullptr || resource->text.empty() ? random_name() : resource->text;
    auto full = Jid::parse(who.str() + "/" + name);
    if (!full) co_return refuse("bad-format", full.error().message);
    Element bound{.name = "bind", .xmlns = std::string(ns::bind)};
    bound.add({.name = "jid", .text = full->str()});
    const Element answer = result_of(*request, std::move(bound));
    if (auto sent = co_await write(answer); !sent) co_return sent.error();
    co_return full;
  }

  const ServerTerms& terms_;
  bool opened_ = false;
  std::string failure_;
};

std::string timed_out(milliseconds time, const std::string& step) {
  return "no session within " + std::to_string(time.count()) + " ms, waiting for " + step;
}

}  // namespace

std::string describe_failure(const Element& element) {
  std::string condition = "undefined-condition";
  std::string text;
  for (const Element& child : element.children) {
    if (child.name == "text") {
      text = child.text;
    } else if (child.xmlns == ns::stream_errors || child.xmlns == ns::sasl) {
      condition = child.name;
    }
  }
  return "the peer says " + condition + (text.empty() ? "" : ": " + printable(text));
}

asio::awaitable<Result<Established>> negotiate(std::unique_ptr<Connection>& connection,
                                               const ClientTerms& terms) {
  const Deadline deadline(*connection, terms.timeout);
  ClientNegotiation negotiation(*connection, terms);
  auto bound = co_await negotiation.run();
  if (deadline.expired()) co_return Error{timed_out(terms.timeout, negotiation.step())};
  if (!bound) co_return bound.error();
  co_return Established{std::move(connection), std::move(bound).value(), terms.peer, false};
}

asio::awaitable<Result<Established>> negotiate(std::unique_ptr<Connection>& connection,
                                               const ServerTerms& terms) {
  const Deadline deadline(*connection, terms.timeout);
  ServerNegotiation negotiation(*connection, terms);
  auto bound = co_await negotiation.run();
  if (deadline.expired()) co_return Error{timed_out(terms.timeout, negotiation.step())};
  if (!bound) {
    co_await negotiation.take_leave();
    co_return bound.error();
  }
  co_return Established{std::move(connection), terms.self, std::move(bound).value(), true};
}

}  // namespace weft::xmpp
