// A client or a small publish/subscribe server over control/xmpp, for tests with other
// implementations. Says what happens, a line each; a client takes commands from its input.
#include <CLI/CLI.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include "xmpp/client.hpp"
#include "xmpp/namespaces.hpp"
#include "xmpp/pubsub.hpp"
#include "xmpp/server.hpp"
#include "xmpp/stanza.hpp"

namespace {

using namespace weft;
using namespace weft::xmpp;
namespace asio = boost::asio;

template <class... Words>
void say(const Words&... words) {
  const char* between = "";
  ((std::cout << between << words, between = " "), ...);
  std::cout << '\n' << std::flush;
}

template <class T>
T value_or_exit(Result<T> result) {
  if (!result) {
    say("error", result.error().message);
    std::exit(1);
  }
  return std::move(result).value();
}

struct Options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 5269;
  std::string self;
  std::string peer;
  TlsFiles files;
  int hold_ms = 90'000;

  [[nodiscard]] SessionLimits session() const {
    return {.hold = std::chrono::milliseconds(hold_ms)};
  }
};

void tell_event(const Element& stanza) {
  const auto event = pubsub::parse_event(stanza);
  if (!event) return say("bad-event", event.error().message);
  for (const auto& item : event->items) {
    say("item", event->node, item.id, item.payload ? to_text(*item.payload) : "-");
  }
  for (const auto& id : event->retracted) say("retract", event->node, id);
  if (event->items.empty() && event->retracted.empty()) say("empty", event->node);
}

class ClientProbe {
 public:
  ClientProbe(asio::io_context& io, const Options& options) : io_(io), input_(io, ::dup(0)) {
    client_ = value_or_exit(Client::start(
        io,
        {.address = options.address,
         .port = options.port,
         .self = value_or_exit(Jid::parse(options.self)),
         .peer = value_or_exit(Jid::parse(options.peer)),
         .tls = value_or_exit(TlsContext::load(options.files)),
         .session = options.session()},
        [](const std::shared_ptr<Session>& session) {
          say("up", session->self().str());
          session->on_stanza = [](const Element& stanza) {
            if (!pubsub::is_event(stanza)) return false;
            tell_event(stanza);
            return true;
          };
        },
        [this](const std::string& cause) {
          say("down", cause);
          if (client_ && client_->state() == ClientState::stopped) io_.stop();
        }));
    read_commands();
  }

 private:
  void read_commands() {
    asio::async_read_until(input_, asio::dynamic_buffer(commands_), '\n',
                           [this](const boost::system::error_code& error, std::size_t size) {
                             if (error) return io_.stop();
                             run(commands_.substr(0, size - 1));
                             commands_.erase(0, size);
                             read_commands();
                           });
  }

  /// `VERB ADDRESSEE NODE ID TEXT`, as many as the verb needs.
  void run(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    std::string to;
    std::string node;
    std::string id;
    std::string text;
    words >> verb >> to >> node >> id >> text;
    if (verb == "stop") return client_->stop("stopped");
    if (!client_->session()) return say("error", verb, "there is no session");
    ask(verb, to, request_of(verb, node, id, text));
  }

  [[nodiscard]] Element request_of(const std::string& verb, const std::string& node,
                                   const std::string& id, const std::string& text) const {
    const std::string jid = client_->session()->self().str();
    if (verb == "subscribe") return pubsub::build(pubsub::Subscribe{node, jid});
    if (verb == "unsubscribe") return pubsub::build(pubsub::Unsubscribe{node, jid});
    if (verb == "retract") return pubsub::build(pubsub::Retract{node, {id}});
    if (verb == "publish") {
      const Element entry{.name = "entry", .xmlns = "urn:weft:test", .text = text};
      return pubsub::build(pubsub::Publish{node, {{id, entry}}});
    }
    if (verb == "ping") return iq("get", {.name = "ping", .xmlns = std::string(ns::ping)});
    return iq("get", {.name = verb, .xmlns = "urn:weft:unknown"});
  }

  void ask(const std::string& verb, const std::string& to, Element request) {
    if (!to.empty()) request.attributes.push_back({"to", to});
    client_->session()->request(std::move(request), [verb](const Result<Element>& answer) {
      if (answer) {
        say("done", verb);
      } else {
        say("error", verb, answer.error().message);
      }
    });
  }

  asio::io_context& io_;
  asio::posix::stream_descriptor input_;
  std::string commands_;
  std::unique_ptr<Client> client_;
};

/// Nodes come with their first item or subscriber, and everybody may do everything.
class ServerProbe {
 public:
  ServerProbe(asio::io_context& io, const Options& options) {
    server_ = value_or_exit(Server::listen(
        io,
        {.address = options.address,
         .port = options.port,
         .self = value_or_exit(Jid::parse(options.self)),
         .tls = value_or_exit(TlsContext::load(options.files)),
         .session = options.session()},
        {.on_session = [this](const std::shared_ptr<Session>& session) { serve(session); },
         .on_refused = [](const std::string&,
                          const std::string& cause) { say("refused", cause); }}));
    say("listening", server_->port());
  }

 private:
  void serve(const std::shared_ptr<Session>& session) {
    const std::string name = session->peer().str();
    say("up", name);
    session->on_stanza = [this, weak = std::weak_ptr(session)](const Element& stanza) {
      const auto from = weak.lock();
      if (!from || !pubsub::is_request(stanza)) return false;
      const auto request = pubsub::parse_request(stanza);
      from->send(request ? result_of(stanza)
                         : error_of(stanza, "bad-request", request.error().message));
      if (request) std::visit([&](const auto& wanted) { act(from, wanted); }, *request);
      return true;
    };
    session->on_end = [this, name, gone = session.get()](const std::string& cause) {
      say("end", name, cause);
      for (auto& [node, subscribers] : subscribers_) subscribers.erase(gone);
    };
  }

  void act(const std::shared_ptr<Session>& from, const pubsub::Subscribe& wanted) {
    subscribers_[wanted.node].insert(from.get());
    for (const auto& [id, payload] : items_[wanted.node]) {
      from->send(pubsub::build(pubsub::Event{wanted.node, {{id, payload}}}));
    }
    from->send(pubsub::build(pubsub::Event{std::string(pubsub::end_of_rib)}));
  }
  void act(const std::shared_ptr<Session>& from, const pubsub::Unsubscribe& wanted) {
    subscribers_[wanted.node].erase(from.get());
  }
  void act(const std::shared_ptr<Session>&, const pubsub::Publish& wanted) {
    for (const auto& item : wanted.items) items_[wanted.node][item.id] = item.payload;
    tell({.node = wanted.node, .items = wanted.items});
  }
  void act(const std::shared_ptr<Session>&, const pubsub::Retract& wanted) {
    for (const auto& id : wanted.ids) items_[wanted.node].erase(id);
    tell({.node = wanted.node, .retracted = wanted.ids});
  }
  void act(const std::shared_ptr<Session>&, const pubsub::Associate& wanted) {
    say("associate", wanted.collection, wanted.node);
  }
  void act(const std::shared_ptr<Session>&, const pubsub::Dissociate& wanted) {
    say("dissociate", wanted.collection, wanted.node);
  }

  void tell(const pubsub::Event& event) {
    const Text text = encode(pubsub::build(event));
    for (Session* subscriber : subscribers_[event.node]) subscriber->send(text);
  }

  std::unique_ptr<Server> server_;
  std::map<std::string, std::set<Session*>> subscribers_;
  std::map<std::string, std::map<std::string, std::optional<Element>>> items_;
};

}  // namespace

int main(int count, char** words) {
  CLI::App app("XMPP with other implementations");
  Options options;
  app.require_subcommand(1);
  auto* client = app.add_subcommand("client");
  auto* server = app.add_subcommand("server");
  for (auto* one : {client, server}) {
    one->add_option("--address", options.address);
    one->add_option("--port", options.port);
    one->add_option("--self", options.self)->required();
    one->add_option("--ca", options.files.ca)->required();
    one->add_option("--cert", options.files.cert)->required();
    one->add_option("--key", options.files.key)->required();
    one->add_option("--hold-ms", options.hold_ms);
  }
  client->add_option("--peer", options.peer)->required();
  CLI11_PARSE(app, count, words);

  asio::io_context io;
  if (*client) {
    const ClientProbe probe(io, options);
    io.run();
  } else {
    const ServerProbe probe(io, options);
    io.run();
  }
  return 0;
}
