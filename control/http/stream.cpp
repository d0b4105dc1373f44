#include "http/stream.hpp"

#include <sys/un.h>

#include <algorithm>
#include <array>
#include <boost/beast/core/error.hpp>
#include <cstring>

namespace weft::http {
namespace {

class PlainStream final : public Stream {
 public:
  explicit PlainStream(Socket socket) : Stream(socket.get_executor()), socket_(std::move(socket)) {}
  Socket& socket() override { return socket_; }

 private:
  asio::awaitable<std::size_t> receive(asio::mutable_buffer room, error_code& error) override {
    return socket_.async_read_some(room, to(error));
  }
  asio::awaitable<std::size_t> send(asio::const_buffer bytes, error_code& error) override {
    return socket_.async_write_some(bytes, to(error));
  }

  Socket socket_;
};

}  // namespace

Status check_socket_path(const std::string& path) {
  if (!path.empty() && path.size() < sizeof(sockaddr_un::sun_path)) return ok();
  return Error{"\"" + path + "\" is no socket path: wanted 1 to 107 bytes"};
}

Tcp::endpoint tcp_endpoint(const Socket::endpoint_type& endpoint) {
  Tcp::endpoint out;
  std::memcpy(out.data(), endpoint.data(), std::min(endpoint.size(), out.capacity()));
  return out;
}

std::shared_ptr<Stream> Stream::plain(Socket socket) {
  return std::make_shared<PlainStream>(std::move(socket));
}

asio::awaitable<void> Stream::connect(const Socket::endpoint_type& endpoint, error_code& error) {
  error = asio::error::operation_aborted;
  if (!closed_) {
    error_code ignored;
    socket().close(ignored);  // of an attempt before
    co_await socket().async_connect(endpoint, to(error));
  }
  note_expiry(error);
}

asio::awaitable<std::size_t> Stream::read_some(asio::mutable_buffer room, error_code& error) {
  const std::size_t got = co_await receive(room, error);
  note_expiry(error);
  co_return got;
}

asio::awaitable<void> Stream::write(std::string_view bytes, error_code& error) {
  error = {};
  while (!error && !bytes.empty()) {
    bytes.remove_prefix(co_await send(asio::buffer(bytes.data(), bytes.size()), error));
  }
  note_expiry(error);
}

asio::awaitable<void> Stream::linger(std::size_t most_bytes) {
  shutdown_send();
  error_code error;
  std::array<char, 16 << 10> scratch;
  std::size_t drained = 0;
  while (!error && drained < most_bytes) {
    drained +=
        co_await socket().async_read_some(asio::mutable_buffer(asio::buffer(scratch)), to(error));
  }
}

void Stream::expires_after(std::chrono::seconds time) {
  deadline_.expires_after(time);
  deadline_.async_wait([weak = weak_from_this()](const error_code& cancelled) {
    const auto self = weak.lock();
    // The time may have been moved when this was on its way already.
    if (cancelled || !self || self->deadline_.expiry() > std::chrono::steady_clock::now()) return;
    self->expired_ = true;
    self->close();
  });
}

void Stream::expires_never() { deadline_.expires_at(asio::steady_timer::time_point::max()); }

void Stream::close() {
  closed_ = true;
  expires_never();
  error_code ignored;
  socket().close(ignored);
}

void Stream::shutdown_send() {
  error_code ignored;
  socket().shutdown(asio::socket_base::shutdown_send, ignored);
}

void Stream::note_expiry(error_code& error) const {
  if (error && expired_) error = boost::beast::error::timeout;
}

}  // namespace weft::http
