#pragma once
/// The inside of Context, for those who make connections.

#include <utility>

#include <boost/asio/ssl/context.hpp>

#include "tls/context.hpp"

namespace weft::tls {

struct Context::Native {
  boost::asio::ssl::context context{boost::asio::ssl::context::tls};
};

}  // namespace weft::tls
