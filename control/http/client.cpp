#include "http/client.hpp"

#include <openssl/x509v3.h>
#include <sys/un.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <chrono>
#include <csignal>
#include <limits>

#include "http/asio.hpp"
#include "http/percent.hpp"
#include "tls/certificate.hpp"
#include "tls/native.hpp"

namespace weft::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using Tcp = asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::seconds timeout{60};
constexpr std::uint64_t max_body_bytes = std::uint64_t{1} << 30;

asio::redirect_error_t<asio::use_awaitable_t<>> to(error_code& error) {
  return asio::redirect_error(asio::use_awaitable, error);
}

std::string describe(const error_code& error) {
  if (error.category() == asio::error::get_ssl_category()) {
    return tls::failure_text(static_cast<unsigned long>(error.value()));
  }
  if (error == asio::ssl::error::stream_truncated || error == bhttp::error::end_of_stream) {
    return "the connection ended";
  }
  return error.message();
}

/// A connection of one kind: how it is called, and made.
class UnixConnection {
 public:
  using Stream = beast::basic_stream<asio::local::stream_protocol>;

  UnixConnection(asio::io_context& io, std::string path) : stream_(io), path_(std::move(path)) {}
  Stream& stream() { return stream_; }
  [[nodiscard]] const std::string& place() const { return path_; }
  [[nodiscard]] std::string host() const { return "weftd"; }

  asio::awaitable<Status> connect() {
    error_code error;
    co_await stream_.async_connect(asio::local::stream_protocol::endpoint(path_), to(error));
    if (error) co_return Error{describe(error)};
    co_return ok();
  }

 private:
  Stream stream_;
  std::string path_;
};

class TlsConnection {
 public:
  using Stream = beast::ssl_stream<beast::basic_stream<Tcp>>;

  TlsConnection(asio::io_context& io, TlsEndpoint endpoint, std::shared_ptr<tls::Context> context)
      : context_(std::move(context)),
        stream_(io, context_->native().context),
        endpoint_(std::move(endpoint)) {}
  Stream& stream() { return stream_; }
  [[nodiscard]] std::string place() const { return "https://" + host(); }
  [[nodiscard]] std::string host() const {
    const bool v6 = endpoint_.host.find(':') != std::string::npos;
    return (v6 ? "[" + endpoint_.host + "]" : endpoint_.host) + ":" +
           std::to_string(endpoint_.port);
  }

  asio::awaitable<Status> connect() {
    if (!want_name()) co_return Error{"\"" + endpoint_.host + "\" is no name of a host"};
    error_code error;
    Tcp::resolver resolver(stream_.get_executor());
    const auto found =
        co_await resolver.async_resolve(endpoint_.host, std::to_string(endpoint_.port), to(error));
    if (!error) co_await beast::get_lowest_layer(stream_).async_connect(found, to(error));
    if (error) co_return Error{describe(error)};
    std::string refused;
    stream_.set_verify_callback([&](bool good, asio::ssl::verify_context& verification) {
      if (!good && refused.empty()) refused = why_not(*verification.native_handle());
      return good;
    });
    co_await stream_.async_handshake(asio::ssl::stream_base::client, to(error));
    if (error) co_return Error{refused.empty() ? describe(error) : refused};
    co_return ok();
  }

 private:
  /// What the server's certificate must name. Its subject says nothing of hosts.
  bool want_name() {
    SSL* const ssl = stream_.native_handle();
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), endpoint_.host.c_str()) == 1) {
      return true;
    }
    return SSL_set1_host(ssl, endpoint_.host.c_str()) == 1 &&
           SSL_set_tlsext_host_name(ssl, endpoint_.host.c_str()) == 1;
  }

  [[nodiscard]] std::string why_not(X509_STORE_CTX& verification) const {
    const int error = X509_STORE_CTX_get_error(&verification);
    if (error != X509_V_ERR_HOSTNAME_MISMATCH && error != X509_V_ERR_IP_ADDRESS_MISMATCH) {
      return tls::verify_failure(verification);
    }
    return "the server's certificate (" +
           tls::subject_of(*X509_STORE_CTX_get_current_cert(&verification)) + ") does not name " +
           endpoint_.host + ": issue one with --address or --dns";
  }

  std::shared_ptr<tls::Context> context_;
  Stream stream_;
  TlsEndpoint endpoint_;
};

bhttp::request<bhttp::string_body> to_message(const Request& request, const std::string& host) {
  bhttp::request<bhttp::string_body> message;
  message.method_string(request.method);
  message.target(percent_encode(request.path, "/") +
                 (request.query.empty() ? "" : "?" + request.query));
  message.set(bhttp::field::host, host);
  if (!request.body.empty()) message.set(bhttp::field::content_type, "application/json");
  message.body() = request.body;
  message.keep_alive(false);
  message.prepare_payload();
  return message;
}

Error failed(const char* what, const std::string& place, const std::string& why) {
  return {"cannot " + std::string(what) + " " + place + ": " + why};
}

template <class Connection>
asio::awaitable<void> exchange(Connection& connection, const Request& request,
                               Result<Response>& result) {
  auto& stream = connection.stream();
  const std::string place = connection.place();
  beast::get_lowest_layer(stream).expires_after(timeout);
  const Status connected = co_await connection.connect();
  if (!connected) {
    result = failed("connect to", place, connected.error().message);
    co_return;
  }
  const auto message = to_message(request, connection.host());
  error_code write_error;
  co_await bhttp::async_write(stream, message, to(write_error));

  // Read even when the write failed: a server that refuses a request answers before it has all of
  // it.
  error_code error;
  beast::flat_buffer buffer;
  bhttp::response_parser<bhttp::string_body> parser;
  parser.body_limit(max_body_bytes);
  co_await bhttp::async_read(stream, buffer, parser, to(error));
  if (error) {
    result = write_error ? failed("write to", place, describe(write_error))
                         : failed("read from", place, describe(error));
    co_return;
  }
  auto answer = parser.release();
  result = Response{.status = answer.result_int(),
                    .content_type = std::string(answer[bhttp::field::content_type]),
                    .body = std::move(answer.body())};
}

template <class Connection>
asio::awaitable<void> read_stream(Connection& connection, const Request& request,
                                  const std::function<bool(std::string_view)>& reader,
                                  Result<Response>& result) {
  auto& stream = connection.stream();
  const std::string place = connection.place();
  const auto fail = [&](const char* what, const std::string& why) {
    result = failed(what, place, why);
  };
  error_code error;
  beast::get_lowest_layer(stream).expires_after(timeout);
  const Status connected = co_await connection.connect();
  if (!connected) co_return fail("connect to", connected.error().message);
  const auto message = to_message(request, connection.host());
  co_await bhttp::async_write(stream, message, to(error));
  if (error) co_return fail("write to", describe(error));

  beast::flat_buffer buffer;
  bhttp::response_parser<bhttp::buffer_body> parser;
  parser.body_limit(std::numeric_limits<std::uint64_t>::max());
  beast::get_lowest_layer(stream).expires_never();
  co_await bhttp::async_read_header(stream, buffer, parser, to(error));
  if (error) co_return fail("read from", describe(error));
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
    if (error) co_return fail("read from", describe(error));
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
template <class Lowest>
void heed_signals(asio::signal_set& signals, Lowest& lowest) {
  signals.async_wait([&](const error_code& error, int) {
    if (error) return;
    error_code ignored;
    lowest.socket().shutdown(asio::socket_base::shutdown_send, ignored);
    signals.async_wait([&lowest](const error_code& cancelled, int) {
      if (!cancelled) lowest.close();
    });
  });
}

/// Calls `use` with a connection to `endpoint`, as a coroutine, and waits for its end.
template <class Use>
Result<Response> with_connection(const Endpoint& endpoint, Use use) {
  asio::io_context io;
  asio::signal_set signals(io);
  Result<Response> result = Error{"no answer"};
  const auto run = [&](auto& connection) {
    use(io, signals, connection, result);
    io.run();
  };
  if (const auto* path = std::get_if<std::string>(&endpoint)) {
    if (path->empty() || path->size() >= sizeof(sockaddr_un::sun_path)) {
      return Error{"\"" + *path + "\" is no socket path: wanted 1 to 107 bytes"};
    }
    UnixConnection connection(io, *path);
    run(connection);
    return result;
  }
  const auto& server = std::get<TlsEndpoint>(endpoint);
  auto context = tls::Context::load(server.files);
  if (!context) return context.error();
  TlsConnection connection(io, server, std::move(context.value()));
  run(connection);
  return result;
}

}  // namespace

Result<Response> stream(const Endpoint& endpoint, const Request& request,
                        const std::function<bool(std::string_view)>& reader) {
  return with_connection(endpoint, [&](asio::io_context& io, asio::signal_set& signals,
                                       auto& connection, Result<Response>& result) {
    signals.add(SIGINT);
    signals.add(SIGTERM);
    heed_signals(signals, beast::get_lowest_layer(connection.stream()));
    asio::co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
          co_await read_stream(connection, request, reader, result);
          signals.cancel();
        },
        asio::detached);
  });
}

Result<Response> request(const Endpoint& endpoint, const Request& request) {
  return with_connection(endpoint, [&](asio::io_context& io, asio::signal_set&, auto& connection,
                                       Result<Response>& result) {
    asio::co_spawn(io, exchange(connection, request, result), asio::detached);
  });
}

}  // namespace weft::http
