#pragma once
/// A blocking HTTP/1.1 client over a Unix socket, for weftctl and tests.

#include <string>

#include "http/server.hpp"
#include "weft/result.hpp"

namespace weft::http {

/// One request on its own connection; an Error names the socket and what failed.
Result<Response> request(const std::string& socket_path, const Request& request);

}  // namespace weft::http
