#include "xmpp/client.hpp"

#include <algorithm>
#include <random>

#include "xmpp/stream.hpp"

namespace weft::xmpp {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// What the handle and the coroutine share, which may outlive it by a turn of the loop.
struct ClientCore {
  ClientCore(asio::io_context& io, ClientOptions the_options, asio::ip::address the_address)
      : options(std::move(the_options)), address(std::move(the_address)), pause(io) {}

  void enter(ClientState next) {
    state = next;
    since = steady_clock::now();
  }

  ClientOptions options;
  asio::ip::address address;
  Client::OnSession on_session;
  Client::OnDown on_down;
  asio::steady_timer pause;                ///< cancelled when what is waited for has come
  std::unique_ptr<Connection> connection;  ///< while it is negotiated
  std::shared_ptr<Session> session;        ///< while it is up
  bool abandoned = false;                  ///< the handle is gone
  bool stopping = false;
  bool hurried = false;  ///< the pause before the next try is over
  ClientState state = ClientState::connecting;
  std::string cause;
  steady_clock::time_point since = steady_clock::now();
  std::uint64_t sessions = 0;
  std::minstd_rand random{std::random_device{}()};
};

using SharedClient = std::shared_ptr<ClientCore>;

asio::awaitable<void> wait_until(ClientCore& state, steady_clock::time_point time) {
  state.pause.expires_at(time);
  error_code woken;
  co_await state.pause.async_wait(to(woken));
}

/// A session, from its start to its end; the cause of that.
asio::awaitable<std::string> live(SharedClient state, Established stream) {
  const auto session =
      Session::start(std::move(stream), state->options.session, [weak = std::weak_ptr(state)] {
        if (const auto still = weak.lock()) {
          still->session.reset();
          still->pause.cancel();
        }
      });
  state->session = session;
  ++state->sessions;
  state->enter(ClientState::up);
  state->on_session(session);
  while (state->session) co_await wait_until(*state, steady_clock::time_point::max());
  co_return session->cause();
}

asio::awaitable<std::string> attempt(SharedClient state) {
  state->enter(ClientState::connecting);
  const ClientOptions& options = state->options;
  state->connection = std::make_unique<Connection>(Tcp::socket(state->pause.get_executor()),
                                                   options.tls, stranger_limits);
  const ClientTerms terms{.server = {state->address, options.port},
                          .self = options.self,
                          .peer = options.peer,
                          .timeout = options.negotiation_timeout,
                          .session_limits = options.session.reader};
  auto stream = co_await negotiate(state->connection, terms);
  state->connection.reset();
  if (!stream) co_return stream.error().message;
  if (state->stopping) co_return "stopped";
  co_return co_await live(state, std::move(stream).value());
}

milliseconds shortened(ClientCore& state, milliseconds wait) {
  return wait -
         milliseconds(std::uniform_int_distribution<long>(0, wait.count() / 4)(state.random));
}

asio::awaitable<void> run(SharedClient state) {
  const Backoff& backoff = state->options.backoff;
  milliseconds wait = backoff.first;
  while (!state->stopping) {
    const auto sessions_before = state->sessions;
    std::string cause = co_await attempt(state);
    if (state->abandoned) co_return;
    const bool was_up = state->sessions != sessions_before;
    if (was_up && steady_clock::now() - state->since >= backoff.stable) wait = backoff.first;
    if (!state->stopping) state->cause = std::move(cause);
    if (state->stopping) break;
    state->enter(ClientState::waiting);
    state->on_down(state->cause);
    const auto until = steady_clock::now() + shortened(*state, wait);
    state->hurried = false;
    while (!state->stopping && !state->hurried && steady_clock::now() < until) {
      co_await wait_until(*state, until);
    }
    wait = std::min(wait * 2, backoff.most);
  }
  if (state->abandoned) co_return;
  state->enter(ClientState::stopped);
  state->on_down(state->cause);
}

class Keeper final : public Client {
 public:
  explicit Keeper(SharedClient state) : state_(std::move(state)) {}
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;
  ~Keeper() override {
    state_->abandoned = true;
    halt();
    if (state_->session) state_->session->abandon();
    state_->session.reset();
  }

  void stop(const std::string& cause) override {
    if (state_->stopping) return;
    state_->cause = cause;
    halt();
    if (state_->session) state_->session->close(cause);
  }

  Status use(std::shared_ptr<TlsContext> tls) override {
    auto named = tls->names(state_->options.self.bare());
    if (!named) return named;
    state_->options.tls = std::move(tls);
    state_->hurried = true;
    if (state_->state == ClientState::waiting) state_->pause.cancel();
    return named;
  }
  [[nodiscard]] ClientState state() const override { return state_->state; }
  [[nodiscard]] const std::string& cause() const override { return state_->cause; }
  [[nodiscard]] steady_clock::time_point since() const override { return state_->since; }
  [[nodiscard]] std::uint64_t sessions() const override { return state_->sessions; }
  [[nodiscard]] std::shared_ptr<Session> session() const override { return state_->session; }
  [[nodiscard]] const ClientOptions& options() const override { return state_->options; }

 private:
  void halt() {
    state_->stopping = true;
    if (state_->connection) state_->connection->close();
    state_->pause.cancel();
  }

  SharedClient state_;
};

}  // namespace

Result<std::unique_ptr<Client>> Client::start(asio::io_context& io, ClientOptions options,
                                              OnSession on_session, OnDown on_down) {
  error_code error;
  const auto address = asio::ip::make_address(options.address, error);
  if (error) return Error{"\"" + options.address + "\" is no IP address"};
  if (const auto named = options.tls->names(options.self.bare()); !named) return named.error();
  const auto state = std::make_shared<ClientCore>(io, std::move(options), address);
  state->on_session = std::move(on_session);
  state->on_down = std::move(on_down);
  asio::co_spawn(
      io, [state] { return run(state); }, asio::detached);
  return Result<std::unique_ptr<Client>>(std::make_unique<Keeper>(state));
}

}  // namespace weft::xmpp
