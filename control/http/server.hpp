#pragma once
/// HTTP/1.1 over a Unix socket, on the control thread.

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "weft/result.hpp"

namespace weft::http {

struct Request {
  std::string method;  ///< GET, POST, PUT, DELETE
  std::string path;    ///< decoded, without the query
  std::string query;   ///< behind `?`, raw
  std::string body;
};

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
};

using Handler = std::function<Response(const Request&)>;

struct Limits {
  std::size_t connections = 64;
  std::size_t body_bytes = 1 << 20;
  std::size_t header_bytes = 16 << 10;
  unsigned idle_timeout_s = 30;
};

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

}  // namespace weft::http
