#include "http/server.hpp"

#include <sys/stat.h>

#include <optional>

#include "http/session.hpp"

namespace weft::http {

using Local = asio::local::stream_protocol;

namespace {

/// Says 503 without waiting: it fits into the empty send buffer.
void turn_away(Socket& socket) {
  const std::string text = to_text(
      failure(bhttp::status::service_unavailable, "too many connections; try again later"), false);
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(text), ignored);
}

void serve(const std::shared_ptr<State>& state) {
  const auto executor = state->acceptor.get_executor();
  const auto take = [state, executor](Socket socket) {
    if (state->sessions.size() >= state->limits.connections) return turn_away(socket);
    const auto session = std::make_shared<Session>(state, Stream::plain(std::move(socket)));
    asio::co_spawn(
        executor, [session] { return session->run(); }, asio::detached);
  };
  asio::co_spawn(executor, accept_loop(state, take), asio::detached);
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

class LocalServer final : public UnixServer {
 public:
  LocalServer(std::shared_ptr<State> state, std::string path)
      : state_(std::move(state)), path_(std::move(path)), identity_(identity_of(path_)) {}
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;
  ~LocalServer() override {
    state_->stop();
    // Not the socket of whoever took the path over since.
    if (identity_ && identity_of(path_) == identity_) ::unlink(path_.c_str());
  }

 private:
  std::shared_ptr<State> state_;
  std::string path_;
  std::optional<FileIdentity> identity_;
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
  if (auto fits = check_socket_path(path); !fits) return fits.error();
  if (auto cleared = clear_path(io, path); !cleared) return cleared.error();
  const auto state = std::make_shared<State>(io, std::move(handler), limits);
  auto& acceptor = state->acceptor;
  error_code error;
  acceptor.open(Local(), error);
  if (!error) acceptor.bind(Local::endpoint(path), error);
  if (error == boost::system::errc::no_such_file_or_directory) {
    return Error{"the directory of " + path + " is missing; create it or choose another path"};
  }
  if (error) return Error{path + " cannot be bound: " + error.message()};
  auto server = std::make_unique<LocalServer>(state, path);
  // Until it listens nobody can connect, so there is no moment with wrong permissions.
  if (::chmod(path.c_str(), 0660) != 0) {
    return Error{path + ": its mode cannot be set to 0660"};
  }
  acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return Error{path + " cannot be listened on: " + error.message()};
  serve(state);
  return Result<std::unique_ptr<UnixServer>>(std::move(server));
}

Result<std::unique_ptr<TcpServer>> TcpServer::listen(asio::io_context& io,
                                                     const std::string& address, std::uint16_t port,
                                                     Handler handler, Limits limits) {
  const auto state = std::make_shared<State>(io, std::move(handler), limits);
  if (const auto listening = state->listen(address, port); !listening) return listening.error();
  serve(state);
  return std::make_unique<TcpServer>(state);
}

TcpServer::~TcpServer() { state_->stop(); }

std::uint16_t TcpServer::port() const {
  return tcp_endpoint(state_->acceptor.local_endpoint()).port();
}

}  // namespace weft::http
