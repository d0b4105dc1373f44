#pragma once
/// A connection, whatever it runs over: bytes both ways, and a time when it ends. For this folder
/// alone.

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "http/asio.hpp"
#include "weft/result.hpp"

namespace weft::http {

namespace asio = boost::asio;
using boost::system::error_code;
using Tcp = asio::ip::tcp;
/// Of Unix or of TCP.
using Socket = asio::generic::stream_protocol::socket;

Tcp::endpoint tcp_endpoint(const Socket::endpoint_type& endpoint);
/// Whether a Unix socket can have that name.
Status check_socket_path(const std::string& path);

/// One coroutine may read while another one writes. Lives in a shared_ptr. What fails since the
/// time is over fails with beast::error::timeout.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  static std::shared_ptr<Stream> plain(Socket socket);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  asio::awaitable<void> connect(const Socket::endpoint_type& endpoint, error_code& error);
  /// Waits for bytes; answers how many are in `room` then.
  asio::awaitable<std::size_t> read_some(asio::mutable_buffer room, error_code& error);
  /// All of `bytes`.
  asio::awaitable<void> write(std::string_view bytes, error_code& error);
  /// Sends no more, and reads up to `most_bytes` until the peer ends: a socket that closes on
  /// unread bytes would take from the peer what was said to it last.
  asio::awaitable<void> linger(std::size_t most_bytes);

  /// Closes it then, whatever it does.
  void expires_after(std::chrono::seconds time);
  void expires_never();
  /// Whoever waits for it is told so.
  void close();
  void shutdown_send();

  [[nodiscard]] asio::any_io_executor executor() { return socket().get_executor(); }
  virtual Socket& socket() = 0;

 protected:
  explicit Stream(const asio::any_io_executor& executor) : deadline_(executor) {}
  void note_expiry(error_code& error) const;

 private:
  virtual asio::awaitable<std::size_t> receive(asio::mutable_buffer room, error_code& error) = 0;
  virtual asio::awaitable<std::size_t> send(asio::const_buffer bytes, error_code& error) = 0;

  asio::steady_timer deadline_;
  bool closed_ = false;
  bool expired_ = false;
};

}  // namespace weft::http
