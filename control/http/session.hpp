#pragma once
/// One connection of an HTTP server, and what it shares with the others. For the servers of this
/// folder alone.

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/beast/http/status.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "http/server.hpp"
#include "http/stream.hpp"

namespace weft::http {

namespace bhttp = boost::beast::http;

class Session;

/// What the sessions of one server share.
struct State {
  State(asio::io_context& io, Handler the_handler, Limits the_limits)
      : acceptor(io), handler(std::move(the_handler)), limits(the_limits) {}

  /// Starts to listen on TCP. An Error says where, and why not.
  Status listen(const std::string& address, std::uint16_t port);
  /// Ends what still runs.
  void stop();

  asio::basic_socket_acceptor<asio::generic::stream_protocol> acceptor;
  Handler handler;
  Limits limits;
  bool stopped = false;
  std::set<Session*> sessions;
};

/// Gives what connects to `take`, until the server stops.
asio::awaitable<void> accept_loop(std::shared_ptr<State> state, std::function<void(Socket)> take);

/// One connection. It shares the state, since it may outlive the server by a turn of the loop.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<State> state, std::shared_ptr<Stream> stream);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { state_->sessions.erase(this); }

  void close();
  asio::awaitable<void> run();

 protected:
  Handler handler_;
  Response refusal_;  ///< what every request gets while there is no handler

 private:
  asio::awaitable<void> send_stream(const Response& response);
  asio::awaitable<void> watch_reader(std::shared_ptr<BodyStream> body);
  asio::awaitable<Response> deferred(std::function<void(std::function<void(Response)>)> start);
  asio::awaitable<void> refuse(Response response);
  void expect_progress();

  std::shared_ptr<State> state_;
  std::shared_ptr<Stream> stream_;
  std::shared_ptr<BodyStream> body_;  ///< of an answer that grows
};

Response failure(bhttp::status status, const std::string& message);
/// As it is sent (RFC 9112 §4).
std::string to_text(const Response& response, bool keep_alive);

}  // namespace weft::http
