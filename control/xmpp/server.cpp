#include "xmpp/server.hpp"

#include <list>
#include <map>

#include "xmpp/stream.hpp"

namespace weft::xmpp {

namespace {

using std::chrono::milliseconds;

struct Negotiating {
  Connection* connection;
  bool gave_way = false;
};

/// What the handle and the coroutines share, which may outlive it by a turn of the loop.
struct ServerCore {
  ServerCore(asio::io_context& io, ServerOptions the_options, Server::Handlers the_handlers)
      : options(std::move(the_options)), handlers(std::move(the_handlers)), acceptor(io) {}

  void refused(const std::string& remote_address, const std::string& cause) {
    ++counters.refused;
    if (!abandoned && handlers.on_refused) handlers.on_refused(remote_address, cause);
  }

  ServerOptions options;
  Server::Handlers handlers;
  Tcp::acceptor acceptor;
  bool stopping = false;
  bool abandoned = false;                            ///< the handle is gone
  std::list<Negotiating> negotiating;                ///< the oldest first
  std::map<Jid, std::shared_ptr<Session>> sessions;  ///< by the client's full JID
  ServerCounters counters;
};

using SharedServer = std::shared_ptr<ServerCore>;

void forget(const std::weak_ptr<ServerCore>& weak, const Session* session) {
  const auto state = weak.lock();
  if (!state) return;
  const auto found = state->sessions.find(session->peer());
  if (found != state->sessions.end() && found->second.get() == session) {
    state->sessions.erase(found);
  }
}

/// A session of the same name ends, and has told so, before the new one begins.
asio::awaitable<void> make_way(SharedServer state, Jid peer, std::string remote_address) {
  const auto executor = state->acceptor.get_executor();
  while (true) {
    const auto found = state->sessions.find(peer);
    if (found == state->sessions.end()) co_return;
    found->second->evict(
        "a new session of " + peer.str() + " from " + remote_address + " takes its place",
        "conflict");
    co_await asio::post(executor, asio::use_awaitable);
  }
}

asio::awaitable<void> begin_session(SharedServer state, Established stream) {
  const Jid peer = stream.peer;
  co_await make_way(state, peer, stream.connection->remote_address());
  if (state->stopping) co_return stream.connection->close();
  const auto self = std::make_shared<std::weak_ptr<Session>>();
  const auto session = Session::start(std::move(stream), state->options.session,
                                      [weak = std::weak_ptr(state), self] {
                                        if (const auto ended = self->lock())
                                          forget(weak, ended.get());
                                      });
  *self = session;
  if (state->sessions.size() >= state->options.sessions) {
    ++state->counters.turned_away;
    const std::string cause =
        std::to_string(state->sessions.size()) + " sessions are open, which is all there may be";
    session->close(cause, "resource-constraint");
    co_return state->refused(session->remote_address(), cause);
  }
  state->sessions.emplace(peer, session);
  state->handlers.on_session(session);
}

asio::awaitable<void> serve(SharedServer state, Tcp::socket socket) {
  auto connection =
      std::make_unique<Connection>(std::move(socket), state->options.tls, stranger_limits);
  const auto place =
      state->negotiating.insert(state->negotiating.end(), Negotiating{connection.get()});
  const std::string remote_address = connection->remote_address();
  const ServerTerms terms{.self = state->options.self,
                          .authorize = state->handlers.authorize,
                          .timeout = state->options.negotiation_timeout,
                          .session_limits = state->options.session.reader};
  auto stream = co_await negotiate(connection, terms);
  const bool gave_way = place->gave_way;
  state->negotiating.erase(place);
  if (state->stopping) co_return;
  if (gave_way)
    co_return state->refused(remote_address, "too many connections that are no session");
  if (!stream) co_return state->refused(remote_address, stream.error().message);
  co_await begin_session(state, std::move(stream).value());
}

/// Who says nothing may keep nobody out: the oldest gives way, but for those whose certificate is
/// good already. They are about to have a session, or have been told so.
void make_room(ServerCore& state) {
  std::size_t all = state.negotiating.size() + 1;
  for (Negotiating& one : state.negotiating) {
    if (all <= state.options.negotiations) return;
    if (!one.gave_way && !one.connection->peer_addresses().empty()) continue;
    --all;
    if (one.gave_way) continue;
    one.gave_way = true;
    ++state.counters.turned_away;
    one.connection->close();
  }
}

asio::awaitable<void> accept_loop(SharedServer state) {
  const auto executor = state->acceptor.get_executor();
  while (!state->stopping) {
    error_code error;
    Tcp::socket socket(executor);
    co_await state->acceptor.async_accept(socket, to(error));
    if (state->stopping) co_return;
    if (error) {
      // Out of file descriptors, say: the connection stays in the backlog.
      asio::steady_timer pause(executor, milliseconds(100));
      co_await pause.async_wait(to(error));
      continue;
    }
    ++state->counters.accepted;
    make_room(*state);
    const auto shared_socket = std::make_shared<Tcp::socket>(std::move(socket));
    asio::co_spawn(
        executor, [state, shared_socket] { return serve(state, std::move(*shared_socket)); },
        asio::detached);
  }
}

class Listener final : public Server {
 public:
  explicit Listener(SharedServer state) : state_(std::move(state)) {}
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() override {
    state_->abandoned = true;
    halt();
    for (const auto& session : sessions()) session->abandon();
    state_->sessions.clear();
  }

  void stop(const std::string& cause) override {
    halt();
    for (const auto& session : sessions()) session->close(cause);
  }

  Status use(std::shared_ptr<TlsContext> tls) override {
    auto named = tls->names(state_->options.self.bare());
    if (named) state_->options.tls = std::move(tls);
    return named;
  }

  [[nodiscard]] std::uint16_t port() const override { return state_->options.port; }
  [[nodiscard]] std::vector<std::shared_ptr<Session>> sessions() const override {
    std::vector<std::shared_ptr<Session>> out;
    for (const auto& [peer, session] : state_->sessions) out.push_back(session);
    return out;
  }
  [[nodiscard]] const ServerCounters& counters() const override { return state_->counters; }

 private:
  void halt() {
    state_->stopping = true;
    error_code ignored;
    state_->acceptor.close(ignored);
    for (const Negotiating& one : state_->negotiating) one.connection->close();
  }

  SharedServer state_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::listen(asio::io_context& io, ServerOptions options,
                                               Handlers handlers) {
  const auto place = options.address + " port " + std::to_string(options.port);
  error_code error;
  const auto ip = asio::ip::make_address(options.address, error);
  if (error) return Error{"\"" + options.address + "\" is no IP address"};
  if (const auto named = options.tls->names(options.self.bare()); !named) return named.error();
  const Tcp::endpoint endpoint(ip, options.port);
  const auto state = std::make_shared<ServerCore>(io, std::move(options), std::move(handlers));
  auto& acceptor = state->acceptor;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) state->options.port = acceptor.local_endpoint(error).port();
  if (error) return Error{place + " cannot be listened on: " + error.message()};
  asio::co_spawn(
      io, [state] { return accept_loop(state); }, asio::detached);
  return Result<std::unique_ptr<Server>>(std::make_unique<Listener>(state));
}

}  // namespace weft::xmpp
