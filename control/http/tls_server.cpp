#include "http/tls_server.hpp"

#include <openssl/ssl.h>

#include <algorithm>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <list>

#include "http/session.hpp"
#include "tls/certificate.hpp"
#include "tls/native.hpp"

namespace weft::http {
namespace {

using Stream = beast::ssl_stream<beast::basic_stream<Tcp>>;

class TlsSession;

struct TlsState : State<Stream> {
  TlsState(asio::io_context& io, TlsServer::Options the_options)
      : State<Stream>(io, {}, the_options.limits), options(std::move(the_options)) {}
  TlsServer::Options options;
  std::list<TlsSession*> strangers;  ///< who has shown no certificate yet, the oldest first
};

std::string describe(const error_code& error) {
  if (error.category() == asio::error::get_ssl_category()) {
    return tls::failure_text(static_cast<unsigned long>(error.value()));
  }
  if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
    return "the connection ended";
  }
  if (error == beast::error::timeout) return "it took too long";
  return error.message();
}

std::string place_of(const Tcp::socket& socket) {
  error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  if (error) return "an unknown place";
  const std::string ip = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + ip + "]" : ip) + ":" + std::to_string(endpoint.port());
}

class TlsSession : public Session<Stream> {
 public:
  TlsSession(const std::shared_ptr<TlsState>& state, Tcp::socket socket)
      : Session<Stream>(state, Stream(beast::basic_stream<Tcp>(std::move(socket)),
                                      state->options.tls->native().context)),
        server_(*state),
        place_(place_of(lowest().socket())),
        end_(stream_.get_executor()),
        stranger_(server_.strangers.insert(server_.strangers.end(), this)) {}
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  ~TlsSession() { known(); }

  /// Closes it for the sake of another.
  void make_room() {
    refused_ = "it has not got in yet, and another came";
    close();
  }

  asio::awaitable<void> run() {
    error_code error;
    error_code ignored;
    lowest().socket().set_option(Tcp::no_delay(true), ignored);
    stream_.set_verify_callback([this](bool good, asio::ssl::verify_context& verification) {
      if (!good && refused_.empty()) refused_ = tls::verify_failure(*verification.native_handle());
      return good;
    });
    lowest().expires_after(seconds(server_.options.handshake_timeout_s));
    co_await stream_.async_handshake(asio::ssl::stream_base::server, to(error));
    if (server_.stopped) co_return;
    if (error) {
      server_.options.on_refused(place_, refused_.empty() ? describe(error) : refused_);
      co_return co_await linger();
    }
    admit();
    co_await Session<Stream>::run();
    if (server_.stopped) co_return;
    lowest().expires_after(seconds(1));
    co_await stream_.async_shutdown(to(error));
  }

 private:
  void admit() {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        SSL_get1_peer_certificate(stream_.native_handle()), &X509_free);
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

  /// Reads for a while what comes: a socket that closes on unread bytes would take the alert, which
  /// says what is wrong, away from the peer.
  asio::awaitable<void> linger() {
    constexpr std::size_t most = 64 << 10;
    error_code error;
    lowest().socket().shutdown(asio::socket_base::shutdown_send, error);
    lowest().expires_after(seconds(1));
    std::array<char, 4096> scratch;
    std::size_t drained = 0;
    while (!error && drained < most) {
      drained += co_await lowest().async_read_some(asio::buffer(scratch), to(error));
    }
  }

  TlsState& server_;
  std::string place_;
  std::string refused_;
  asio::steady_timer end_;
  std::list<TlsSession*>::iterator stranger_;  ///< end(): it has shown one
};

void take(const std::shared_ptr<TlsState>& state, Tcp::socket socket) {
  if (state->sessions.size() >= state->limits.connections) {
    const std::string full = "there are " + std::to_string(state->sessions.size()) + " connections";
    if (state->strangers.empty()) return state->options.on_refused(place_of(socket), full);
    // It goes once its coroutine has seen that; until then there is one more.
    state->strangers.front()->make_room();
    state->strangers.splice(state->strangers.end(), state->strangers, state->strangers.begin());
  }
  const auto session = std::make_shared<TlsSession>(state, std::move(socket));
  asio::co_spawn(
      state->acceptor.get_executor(), [session]() { return session->run(); }, asio::detached);
}

class Server final : public TlsServer {
 public:
  explicit Server(std::shared_ptr<TlsState> state) : state_(std::move(state)) {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() override { stop(*state_); }
  [[nodiscard]] std::uint16_t port() const override {
    return state_->acceptor.local_endpoint().port();
  }

 private:
  std::shared_ptr<TlsState> state_;
};

}  // namespace

Result<std::unique_ptr<TlsServer>> TlsServer::listen(asio::io_context& io, Options options) {
  const std::string address = options.address;
  const std::uint16_t port = options.port;
  const auto state = std::make_shared<TlsState>(io, std::move(options));
  if (const auto listening = listen_on(*state, address, port); !listening) return listening.error();
  asio::co_spawn(
      io,
      accept_loop<Stream>(state, [state](Tcp::socket socket) { take(state, std::move(socket)); }),
      asio::detached);
  return Result<std::unique_ptr<TlsServer>>(std::make_unique<Server>(state));
}

}  // namespace weft::http
