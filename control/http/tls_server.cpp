#include "http/tls_server.hpp"

#include <algorithm>
#include <chrono>
#include <list>

#include "http/session.hpp"
#include "http/tls_stream.hpp"
#include "tls/certificate.hpp"
#include "weft/host_port.hpp"

namespace weft::http {
namespace {

using std::chrono::seconds;

class TlsSession;

struct TlsState : State {
  TlsState(asio::io_context& io, TlsServer::Options the_options)
      : State(io, {}, the_options.limits), options(std::move(the_options)) {}
  TlsServer::Options options;
  std::list<TlsSession*> strangers;  ///< who has shown no certificate yet, the oldest first
};

std::string place_of(const Socket& socket) {
  error_code error;
  const auto endpoint = tcp_endpoint(socket.remote_endpoint(error));
  if (error) return "an unknown place";
  return host_port(endpoint.address().to_string(), endpoint.port());
}

class TlsSession : public Session {
 public:
  TlsSession(const std::shared_ptr<TlsState>& state, const std::shared_ptr<TlsStream>& stream)
      : Session(state, stream),
        server_(*state),
        stream_(*stream),
        place_(place_of(stream_.socket())),
        end_(stream_.executor()),
        stranger_(server_.strangers.insert(server_.strangers.end(), this)) {}
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  ~TlsSession() { known(); }

  /// Closes it for the sake of another.
  void make_room() {
    made_room_ = true;
    close();
  }

  asio::awaitable<void> run() {
    error_code ignored;
    stream_.socket().set_option(Tcp::no_delay(true), ignored);
    stream_.expires_after(seconds(server_.options.handshake_timeout_s));
    const Status done = co_await stream_.handshake(TlsStream::End::server, tls::verify_failure);
    if (server_.stopped) co_return;
    if (!done) {
      server_.options.on_refused(
          place_, made_room_ ? "it has not got in yet, and another came" : done.error().message);
      // What comes is read, else it would take the alert, which says what is wrong, from the peer.
      stream_.expires_after(seconds(1));
      co_return co_await stream_.linger(64 << 10);
    }
    admit();
    co_await Session::run();
    if (server_.stopped) co_return;
    stream_.expires_after(seconds(1));
    co_await stream_.shutdown();
  }

 private:
  void admit() {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        SSL_get1_peer_certificate(&stream_.native()), &X509_free);
    auto admitted = server_.options.admit(*certificate, place_);
    if (!admitted) {
      refusal_ = failure(bhttp::status::forbidden, admitted.error().message);
      return;
    }
    handler_ = std::move(admitted.value());
    known();
    end_with(*X509_get0_notAfter(certificate.get()));
  }

  void known() {
    if (stranger_ != server_.strangers.end()) server_.strangers.erase(stranger_);
    stranger_ = server_.strangers.end();
  }

  /// Closes the connection at that time.
  void end_with(const ASN1_TIME& time) {
    using std::chrono::system_clock;
    const auto left = std::min<system_clock::duration>(tls::time_of(time) - system_clock::now(),
                                                       std::chrono::hours(24 * 365));
    end_.expires_after(left);
    end_.async_wait([weak = this->weak_from_this()](const error_code& cancelled) {
      const auto self = weak.lock();
      if (!cancelled && self) self->close();
    });
  }

  TlsState& server_;
  TlsStream& stream_;
  std::string place_;
  bool made_room_ = false;
  asio::steady_timer end_;
  std::list<TlsSession*>::iterator stranger_;  ///< end(): it has shown one
};

void take(const std::shared_ptr<TlsState>& state, Socket socket) {
  if (state->sessions.size() >= state->limits.connections) {
    const std::string full = "there are " + std::to_string(state->sessions.size()) + " connections";
    if (state->strangers.empty()) return state->options.on_refused(place_of(socket), full);
    // It goes once its coroutine has seen that; until then there is one more.
    state->strangers.front()->make_room();
    state->strangers.splice(state->strangers.end(), state->strangers, state->strangers.begin());
  }
  const auto session =
      std::make_shared<TlsSession>(state, TlsStream::over(std::move(socket), state->options.tls));
  asio::co_spawn(
      state->acceptor.get_executor(), [session]() { return session->run(); }, asio::detached);
}

}  // namespace

Result<std::unique_ptr<TlsServer>> TlsServer::listen(asio::io_context& io, Options options) {
  const std::string address = options.address;
  const std::uint16_t port = options.port;
  const auto state = std::make_shared<TlsState>(io, std::move(options));
  if (const auto listening = state->listen(address, port); !listening) return listening.error();
  const auto take_one = [state](Socket socket) { take(state, std::move(socket)); };
  asio::co_spawn(io, accept_loop(state, take_one), asio::detached);
  return std::make_unique<TlsServer>(state);
}

void TlsServer::use(std::shared_ptr<tls::Context> tls) {
  static_cast<TlsState&>(*state_).options.tls = std::move(tls);
}

}  // namespace weft::http
