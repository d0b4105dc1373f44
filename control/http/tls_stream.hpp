#pragma once
/// TLS over TCP, either end. For this folder alone.

#include <openssl/ssl.h>

#include <functional>

#include "http/stream.hpp"
#include "tls/context.hpp"
#include "weft/result.hpp"

namespace weft::http {

class TlsStream : public Stream {
 public:
  enum class End { client, server };
  /// What is wrong with the peer's certificate.
  using Explain = std::function<std::string(X509_STORE_CTX&)>;

  static std::shared_ptr<TlsStream> over(Socket socket, std::shared_ptr<tls::Context> context);

  /// An Error says what is wrong with a certificate, or what else ended it.
  virtual asio::awaitable<Status> handshake(End end, Explain explain) = 0;
  /// Tells the peer that nothing was cut off (RFC 8446 §6.1).
  virtual asio::awaitable<void> shutdown() = 0;
  virtual SSL& native() = 0;

 protected:
  using Stream::Stream;
};

/// What ended a stream, in words.
std::string describe(const error_code& error);

}  // namespace weft::http
