#pragma once
/// Accepts sessions of many clients.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "xmpp/session.hpp"
#include "xmpp/tls.hpp"

namespace weft::xmpp {

struct ServerOptions {
  std::string address;        ///< IP
  std::uint16_t port = 5269;  ///< 0: any that is free
  Jid self;                   ///< who answers; clients of its domain are served
  std::shared_ptr<TlsContext> tls;
  std::size_t sessions = 1024;
  /// Connections that are no sessions yet: all nodes of a site come at once after a restart.
  std::size_t negotiations = 256;
  std::chrono::milliseconds negotiation_timeout{30'000};
  SessionLimits session{};
};

struct ServerCounters {
  std::uint64_t accepted = 0;     ///< connections
  std::uint64_t turned_away = 0;  ///< for want of room
  std::uint64_t refused = 0;      ///< negotiations that failed
};

class Server {
 public:
  /// A session is up: set its handlers here. One of the same full JID has ended before.
  using OnSession = std::function<void(const std::shared_ptr<Session>&)>;
  /// A connection came to nothing, for this cause.
  using OnRefused =
      std::function<void(const std::string& remote_address, const std::string& cause)>;
  /// Whether a bare JID that its certificate proves may have a session; the Error tells why not.
  using Authorize = std::function<Status(const Jid&)>;

  struct Handlers {
    OnSession on_session;
    OnRefused on_refused{};
    Authorize authorize{};
  };

  static Result<std::unique_ptr<Server>> listen(boost::asio::io_context& io, ServerOptions options,
                                                Handlers handlers);
  virtual ~Server() = default;  ///< aborts all; no handler is called any more

  /// Accepts no more, and takes leave of all sessions, whose on_end comes.
  virtual void stop(const std::string& cause) = 0;
  /// For connections from now on: a certificate that was renewed. An Error where it is another's.
  virtual Status use(std::shared_ptr<TlsContext> tls) = 0;

  [[nodiscard]] virtual std::uint16_t port() const = 0;
  [[nodiscard]] virtual std::vector<std::shared_ptr<Session>> sessions() const = 0;
  [[nodiscard]] virtual const ServerCounters& counters() const = 0;
};

}  // namespace weft::xmpp
