#pragma once
/// HTTP/1.1 over TLS with certificates of both ends.

#include <openssl/types.h>

#include "http/server.hpp"
#include "tls/context.hpp"

namespace weft::http {

class TlsServer : public TcpServer {
 public:
  struct Options {
    std::string address;
    std::uint16_t port = 0;  ///< 0: any that is free
    std::shared_ptr<tls::Context> tls;
    /// Who serves a client with this certificate, at `place` (ADDRESS:PORT). An Error is what all
    /// of its requests get, as 403, before their bodies are read.
    std::function<Result<Handler>(const X509& certificate, const std::string& place)> admit;
    /// A client at `place` did not get as far as that.
    std::function<void(const std::string& place, const std::string& why)> on_refused;
    Limits limits{};
    unsigned handshake_timeout_s = 10;
  };

  /// Serves until destroyed. A connection ends with its client's certificate. When there are as
  /// many as there may be, a new one takes the place of the oldest that has shown no certificate
  /// yet; where all have, it is closed.
  static Result<std::unique_ptr<TlsServer>> listen(boost::asio::io_context& io, Options options);
  using TcpServer::TcpServer;

  /// For those that connect from now on.
  void use(std::shared_ptr<tls::Context> tls);
};

}  // namespace weft::http
