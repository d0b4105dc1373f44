#pragma once
/// A blocking HTTP/1.1 client over Unix sockets and TLS, for weftctl and tests.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include "http/server.hpp"
#include "tls/context.hpp"
#include "weft/result.hpp"

namespace weft::http {

/// A server whose certificate must name `host` in its subjectAltName (RFC 6125 §6).
struct TlsEndpoint {
  std::string host;  ///< a name or an IP address
  std::uint16_t port = 0;
  tls::Files files;
};

/// The path of a Unix socket, or a server over TLS.
using Endpoint = std::variant<std::string, TlsEndpoint>;

/// One request on its own connection; an Error names the endpoint and what failed.
Result<Response> request(const Endpoint& endpoint, const Request& request);

/// One request whose answer grows: `reader` gets its body in pieces as they come, while it answers
/// true. SIGINT and SIGTERM tell the server that no more is wanted; what it still sends is read.
/// The response has no body, but where its status says no, the whole of it.
Result<Response> stream(const Endpoint& endpoint, const Request& request,
                        const std::function<bool(std::string_view)>& reader);

}  // namespace weft::http
