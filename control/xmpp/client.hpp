#pragma once
/// Keeps a session to one server up.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "xmpp/session.hpp"
#include "xmpp/tls.hpp"

namespace weft::xmpp {

/// How long to wait before the next try: `first`, twice as long after each failure up to `most`,
/// each time a random part of up to a quarter less. A session that stood for `stable` starts anew.
struct Backoff {
  std::chrono::milliseconds first{500};
  std::chrono::milliseconds most{30'000};
  std::chrono::milliseconds stable{60'000};
};

struct ClientOptions {
  std::string address;  ///< IP
  std::uint16_t port = 5269;
  Jid self;  ///< with the resource to bind; its bare form stands in our certificate
  Jid peer;  ///< its bare form must stand in the server's certificate; stanzas go to it
  std::shared_ptr<TlsContext> tls;
  std::chrono::milliseconds negotiation_timeout{10'000};
  Backoff backoff{};
  SessionLimits session{};
};

enum class ClientState { connecting, up, waiting, stopped };

class Client {
 public:
  /// A session is up: set its handlers here.
  using OnSession = std::function<void(const std::shared_ptr<Session>&)>;
  /// A session ended or a try failed, for this cause. Comes after the session's own on_end.
  using OnDown = std::function<void(const std::string& cause)>;

  /// Starts at once. An address that is none is an Error.
  static Result<std::unique_ptr<Client>> start(boost::asio::io_context& io, ClientOptions options,
                                               OnSession on_session, OnDown on_down);
  virtual ~Client() = default;  ///< aborts; no handler is called any more

  /// Takes leave of the server and does not come back; on_down is called when that is done.
  virtual void stop(const std::string& cause) = 0;
  /// For the next connection: a certificate that was renewed. An Error where it is another's. Ends
  /// the pause before the next try.
  virtual Status use(std::shared_ptr<TlsContext> tls) = 0;

  [[nodiscard]] virtual ClientState state() const = 0;
  /// Why it is not up, or why the session before this one ended; empty at first.
  [[nodiscard]] virtual const std::string& cause() const = 0;
  [[nodiscard]] virtual std::chrono::steady_clock::time_point since() const = 0;  ///< of the state
  [[nodiscard]] virtual std::uint64_t sessions() const = 0;            ///< how many came up so far
  [[nodiscard]] virtual std::shared_ptr<Session> session() const = 0;  ///< null while not up
  [[nodiscard]] virtual const ClientOptions& options() const = 0;
};

}  // namespace weft::xmpp
