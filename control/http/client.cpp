#include "http/client.hpp"

#include <sys/un.h>

#include <array>
#include <boost/asio/signal_set.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <csignal>
#include <limits>

#include "http/asio.hpp"
#include "http/percent.hpp"

namespace weft::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using Stream = beast::basic_stream<asio::local::stream_protocol>;
using boost::system::error_code;

constexpr std::chrono::seconds timeout{60};
constexpr std::uint64_t max_body_bytes = std::uint64_t{1} << 30;

bhttp::request<bhttp::string_body> to_message(const Request& request) {
  bhttp::request<bhttp::string_body> message;
  message.method_string(request.method);
  message.target(percent_encode(request.path, "/") +
                 (request.query.empty() ? "" : "?" + request.query));
  message.set(bhttp::field::host, "weftd");
  if (!request.body.empty()) message.set(bhttp::field::content_type, "application/json");
  message.body() = request.body;
  message.keep_alive(false);
  message.prepare_payload();
  return message;
}

asio::awaitable<void> exchange(Stream& stream, const std::string& socket_path,
                               const Request& request, Result<Response>& result) {
  const auto to = [](error_code& error) {
    return asio::redirect_error(asio::use_awaitable, error);
  };
  const auto failed = [&](const char* what, const error_code& error) {
    result = Error{"cannot " + std::string(what) + " " + socket_path + ": " + error.message()};
  };
  error_code error;
  stream.expires_after(timeout);
  co_await stream.async_connect(asio::local::stream_protocol::endpoint(socket_path), to(error));
  if (error) {
    failed("connect to", error);
    co_return;
  }

  const auto message = to_message(request);
  error_code write_error;
  co_await bhttp::async_write(stream, message, to(write_error));

  // Read even when the write failed: a server that refuses a request answers before it has all of
  // it.
  beast::flat_buffer buffer;
  bhttp::response_parser<bhttp::string_body> parser;
  parser.body_limit(max_body_bytes);
  co_await bhttp::async_read(stream, buffer, parser, to(error));
  if (error) {
    write_error ? failed("write to", write_error) : failed("read from", error);
    co_return;
  }
  auto answer = parser.release();
  result = Response{.status = answer.result_int(),
                    .content_type = std::string(answer[bhttp::field::content_type]),
                    .body = std::move(answer.body())};
}

asio::awaitable<void> read_stream(Stream& stream, const std::string& socket_path,
                                  const Request& request,
                                  const std::function<bool(std::string_view)>& reader,
                                  Result<Response>& result) {
  const auto to = [](error_code& error) {
    return asio::redirect_error(asio::use_awaitable, error);
  };
  const auto failed = [&](const char* what, const error_code& error) {
    result = Error{"cannot " + std::string(what) + " " + socket_path + ": " + error.message()};
  };
  error_code error;
  stream.expires_after(timeout);
  co_await stream.async_connect(asio::local::stream_protocol::endpoint(socket_path), to(error));
  if (error) co_return failed("connect to", error);
  const auto message = to_message(request);
  co_await bhttp::async_write(stream, message, to(error));
  if (error) co_return failed("write to", error);

  beast::flat_buffer buffer;
  bhttp::response_parser<bhttp::buffer_body> parser;
  parser.body_limit(std::numeric_limits<std::uint64_t>::max());
  stream.expires_never();
  co_await bhttp::async_read_header(stream, buffer, parser, to(error));
  if (error) co_return failed("read from", error);
  Response response{.status = parser.get().result_int(),
                    .content_type = std::string(parser.get()[bhttp::field::content_type]),
                    .body = {}};
  const bool refused = response.status >= 400;
  std::array<char, 64 << 10> piece;
  while (!parser.is_done()) {
    parser.get().body().data = piece.data();
    parser.get().body().size = piece.size();
    co_await bhttp::async_read_some(stream, buffer, parser, to(error));
    if (error == bhttp::error::need_buffer) error = {};
    if (error) co_return failed("read from", error);
    const std::string_view got(piece.data(), piece.size() - parser.get().body().size);
    if (refused) {
      response.body += got;
    } else if (!got.empty() && !reader(got)) {
      break;
    }
  }
  result = std::move(response);
}

/// The first signal asks the server to end, the second one ends here.
void heed_signals(asio::signal_set& signals, Stream& stream) {
  signals.async_wait([&](const error_code& error, int) {
    if (error) return;
    error_code ignored;
    stream.socket().shutdown(asio::local::stream_protocol::socket::shutdown_send, ignored);
    signals.async_wait([&stream](const error_code& cancelled, int) {
      if (!cancelled) stream.close();
    });
  });
}

}  // namespace

Result<Response> stream(const std::string& socket_path, const Request& request,
                        const std::function<bool(std::string_view)>& reader) {
  if (socket_path.empty() || socket_path.size() >= sizeof(sockaddr_un::sun_path)) {
    return Error{"\"" + socket_path + "\" is no socket path: wanted 1 to 107 bytes"};
  }
  asio::io_context io;
  Stream connection(io);
  asio::signal_set signals(io, SIGINT, SIGTERM);
  heed_signals(signals, connection);
  Result<Response> result = Error{"no answer from " + socket_path};
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        co_await read_stream(connection, socket_path, request, reader, result);
        signals.cancel();
      },
      asio::detached);
  io.run();
  return result;
}

Result<Response> request(const std::string& socket_path, const Request& request) {
  if (socket_path.empty() || socket_path.size() >= sizeof(sockaddr_un::sun_path)) {
    return Error{"\"" + socket_path + "\" is no socket path: wanted 1 to 107 bytes"};
  }
  asio::io_context io;
  Stream stream(io);
  Result<Response> result = Error{"no answer from " + socket_path};
  asio::co_spawn(io, exchange(stream, socket_path, request, result), asio::detached);
  io.run();
  return result;
}

}  // namespace weft::http
