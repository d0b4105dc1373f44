#pragma once
/// A blocking HTTP/1.1 client over a Unix socket, for weftctl and tests.

#include <functional>
#include <string>
#include <string_view>

#include "http/server.hpp"
#include "weft/result.hpp"

namespace weft::http {

/// One request on its own connection; an Error names the socket and what failed.
Result<Response> request(const std::string& socket_path, const Request& request);

/// One request whose answer grows: `reader` gets its body in pieces as they come, while it answers
/// true. SIGINT and SIGTERM tell the server that no more is wanted; what it still sends is read.
/// The response has no body, but where its status says no, the whole of it.
Result<Response> stream(const std::string& socket_path, const Request& request,
                        const std::function<bool(std::string_view)>& reader);

}  // namespace weft::http
