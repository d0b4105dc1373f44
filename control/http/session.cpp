#include "http/session.hpp"

#include <array>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "http/percent.hpp"
#include "http/received.hpp"

namespace weft::http {
namespace {

/// What a request that cannot be read deserves; nothing where the peer is gone or too slow.
std::optional<Response> complaint(const error_code& error, const Limits& limits) {
  if (error == bhttp::error::body_limit) {
    return failure(bhttp::status::payload_too_large,
                   "the body is larger than " + std::to_string(limits.body_bytes) + " bytes");
  }
  if (error == bhttp::error::header_limit || error == bhttp::error::buffer_overflow) {
    return failure(bhttp::status::request_header_fields_too_large,
                   "the header is larger than " + std::to_string(limits.header_bytes) + " bytes");
  }
  if (error == bhttp::error::end_of_stream || error == bhttp::error::partial_message) return {};
  if (error.category() != bhttp::make_error_code(bhttp::error::bad_method).category()) return {};
  return failure(bhttp::status::bad_request, "not a request: " + error.message());
}

/// What the handler says to a request that could be read.
Response answer(const Handler& handler, bhttp::request<bhttp::string_body> message) {
  const auto method = message.method();
  if (method != bhttp::verb::get && method != bhttp::verb::post && method != bhttp::verb::put &&
      method != bhttp::verb::delete_) {
    return failure(bhttp::status::method_not_allowed, "wanted GET, POST, PUT or DELETE");
  }
  const std::string_view target(message.target().data(), message.target().size());
  const auto question = target.find('?');
  auto path = percent_decode(target.substr(0, question));
  if (!path || !path->starts_with('/')) {
    return failure(bhttp::status::bad_request, "not a path: " + std::string(target));
  }
  const Request request{
      .method = std::string(message.method_string()),
      .path = *std::move(path),
      .query = std::string(question == target.npos ? "" : target.substr(question + 1)),
      .body = std::move(message.body())};
  try {
    return handler(request);
  } catch (const std::exception& e) {
    return failure(bhttp::status::internal_server_error, e.what());
  } catch (...) {
    return failure(bhttp::status::internal_server_error, "unknown exception");
  }
}

/// The status line and the fields that every response has.
std::string head_of(const Response& response) {
  const auto reason = bhttp::obsolete_reason(bhttp::int_to_status(response.status));
  return "HTTP/1.1 " + std::to_string(response.status) + " " + std::string(reason) +
         "\r\nContent-Type: " + response.content_type + "\r\n";
}

/// RFC 9112 §7.1. An empty one is the last.
std::string chunk_of(std::string_view bytes) {
  std::array<char, 16> digits;
  const auto written = std::to_chars(digits.begin(), digits.end(), bytes.size(), 16);
  std::string out(digits.data(), written.ptr);
  out += "\r\n";
  out += bytes;
  out += "\r\n";
  return out;
}

}  // namespace

bool BodyStream::write(std::string_view bytes) {
  if (closed_ || finished_ || waiting_.size() + bytes.size() > limit_bytes_) return false;
  waiting_ += bytes;
  if (wake_) wake_();
  return true;
}

void BodyStream::finish() {
  finished_ = true;
  if (wake_) wake_();
}

void BodyStream::reader_left() {
  if (closed_ || finished_) return;
  if (const auto tell = std::exchange(on_reader_left, {})) tell();
}

Response failure(bhttp::status status, const std::string& message) {
  using Json = nlohmann::json;
  return {.status = static_cast<unsigned>(status),
          .body = Json{{"error", message}}.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

std::string to_text(const Response& response, bool keep_alive) {
  std::string out = head_of(response);
  if (!keep_alive) out += "Connection: close\r\n";
  out += "Content-Length: " + std::to_string(response.body.size()) + "\r\n\r\n";
  out += response.body;
  return out;
}

Session::Session(std::shared_ptr<State> state, std::shared_ptr<Stream> stream)
    : handler_(state->handler), state_(std::move(state)), stream_(std::move(stream)) {
  state_->sessions.insert(this);
}

void Session::close() {
  stream_->close();
  if (body_ && body_->wake_) body_->wake_();
}

void Session::expect_progress() {
  stream_->expires_after(std::chrono::seconds(state_->limits.idle_timeout_s));
}

asio::awaitable<void> Session::run() {
  const Limits& limits = state_->limits;
  // A bound on the buffer alone: one header and a piece of the body, which leaves it in pieces.
  Received received(*stream_, limits.header_bytes + (64 << 10));
  bool keep_alive = true;
  while (keep_alive) {
    bhttp::request_parser<bhttp::string_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(limits.header_bytes));
    parser.body_limit(limits.body_bytes);
    error_code error;
    expect_progress();
    while (!error && !parser.is_header_done()) co_await received.feed(parser, error);
    if (!handler_ && (!error || complaint(error, limits))) {
      auto refusal = refusal_;
      co_await refuse(std::move(refusal));
      co_return;
    }
    if (!error && parser.get()[bhttp::field::expect] == "100-continue") {
      co_await stream_->write("HTTP/1.1 100 Continue\r\n\r\n", error);
    }
    parser.eager(true);
    while (!error && !parser.is_done()) co_await received.feed(parser, error);
    if (state_->stopped) co_return;
    if (error) {
      auto response = complaint(error, limits);
      if (response) co_await refuse(*std::move(response));
      co_return;
    }
    stream_->expires_never();
    keep_alive = parser.get().keep_alive();
    Response response = answer(handler_, parser.release());
    if (response.later) response = co_await deferred(std::move(response.later));
    if (state_->stopped) co_return;
    if (response.stream) {
      co_await send_stream(response);
      co_return;
    }
    if (response.status == static_cast<unsigned>(bhttp::status::method_not_allowed)) {
      keep_alive = false;  // an answer to HEAD may have no body, so what follows would be misread
    }
    const std::string text = to_text(response, keep_alive);
    expect_progress();
    co_await stream_->write(text, error);
    if (error) co_return;
  }
}

asio::awaitable<void> Session::send_stream(const Response& response) {
  const auto body = body_ = response.stream;
  asio::steady_timer news(stream_->executor());
  body->wake_ = [&news] { news.cancel(); };
  const std::string head =
      head_of(response) + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
  error_code error;
  expect_progress();
  co_await stream_->write(head, error);
  asio::co_spawn(
      stream_->executor(), [self = shared_from_this(), body] { return self->watch_reader(body); },
      asio::detached);
  while (!error && !state_->stopped && !(body->finished_ && body->waiting_.empty())) {
    if (body->waiting_.empty()) {
      stream_->expires_never();
      news.expires_at(asio::steady_timer::time_point::max());
      error_code woken;
      co_await news.async_wait(to(woken));
      continue;
    }
    const std::string chunk = chunk_of(std::exchange(body->waiting_, {}));
    expect_progress();
    co_await stream_->write(chunk, error);
  }
  if (!error && !state_->stopped) {
    const std::string last = chunk_of({});
    expect_progress();
    co_await stream_->write(last, error);
  }
  body->wake_ = nullptr;
  body->reader_left();
  body->closed_ = true;
  stream_->close();  // ends watch_reader()
}

/// Waits for the reader to close its side; what else it says is not listened to.
asio::awaitable<void> Session::watch_reader(std::shared_ptr<BodyStream> body) {
  error_code error;
  std::array<char, 512> scratch;
  while (!error) co_await stream_->read_some(asio::buffer(scratch), error);
  body->reader_left();
}

/// Waits for a response that the handler owes.
asio::awaitable<Response> Session::deferred(
    std::function<void(std::function<void(Response)>)> start) {
  struct Wait {
    explicit Wait(const asio::any_io_executor& executor)
        : timer(executor, asio::steady_timer::time_point::max()) {}
    asio::steady_timer timer;
    std::optional<Response> response;
  };
  const auto wait = std::make_shared<Wait>(stream_->executor());
  start([wait](Response response) {
    wait->response = std::move(response);
    wait->timer.cancel();
  });
  error_code ignored;
  if (!wait->response) co_await wait->timer.async_wait(to(ignored));
  co_return wait->response.value_or(
      failure(bhttp::status::internal_server_error, "the answer was given up"));
}

/// Answers a peer that may still be sending.
asio::awaitable<void> Session::refuse(Response response) {
  constexpr std::size_t most = 16;
  const std::string text = to_text(response, false);
  error_code error;
  expect_progress();
  co_await stream_->write(text, error);
  if (!error) co_await stream_->linger(most * state_->limits.body_bytes);
}

Status State::listen(const std::string& address, std::uint16_t port) {
  error_code error;
  const auto ip = asio::ip::make_address(address, error);
  if (error) return Error{"\"" + address + "\" is no IP address"};
  const Tcp::endpoint endpoint(ip, port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) return ok();
  return Error{address + " port " + std::to_string(port) +
               " cannot be listened on: " + error.message()};
}

void State::stop() {
  stopped = true;
  error_code ignored;
  acceptor.close(ignored);
  for (auto* session : sessions) session->close();
}

asio::awaitable<void> accept_loop(std::shared_ptr<State> state, std::function<void(Socket)> take) {
  const auto executor = state->acceptor.get_executor();
  while (!state->stopped) {
    error_code error;
    Socket socket(executor);
    co_await state->acceptor.async_accept(socket, to(error));
    if (state->stopped) co_return;
    if (error) {
      // Out of file descriptors, say: the connection stays in the backlog, so retry, but not at
      // once.
      asio::steady_timer pause(executor, std::chrono::milliseconds(100));
      co_await pause.async_wait(to(error));
    } else {
      take(std::move(socket));
    }
  }
}

}  // namespace weft::http
