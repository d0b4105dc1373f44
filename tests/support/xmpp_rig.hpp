#pragma once
/// A server and clients in one loop, with real sockets and TLS.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/pki.hpp"
#include "xmpp/client.hpp"
#include "xmpp/server.hpp"
#include "xmpp/stream.hpp"

namespace weft::test {

inline const xmpp::Jid controller{"network-control", "weft.local", "bgp-peer"};
inline const xmpp::Jid compute_a{"compute-a", "weft.local", "weftd"};

/// What one end of a session saw.
struct Seen {
  std::shared_ptr<xmpp::Session> session;
  std::vector<xmpp::Element> stanzas;
  std::vector<std::string> ends;  ///< causes
  std::vector<std::string> downs;
  int sessions = 0;

  void watch(const std::shared_ptr<xmpp::Session>& started) {
    session = started;
    ++sessions;
    started->on_stanza = [this](const xmpp::Element& stanza) {
      stanzas.push_back(stanza);
      return false;
    };
    started->on_end = [this](const std::string& cause) { ends.push_back(cause); };
  }
};

class XmppRig {
 public:
  explicit XmppRig(const std::function<void(xmpp::ServerOptions&)>& change = {}) {
    server_options.address = "127.0.0.1";
    server_options.port = 0;
    server_options.self = controller;
    server_options.tls = pki.context(controller.bare().str());
    if (change) change(server_options);
    listen();
  }

  void listen() {
    auto listening = xmpp::Server::listen(
        io, server_options,
        {.on_session = [this](const auto& session) { there.watch(session); },
         .on_refused = [this](const std::string&,
                              const std::string& cause) { refusals.push_back(cause); }});
    if (!listening) throw std::runtime_error(listening.error().message);
    server = std::move(listening).value();
    server_options.port = server->port();
  }

  [[nodiscard]] xmpp::ClientOptions client_options(const xmpp::Jid& self = compute_a) {
    return {.address = "127.0.0.1",
            .port = server->port(),
            .self = self,
            .peer = controller,
            .tls = pki.context(self.bare().str()),
            .backoff = {std::chrono::milliseconds(20), std::chrono::milliseconds(80),
                        std::chrono::milliseconds(10'000)}};
  }

  std::unique_ptr<xmpp::Client> start(const xmpp::ClientOptions& options, Seen& seen) {
    auto started = xmpp::Client::start(
        io, options, [&seen](const auto& session) { seen.watch(session); },
        [&seen](const std::string& cause) { seen.downs.push_back(cause); });
    if (!started) throw std::runtime_error(started.error().message);
    return std::move(started).value();
  }

  /// Connects `client` and waits until both ends have a session.
  void meet(const xmpp::ClientOptions& options) {
    client = start(options, here);
    const int before = there.sessions;
    if (!run_until([&] { return client->session() && there.sessions > before; })) {
      throw std::runtime_error("no session: " + (refusals.empty() ? "?" : refusals.back()));
    }
  }
  void meet() { meet(client_options()); }

  /// Turns the loop until it is so; false after some seconds.
  bool run_until(const std::function<bool()>& so,
                 std::chrono::milliseconds time = std::chrono::seconds(10)) {
    const auto deadline = std::chrono::steady_clock::now() + time;
    io.restart();
    while (!so()) {
      if (std::chrono::steady_clock::now() >= deadline) return false;
      io.run_one_for(std::chrono::milliseconds(20));
      io.restart();
    }
    return true;
  }

  /// What a coroutine comes to.
  template <class T>
  T wait(boost::asio::awaitable<T> work) {
    std::optional<T> result;
    bool over = false;
    const auto finish = [&]() -> boost::asio::awaitable<void> {
      result.emplace(co_await std::move(work));
    };
    boost::asio::co_spawn(io, finish, [&](const std::exception_ptr&) { over = true; });
    if (!run_until([&] { return over; }) || !result) throw std::runtime_error("no result");
    return *std::move(result);
  }

  /// A stream of ours that has no session around it: it reads and says what a test likes.
  Result<xmpp::Established> negotiate(const xmpp::Jid& self = compute_a,
                                      const std::shared_ptr<xmpp::TlsContext>& tls = {},
                                      const xmpp::Jid& peer = controller) {
    auto connection = std::make_unique<xmpp::Connection>(
        xmpp::Tcp::socket(io), tls ? tls : pki.context(self.bare().str()), xmpp::ReaderLimits{});
    const xmpp::ClientTerms terms{
        .server = {boost::asio::ip::make_address("127.0.0.1"), server->port()},
        .self = self,
        .peer = peer,
        .timeout = std::chrono::seconds(10),
        .session_limits = {}};
    return wait(xmpp::negotiate(connection, terms));
  }

  boost::asio::io_context io;
  Pki pki;
  xmpp::ServerOptions server_options;
  Seen here;
  Seen there;
  std::vector<std::string> refusals;
  std::unique_ptr<xmpp::Server> server;
  std::unique_ptr<xmpp::Client> client;
};

}  // namespace weft::test
