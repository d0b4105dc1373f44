// The HTTP server on a real socket: any bytes in any pieces from a client that then is silent. The
// connection ends, and what came back are whole responses.
#include "http/server.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include "fuzz/fuzz.hpp"

using namespace weft;

namespace {

http::Response answer(const http::Request& request) {
  fuzz::require(request.path.starts_with('/'), "a path starts with a slash");
  fuzz::require(request.body.size() <= http::Limits{}.body_bytes, "a body keeps to its limit");
  if (request.path == "/throw") throw std::runtime_error("thrown");
  return {200, "text/plain", request.method + request.path + request.query + request.body};
}

class Service {
 public:
  Service() {
    const auto base = std::filesystem::temp_directory_path() / "weft-fuzz-XXXXXX";
    directory_ = base.string();
    if (::mkdtemp(directory_.data()) == nullptr) fuzz::broken("a temporary directory");
    auto server = http::UnixServer::listen(io_, path(), answer);
    if (!server) fuzz::broken(server.error().message);
    server_ = std::move(server).value();
  }
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  ~Service() {
    server_.reset();
    io_.poll();
    std::filesystem::remove_all(directory_);
  }

  /// Sends the pieces, closes that direction, and answers all that comes until the server closes.
  std::string talk(fuzz::Bytes bytes, std::size_t piece) {
    const int peer = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
    const auto* name = reinterpret_cast<const sockaddr*>(&address);
    fuzz::require(::connect(peer, name, sizeof address) == 0, "the server listens");
    while (!bytes.empty()) {
      const auto now = bytes.first(std::min(piece, bytes.size()));
      const auto sent = ::send(peer, now.data(), now.size(), MSG_NOSIGNAL);
      io_.poll();
      if (sent < 0) break;  // it has closed already
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
    ::shutdown(peer, SHUT_WR);
    std::string out;
    char chunk[4096];
    constexpr unsigned patience = 100'000;
    unsigned idle = 0;
    for (; idle < patience; ++idle) {
      io_.poll();
      const auto got = ::recv(peer, chunk, sizeof chunk, 0);
      if (got == 0 || (got < 0 && errno != EAGAIN)) break;
      if (got > 0) {
        out.append(chunk, static_cast<std::size_t>(got));
        idle = 0;
      }
    }
    fuzz::require(idle < patience, "a connection ends when its client has");
    ::close(peer);
    return out;
  }

 private:
  [[nodiscard]] std::string path() const { return directory_ + "/socket"; }

  std::string directory_;
  boost::asio::io_context io_;
  std::unique_ptr<http::UnixServer> server_;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Service service;
  fuzz::Input input({data, size});
  const std::size_t pieces = input.byte();
  const auto bytes = input.rest();
  // At most 64 pieces, else most of the time goes into the kernel.
  const std::size_t piece = pieces == 0 ? bytes.size() : std::max(pieces, bytes.size() / 64 + 1);
  const std::string out = service.talk(bytes, piece);
  fuzz::require(out.empty() || out.starts_with("HTTP/1."), "what comes back is a response");
  return 0;
}
