#include "http/server.hpp"

#include <sys/stat.h>
#include <sys/un.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "http/asio.hpp"
#include "http/percent.hpp"

namespace weft::http {

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

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using Local = asio::local::stream_protocol;
using Tcp = asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

Response failure(bhttp::status status, const std::string& message) {
  using Json = nlohmann::json;
  return {.status = static_cast<unsigned>(status),
          .body = Json{{"error", message}}.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

bhttp::response<bhttp::string_body> to_message(Response response, bool keep_alive) {
  bhttp::response<bhttp::string_body> message;
  message.result(response.status);
  message.set(bhttp::field::content_type, response.content_type);
  message.body() = std::move(response.body);
  message.keep_alive(keep_alive);
  message.prepare_payload();
  return message;
}

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

}  // namespace

template <class Protocol>
class Session;

template <class Protocol>
struct State {
  State(asio::io_context& io, Handler the_handler, Limits the_limits)
      : acceptor(io), handler(std::move(the_handler)), limits(the_limits) {}

  typename Protocol::acceptor acceptor;
  Handler handler;
  Limits limits;
  bool stopped = false;
  std::set<Session<Protocol>*> sessions;
};

/// One connection. It shares the state, since it may outlive the server by a turn of the loop.
template <class Protocol>
class Session : public std::enable_shared_from_this<Session<Protocol>> {
 public:
  Session(std::shared_ptr<State<Protocol>> state, typename Protocol::socket socket)
      : state_(std::move(state)), stream_(std::move(socket)) {
    state_->sessions.insert(this);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { state_->sessions.erase(this); }

  void close() {
    stream_.close();
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
      stream_.expires_after(seconds(limits.idle_timeout_s));
      co_await bhttp::async_read_header(stream_, buffer, parser, to(error));
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
      Response response = answer(parser.release());
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
      stream_.expires_after(seconds(limits.idle_timeout_s));
      co_await bhttp::async_write(stream_, message, to(error));
      if (error) co_return;
    }
  }

 private:
  static asio::redirect_error_t<asio::use_awaitable_t<>> to(error_code& error) {
    return asio::redirect_error(asio::use_awaitable, error);
  }

  Response answer(bhttp::request<bhttp::string_body> message) const {
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
      return state_->handler(request);
    } catch (const std::exception& e) {
      return failure(bhttp::status::internal_server_error, e.what());
    } catch (...) {
      return failure(bhttp::status::internal_server_error, "unknown exception");
    }
  }

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
    stream_.expires_never();
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
      stream_.expires_after(seconds(state_->limits.idle_timeout_s));
      co_await asio::async_write(stream_, bhttp::make_chunk(asio::buffer(piece)), to(error));
    }
    if (!error && !state_->stopped) {
      stream_.expires_after(seconds(state_->limits.idle_timeout_s));
      co_await asio::async_write(stream_, bhttp::make_chunk_last(), to(error));
    }
    body->wake_ = nullptr;
    body->reader_left();
    body->closed_ = true;
    stream_.close();  // ends watch_reader()
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
    stream_.expires_after(seconds(state_->limits.idle_timeout_s));
    co_await bhttp::async_write(stream_, message, to(error));
    if (error) co_return;
    stream_.socket().shutdown(asio::socket_base::shutdown_send, error);
    std::array<char, 16 << 10> scratch;
    std::size_t drained = 0;
    while (!error && drained < most * state_->limits.body_bytes) {
      drained += co_await stream_.async_read_some(asio::buffer(scratch), to(error));
    }
  }

  std::shared_ptr<State<Protocol>> state_;
  beast::basic_stream<Protocol> stream_;
  std::shared_ptr<BodyStream> body_;  ///< of an answer that grows
};

namespace {

/// Says 503 without waiting: it fits into the empty send buffer.
template <class Socket>
void turn_away(Socket& socket) {
  const auto message = to_message(
      failure(bhttp::status::service_unavailable, "too many connections; try again later"), false);
  error_code ignored;
  socket.non_blocking(true, ignored);
  bhttp::write(socket, message, ignored);
}

template <class Protocol>
asio::awaitable<void> accept_loop(std::shared_ptr<State<Protocol>> state) {
  const auto executor = state->acceptor.get_executor();
  while (!state->stopped) {
    error_code error;
    typename Protocol::socket socket(executor);
    co_await state->acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (state->stopped) co_return;
    if (error) {
      // Out of file descriptors, say: the connection stays in the backlog, so retry, but not at
      // once.
      asio::steady_timer pause(executor, milliseconds(100));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
    } else if (state->sessions.size() >= state->limits.connections) {
      turn_away(socket);
    } else {
      const auto session = std::make_shared<Session<Protocol>>(state, std::move(socket));
      asio::co_spawn(
          executor, [session]() { return session->run(); }, asio::detached);
    }
  }
}

struct FileIdentity {
  dev_t device;
  ino_t inode;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

std::optional<struct stat> status_of(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
  return status;
}

std::optional<FileIdentity> identity_of(const std::string& path) {
  const auto status = status_of(path);
  if (!status) return std::nullopt;
  return FileIdentity{status->st_dev, status->st_ino};
}

/// Ends what still runs.
template <class Protocol>
void stop(State<Protocol>& state) {
  state.stopped = true;
  error_code ignored;
  state.acceptor.close(ignored);
  for (auto* session : state.sessions) session->close();
}

class LocalServer final : public UnixServer {
 public:
  LocalServer(std::shared_ptr<State<Local>> state, std::string path)
      : state_(std::move(state)), path_(std::move(path)), identity_(identity_of(path_)) {}
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;
  ~LocalServer() override {
    stop(*state_);
    // Not the socket of whoever took the path over since.
    if (identity_ && identity_of(path_) == identity_) ::unlink(path_.c_str());
  }

 private:
  std::shared_ptr<State<Local>> state_;
  std::string path_;
  std::optional<FileIdentity> identity_;
};

class IpServer final : public TcpServer {
 public:
  explicit IpServer(std::shared_ptr<State<Tcp>> state) : state_(std::move(state)) {}
  IpServer(const IpServer&) = delete;
  IpServer& operator=(const IpServer&) = delete;
  ~IpServer() override { stop(*state_); }
  [[nodiscard]] std::uint16_t port() const override {
    return state_->acceptor.local_endpoint().port();
  }

 private:
  std::shared_ptr<State<Tcp>> state_;
};

/// Leaves nothing at `path` but what must stay there, which is an error.
Status clear_path(asio::io_context& io, const std::string& path) {
  const auto status = status_of(path);
  if (!status) return ok();
  if (!S_ISSOCK(status->st_mode)) {
    return Error{path + " is there and is no socket; remove it or choose another path"};
  }
  error_code error;
  Local::socket probe(io);
  probe.open(Local(), error);
  probe.non_blocking(true, error);
  probe.connect(path, error);
  if (error == boost::system::errc::connection_refused) {
    ::unlink(path.c_str());
    return ok();
  }
  if (!error || error == boost::system::errc::resource_unavailable_try_again) {
    return Error{path + " is served by another process; stop it or choose another path"};
  }
  return Error{path + " is there and cannot be tried: " + error.message()};
}

}  // namespace

Result<std::unique_ptr<UnixServer>> UnixServer::listen(asio::io_context& io,
                                                       const std::string& path, Handler handler,
                                                       Limits limits) {
  if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path)) {
    return Error{"\"" + path + "\" is no socket path: wanted 1 to 107 bytes"};
  }
  if (auto cleared = clear_path(io, path); !cleared) return cleared.error();
  const auto state = std::make_shared<State<Local>>(io, std::move(handler), limits);
  auto& acceptor = state->acceptor;
  error_code error;
  acceptor.open(Local(), error);
  if (!error) acceptor.bind(path, error);
  if (error == boost::system::errc::no_such_file_or_directory) {
    return Error{"the directory of " + path + " is missing; create it or choose another path"};
  }
  if (error) return Error{path + " cannot be bound: " + error.message()};
  auto server = std::make_unique<LocalServer>(state, path);
  // Until it listens nobody can connect, so there is no moment with wrong permissions.
  if (::chmod(path.c_str(), 0660) != 0) {
    return Error{path + ": its mode cannot be set to 0660"};
  }
  acceptor.listen(Local::acceptor::max_listen_connections, error);
  if (error) return Error{path + " cannot be listened on: " + error.message()};
  asio::co_spawn(io, accept_loop<Local>(state), asio::detached);
  return Result<std::unique_ptr<UnixServer>>(std::move(server));
}

Result<std::unique_ptr<TcpServer>> TcpServer::listen(asio::io_context& io,
                                                     const std::string& address, std::uint16_t port,
                                                     Handler handler, Limits limits) {
  const auto place = address + " port " + std::to_string(port);
  error_code error;
  const auto ip = asio::ip::make_address(address, error);
  if (error) return Error{"\"" + address + "\" is no IP address"};
  const auto state = std::make_shared<State<Tcp>>(io, std::move(handler), limits);
  auto& acceptor = state->acceptor;
  const Tcp::endpoint endpoint(ip, port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return Error{place + " cannot be listened on: " + error.message()};
  asio::co_spawn(io, accept_loop<Tcp>(state), asio::detached);
  return Result<std::unique_ptr<TcpServer>>(std::make_unique<IpServer>(state));
}

}  // namespace weft::http
