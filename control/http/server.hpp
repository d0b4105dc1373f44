#pragma once
/// HTTP/1.1 over Unix sockets and TCP, on the control thread.

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "weft/result.hpp"

namespace weft::http {

struct Request {
  std::string method;  ///< GET, POST, PUT, DELETE
  std::string path;    ///< decoded, without the query
  std::string query;   ///< behind `?`, raw
  std::string body;
};

/// A body that grows while it is sent, in chunks. The handler keeps one end and writes, the
/// connection has the other. One thread.
class BodyStream {
 public:
  explicit BodyStream(std::size_t limit_bytes = 4 << 20) : limit_bytes_(limit_bytes) {}

  /// All of `bytes` or nothing of them: false when the reader is gone or so slow that more than the
  /// limit would wait for it.
  bool write(std::string_view bytes);
  /// Nothing comes any more; what waits is still sent.
  void finish();
  [[nodiscard]] bool closed() const { return closed_; }

  /// Called once, when the reader wants no more: it closed its side (it may read on), or took
  /// nothing for Limits::idle_timeout_s, or the server stops. Not called after finish().
  std::function<void()> on_reader_left;

 private:
  friend class Session;
  void reader_left();

  std::size_t limit_bytes_;
  std::string waiting_;
  bool finished_ = false;
  bool closed_ = false;
  std::function<void()> wake_;
};

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body{};
  std::shared_ptr<BodyStream> stream{};  ///< instead of `body`
  /// Where it is set, the response comes later: this is called once with a function that takes it,
  /// to be called on the thread of the io_context.
  std::function<void(std::function<void(Response)> done)> later{};
};

using Handler = std::function<Response(const Request&)>;

struct Limits {
  std::size_t connections = 64;
  std::size_t body_bytes = 1 << 20;
  std::size_t header_bytes = 16 << 10;
  unsigned idle_timeout_s = 30;
};

struct State;  // of a server; in session.hpp

/// Serves until destroyed; the destructor removes the socket.
class UnixServer {
 public:
  /// Binds `path` with mode 0660. A dead socket at `path` (nobody listens) is replaced; a live one,
  /// a path that is no socket or a directory that is missing or closed to us is an error that says
  /// so.
  static Result<std::unique_ptr<UnixServer>> listen(boost::asio::io_context& io,
                                                    const std::string& path, Handler handler,
                                                    Limits limits = {});
  virtual ~UnixServer() = default;
};

/// The same over TCP. Whoever reaches the address is served, so its handler should only tell.
class TcpServer {
 public:
  /// `port` 0: any that is free.
  static Result<std::unique_ptr<TcpServer>> listen(boost::asio::io_context& io,
                                                   const std::string& address, std::uint16_t port,
                                                   Handler handler, Limits limits = {});
  explicit TcpServer(std::shared_ptr<State> listening) : state_(std::move(listening)) {}
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;
  ~TcpServer();
  [[nodiscard]] std::uint16_t port() const;

 protected:
  std::shared_ptr<State> state_;
};

}  // namespace weft::http
