#pragma once
/// What connections need of Boost.Asio beyond http/asio.hpp.

#include "http/asio.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

namespace weft::xmpp {

namespace asio = boost::asio;
using boost::system::error_code;
using Tcp = asio::ip::tcp;
using http::to;

}  // namespace weft::xmpp
