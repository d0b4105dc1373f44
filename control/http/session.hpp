#pragma once
/// One connection of an HTTP server, whatever it runs over. For the servers of this folder alone.

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <optional>
#include <set>

#include "http/asio.hpp"
#include "http/server.hpp"

namespace weft::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using Tcp = asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;
using std::chrono::seconds;

Response failure(bhttp::status status, const std::string& message);
bhttp::response<bhttp::string_body> to_message(Response response, bool keep_alive);
/// What a request that cannot be read deserves; nothing where the peer is gone or too slow.
std::optional<Response> complaint(const error_code& error, const Limits& limits);
/// What the handler says to a request that could be read.
Response answer(const Handler& handler, bhttp::request<bhttp::string_body> message);

template <class Stream>
class Session;

/// What the sessions of one server share. `Stream`: a beast::basic_stream, or TLS over one.
template <class Stream>
struct State {
  State(asio::io_context& io, Handler the_handler, Limits the_limits)
      : acceptor(io), handler(std::move(the_handler)), limits(the_limits) {}

  using Protocol = typename beast::lowest_layer_type<Stream>::protocol_type;
  typename Protocol::acceptor acceptor;
  Handler handler;
  Limits limits;
  bool stopped = false;
  std::set<Session<Stream>*> sessions;
};

/// One connection. It shares the state, since it may outlive the server by a turn of the loop.
template <class Stream>
class Session : public std::enable_shared_from_this<Session<Stream>> {
 public:
  Session(std::shared_ptr<State<Stream>> state, Stream stream)
      : state_(std::move(state)), stream_(std::move(stream)), handler_(state_->handler) {
    state_->sessions.insert(this);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { state_->sessions.erase(this); }

  void close() {
    lowest().close();
    if (body_ && body_->wake_) body_->wake_();
  }

  asio::awaitable<void> run() {
    const Limits& limits = state_->limits;
    // A bound on the buffer alone: one header and a piece of the body, which leaves it in pieces.
    beast::flat_buffer buffer(limits.header_bytes + (64 << 10));
    error_code error;
    bool keep_alive = true;
    while (keep_alive) {
      bhttp::request_parser<bhttp::string_body> parser;
      parser.header_limit(static_cast<std::uint32_t>(limits.header_bytes));
      parser.body_limit(limits.body_bytes);
      lowest().expires_after(seconds(limits.idle_timeout_s));
      co_await bhttp::async_read_header(stream_, buffer, parser, to(error));
      if (!handler_ && (!error || complaint(error, limits))) {
        auto refusal = refusal_;
        co_await refuse(std::move(refusal));
        co_return;
      }
      if (!error && parser.get()[bhttp::field::expect] == "100-continue") {
        bhttp::response<bhttp::empty_body> go_on{bhttp::status::continue_, 11};
        co_await bhttp::async_write(stream_, go_on, to(error));
      }
      if (!error) co_await bhttp::async_read(stream_, buffer, parser, to(error));
      if (state_->stopped) co_return;
      if (error) {
        auto response = complaint(error, limits);
        if (response) co_await refuse(*std::move(response));
        co_return;
      }
      keep_alive = parser.get().keep_alive();
      Response response = http::answer(handler_, parser.release());
      if (response.later) response = co_await deferred(std::move(response.later));
      if (state_->stopped) co_return;
      if (response.stream) {
        co_await send_stream(response);
        co_return;
      }
      if (response.status == static_cast<unsigned>(bhttp::status::method_not_allowed)) {
        keep_alive = false;  // an answer to HEAD may have no body, so what follows would be misread
      }
      auto message = to_message(std::move(response), keep_alive);
      lowest().expires_after(seconds(limits.idle_timeout_s));
      co_await bhttp::async_write(stream_, message, to(error));
      if (error) co_return;
    }
  }

 protected:
  auto& lowest() { return beast::get_lowest_layer(stream_); }
  static asio::redirect_error_t<asio::use_awaitable_t<>> to(error_code& error) {
    return asio::redirect_error(asio::use_awaitable, error);
  }

  std::shared_ptr<State<Stream>> state_;
  Stream stream_;
  Handler handler_;
  Response refusal_;  ///< what every request gets while there is no handler

 private:
  asio::awaitable<void> send_stream(const Response& response) {
    const auto body = body_ = response.stream;
    asio::steady_timer news(stream_.get_executor());
    body->wake_ = [&news] { news.cancel(); };
    error_code error;
    bhttp::response<bhttp::empty_body> head;
    head.result(response.status);
    head.set(bhttp::field::content_type, response.content_type);
    head.chunked(true);
    head.keep_alive(false);
    bhttp::response_serializer<bhttp::empty_body> serializer(head);
    co_await bhttp::async_write_header(stream_, serializer, to(error));
    lowest().expires_never();
    asio::co_spawn(
        stream_.get_executor(),
        [self = this->shared_from_this(), body]() { return self->watch_reader(body); },
        asio::detached);
    while (!error && !state_->stopped && !(body->finished_ && body->waiting_.empty())) {
      if (body->waiting_.empty()) {
        news.expires_at(asio::steady_timer::time_point::max());
        error_code woken;
        co_await news.async_wait(to(woken));
        continue;
      }
      const std::string piece = std::exchange(body->waiting_, {});
      lowest().expires_after(seconds(state_->limits.idle_timeout_s));
      co_await asio::async_write(stream_, bhttp::make_chunk(asio::buffer(piece)), to(error));
    }
    if (!error && !state_->stopped) {
      lowest().expires_after(seconds(state_->limits.idle_timeout_s));
      co_await asio::async_write(stream_, bhttp::make_chunk_last(), to(error));
    }
    body->wake_ = nullptr;
    body->reader_left();
    body->closed_ = true;
    lowest().close();  // ends watch_reader()
  }

  /// Waits for the reader to close its side; what else it says is not listened to.
  asio::awaitable<void> watch_reader(std::shared_ptr<BodyStream> body) {
    error_code error;
    std::array<char, 512> scratch;
    while (!error) co_await stream_.async_read_some(asio::buffer(scratch), to(error));
    body->reader_left();
  }

  /// Waits for a response that the handler owes.
  template <class Start>
  asio::awaitable<Response> deferred(Start start) {
    struct Wait {
      explicit Wait(const asio::any_io_executor& executor)
          : timer(executor, asio::steady_timer::time_point::max()) {}
      asio::steady_timer timer;
      std::optional<Response> response;
    };
    const auto wait = std::make_shared<Wait>(stream_.get_executor());
    start([wait](Response response) {
      wait->response = std::move(response);
      wait->timer.cancel();
    });
    error_code ignored;
    if (!wait->response) co_await wait->timer.async_wait(to(ignored));
    co_return wait->response.value_or(
        failure(bhttp::status::internal_server_error, "the answer was given up"));
  }

  /// Answers a peer that may still be sending. What it sends is read for a while, since a socket
  /// that closes on unread bytes makes the peer's write fail before it has seen the answer.
  asio::awaitable<void> refuse(Response response) {
    constexpr std::size_t most = 16;
    error_code error;
    const auto message = to_message(std::move(response), false);
    lowest().expires_after(seconds(state_->limits.idle_timeout_s));
    co_await bhttp::async_write(stream_, message, to(error));
    if (error) co_return;
    lowest().socket().shutdown(asio::socket_base::shutdown_send, error);
    std::array<char, 16 << 10> scratch;
    std::size_t drained = 0;
    while (!error && drained < most * state_->limits.body_bytes) {
      drained += co_await stream_.async_read_some(asio::buffer(scratch), to(error));
    }
  }

  std::shared_ptr<BodyStream> body_;  ///< of an answer that grows
};

/// Gives what connects to `take`, until the server stops.
template <class Stream, class Take>
asio::awaitable<void> accept_loop(std::shared_ptr<State<Stream>> state, Take take) {
  const auto executor = state->acceptor.get_executor();
  while (!state->stopped) {
    error_code error;
    typename State<Stream>::Protocol::socket socket(executor);
    co_await state->acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (state->stopped) co_return;
    if (error) {
      // Out of file descriptors, say: the connection stays in the backlog, so retry, but not at
      // once.
      asio::steady_timer pause(executor, milliseconds(100));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
    } else {
      take(std::move(socket));
    }
  }
}

/// Ends what still runs.
template <class Stream>
void stop(State<Stream>& state) {
  state.stopped = true;
  error_code ignored;
  state.acceptor.close(ignored);
  for (auto* session : state.sessions) session->close();
}

/// Starts to listen on TCP. An Error says where, and why not.
template <class Stream>
Status listen_on(State<Stream>& state, const std::string& address, std::uint16_t port) {
  error_code error;
  const auto ip = asio::ip::make_address(address, error);
  if (error) return Error{"\"" + address + "\" is no IP address"};
  auto& acceptor = state.acceptor;
  const Tcp::endpoint endpoint(ip, port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) return ok();
  return Error{address + " port " + std::to_string(port) +
               " cannot be listened on: " + error.message()};
}

}  // namespace weft::http
