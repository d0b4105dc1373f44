#pragma once
/// What `weftctl -c` names: a socket, or a controller over TLS.

#include <optional>
#include <string>

#include "http/client.hpp"

namespace weft::ctl {

/// Host and port of `https://HOST[:PORT]` or `HOST:PORT` (an IPv6 address in brackets); nothing
/// where `text` is a path. Without a port it is that of https.
Result<std::optional<http::TlsEndpoint>> parse_endpoint(const std::string& text);

/// Where an operator keeps ca.pem, operator.pem and operator.key: $XDG_CONFIG_HOME/weft, or
/// ~/.config/weft.
std::string default_directory();

}  // namespace weft::ctl
