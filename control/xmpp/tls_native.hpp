#pragma once
/// The inside of TlsContext, for those who make connections.

#include "xmpp/asio.hpp"
#include "xmpp/tls.hpp"

namespace weft::xmpp {

struct TlsContext::Native {
  boost::asio::ssl::context context{boost::asio::ssl::context::tls};
};

}  // namespace weft::xmpp
