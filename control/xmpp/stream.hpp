#pragma once
/// How a connection becomes a session (RFC 6120 §4 to §7): STARTTLS, SASL EXTERNAL with the name
/// that the certificate proves, resource binding.

#include <chrono>
#include <functional>
#include <memory>

#include "weft/result.hpp"
#include "xmpp/connection.hpp"
#include "xmpp/jid.hpp"

namespace weft::xmpp {

/// A stream that is ready for stanzas.
struct Established {
  std::unique_ptr<Connection> connection;
  Jid self;
  Jid peer;             ///< full where it bound a resource
  bool serves = false;  ///< we are the server
};

struct ClientTerms {
  Tcp::endpoint server;
  Jid self;  ///< with the resource to bind
  Jid peer;
  std::chrono::milliseconds timeout;  ///< for all of it
  ReaderLimits session_limits;
};

struct ServerTerms {
  Jid self;
  std::function<Status(const Jid& bare)> authorize;  ///< may be empty
  std::chrono::milliseconds timeout;                 ///< for all of it
  ReaderLimits session_limits;
};

/// What a peer may send before it has proven who it is.
inline constexpr ReaderLimits stranger_limits{.depth = 8,
                                              .attributes = 16,
                                              .tag_bytes = 4 << 10,
                                              .text_bytes = 4 << 10,
                                              .elements = 128,
                                              .names = 128,
                                              .stanza_bytes = 16 << 10};

/// Connects and negotiates. The connection stays the caller's, who may close it meanwhile; an Error
/// says what was being waited for or what the peer refuses.
asio::awaitable<Result<Established>> negotiate(std::unique_ptr<Connection>& connection,
                                               const ClientTerms& terms);
/// The same for a connection that was accepted. A peer that is refused is told why.
asio::awaitable<Result<Established>> negotiate(std::unique_ptr<Connection>& connection,
                                               const ServerTerms& terms);

/// What a stream error or a SASL failure of the peer says.
std::string describe_failure(const Element& element);

}  // namespace weft::xmpp
