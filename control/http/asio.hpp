#pragma once
/// Boost.Asio with coroutines. Boost 1.74's awaitable.hpp uses std::exchange without including its
/// header, so whoever wants coroutines includes this file instead.

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace weft::http {

/// Makes a coroutine go on with an error instead of an exception.
inline auto to(boost::system::error_code& error) {
  return boost::asio::redirect_error(boost::asio::use_awaitable, error);
}

}  // namespace weft::http
