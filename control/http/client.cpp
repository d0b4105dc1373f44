#include "http/client.hpp"

#include <openssl/x509v3.h>

#include <array>
#include <boost/asio/signal_set.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <csignal>
#include <limits>

#include "http/percent.hpp"
#include "http/received.hpp"
#include "http/tls_stream.hpp"
#include "tls/certificate.hpp"
#include "weft/host_port.hpp"

namespace weft::http {
namespace {

constexpr std::chrono::seconds timeout{60};
constexpr std::uint64_t max_body_bytes = std::uint64_t{1} << 30;

/// A connection of one kind: how it is called, and made.
class Connection {
 public:
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() = default;

  virtual Stream& stream() = 0;
  [[nodiscard]] virtual std::string place() const = 0;
  [[nodiscard]] virtual std::string host() const = 0;
  virtual asio::awaitable<Status> connect() = 0;
};

class UnixConnection final : public Connection {
 public:
  UnixConnection(asio::io_context& io, std::string path)
      : stream_(Stream::plain(Socket(io))), path_(std::move(path)) {}
  Stream& stream() override { return *stream_; }
  [[nodiscard]] std::string place() const override { return path_; }
  [[nodiscard]] std::string host() const override { return "weftd"; }

  asio::awaitable<Status> connect() override {
    error_code error;
    const asio::local::stream_protocol::endpoint endpoint(path_);
    co_await stream_->connect(endpoint, error);
    if (error) co_return Error{describe(error)};
    co_return ok();
  }

 private:
  std::shared_ptr<Stream> stream_;
  std::string path_;
};

class TlsConnection final : public Connection {
 public:
  TlsConnection(asio::io_context& io, TlsEndpoint endpoint, std::shared_ptr<tls::Context> context)
      : stream_(TlsStream::over(Socket(io), std::move(context))), endpoint_(std::move(endpoint)) {}
  Stream& stream() override { return *stream_; }
  [[nodiscard]] std::string place() const override { return "https://" + host(); }
  [[nodiscard]] std::string host() const override {
    return host_port(endpoint_.host, endpoint_.port);
  }

  asio::awaitable<Status> connect() override {
    if (!want_name()) co_return Error{"\"" + endpoint_.host + "\" is no name of a host"};
    error_code error;
    Tcp::resolver resolver(stream_->executor());
    const auto found =
        co_await resolver.async_resolve(endpoint_.host, std::to_string(endpoint_.port), to(error));
    for (auto entry = found.begin(); entry != found.end(); ++entry) {
      const Tcp::endpoint address = entry->endpoint();
      co_await stream_->connect(address, error);
      if (!error) break;
    }
    if (error) co_return Error{describe(error)};
    const auto explain = [this](X509_STORE_CTX& verification) { return why_not(verification); };
    co_return co_await stream_->handshake(TlsStream::End::client, explain);
  }

 private:
  /// What the server's certificate must name. Its subject says nothing of hosts.
  bool want_name() {
    SSL* const ssl = &stream_->native();
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

  std::shared_ptr<TlsStream> stream_;
  TlsEndpoint endpoint_;
};

Result<std::unique_ptr<Connection>> connection_to(asio::io_context& io, const Endpoint& endpoint) {
  if (const auto* path = std::get_if<std::string>(&endpoint)) {
    if (auto fits = check_socket_path(*path); !fits) return fits.error();
    return std::unique_ptr<Connection>(std::make_unique<UnixConnection>(io, *path));
  }
  const auto& server = std::get<TlsEndpoint>(endpoint);
  auto context = tls::Context::load(server.files);
  if (!context) return context.error();
  return std::unique_ptr<Connection>(
      std::make_unique<TlsConnection>(io, server, std::move(context.value())));
}

/// As it is sent (RFC 9112 §3). A body's length is said where a server may expect one (RFC 9110
/// §8.6).
std::string to_text(const Request& request, const std::string& host) {
  const bool expects_body = request.method == "PUT" || request.method == "POST";
  std::string out = request.method + " " + percent_encode(request.path, "/");
  if (!request.query.empty()) out += "?" + request.query;
  out += " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n";
  if (!request.body.empty()) out += "Content-Type: application/json\r\n";
  if (expects_body || !request.body.empty()) {
    out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  return out + "\r\n" + request.body;
}

Error failed(const char* what, const std::string& place, const std::string& why) {
  return {"cannot " + std::string(what) + " " + place + ": " + why};
}

/// What is said of a message that ended too early, too.
std::string why(const error_code& error) {
  return error == bhttp::error::end_of_stream ? "the connection ended" : describe(error);
}

/// Connects and sends the request; what becomes of that goes to `write_error`.
asio::awaitable<Status> ask(Connection& connection, const Request& request,
                            error_code& write_error) {
  connection.stream().expires_after(timeout);
  const Status connected = co_await connection.connect();
  if (!connected) co_return failed("connect to", connection.place(), connected.error().message);
  const std::string text = to_text(request, connection.host());
  co_await connection.stream().write(text, write_error);
  co_return ok();
}

asio::awaitable<Result<Response>> exchange(Connection& connection, const Request& request) {
  Stream& stream = connection.stream();
  const std::string place = connection.place();
  error_code write_error;
  const Status asked = co_await ask(connection, request, write_error);
  if (!asked) co_return asked.error();

  // Read even when the write failed: a server that refuses a request answers before it has all of
  // it.
  Received received(stream);
  bhttp::response_parser<bhttp::string_body> parser;
  parser.body_limit(max_body_bytes);
  parser.eager(true);
  error_code error;
  while (!error && !parser.is_done()) co_await received.feed(parser, error);
  if (error && write_error) co_return failed("write to", place, why(write_error));
  if (error) co_return failed("read from", place, why(error));
  auto answer = parser.release();
  co_return Response{.status = answer.result_int(),
                     .content_type = std::string(answer[bhttp::field::content_type]),
                     .body = std::move(answer.body())};
}

using Reader = std::function<bool(std::string_view)>;

asio::awaitable<Result<Response>> read_stream(Connection& connection, const Request& request,
                                              const Reader& reader) {
  Stream& stream = connection.stream();
  const std::string place = connection.place();
  error_code error;
  const Status asked = co_await ask(connection, request, error);
  if (!asked) co_return asked.error();
  if (error) co_return failed("write to", place, why(error));

  stream.expires_never();
  Received received(stream);
  bhttp::response_parser<bhttp::buffer_body> parser;
  parser.body_limit(std::numeric_limits<std::uint64_t>::max());
  while (!error && !parser.is_header_done()) co_await received.feed(parser, error);
  if (error) co_return failed("read from", place, why(error));
  Response response{.status = parser.get().result_int(),
                    .content_type = std::string(parser.get()[bhttp::field::content_type]),
                    .body = {}};
  const bool refused = response.status >= 400;
  std::array<char, 64 << 10> piece;
  while (!parser.is_done()) {
    auto& body = parser.get().body();
    body.data = piece.data();
    body.size = piece.size();
    co_await received.feed(parser, error);
    if (error == bhttp::error::need_buffer) error = {};
    if (error) co_return failed("read from", place, why(error));
    const std::string_view got(piece.data(), piece.size() - body.size);
    if (refused) {
      response.body += got;
    } else if (!got.empty() && !reader(got)) {
      break;
    }
  }
  co_return response;
}

/// The first signal asks the server to end, the second one ends here, and is told.
void heed(asio::signal_set& signals, Stream& stream, bool& interrupted) {
  signals.add(SIGINT);
  signals.add(SIGTERM);
  signals.async_wait([&](const error_code& error, int) {
    if (error) return;
    stream.shutdown_send();
    signals.async_wait([&](const error_code& cancelled, int) {
      if (cancelled) return;
      interrupted = true;
      stream.close();
    });
  });
}

enum class Signals { heeded, left };

/// Waits for what `use` makes of a connection to `endpoint`.
Result<Response> with_connection(
    const Endpoint& endpoint, Signals heeding,
    const std::function<asio::awaitable<Result<Response>>(Connection&)>& use) {
  asio::io_context io;
  const auto connection = connection_to(io, endpoint);
  if (!connection) return connection.error();
  Stream& stream = (*connection)->stream();
  asio::signal_set signals(io);
  bool interrupted = false;
  if (heeding == Signals::heeded) heed(signals, stream, interrupted);
  Result<Response> result = Error{"no answer"};
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        result = co_await use(**connection);
        signals.cancel();
        stream.close();
      },
      asio::detached);
  io.run();
  if (interrupted) return Error{"interrupted before the server had ended its answer"};
  return result;
}

}  // namespace

Result<Response> stream(const Endpoint& endpoint, const Request& request, const Reader& reader) {
  return with_connection(endpoint, Signals::heeded, [&](Connection& connection) {
    return read_stream(connection, request, reader);
  });
}

Result<Response> request(const Endpoint& endpoint, const Request& request) {
  return with_connection(endpoint, Signals::left,
                         [&](Connection& connection) { return exchange(connection, request); });
}

}  // namespace weft::http
