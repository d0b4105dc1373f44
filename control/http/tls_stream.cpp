#include "http/tls_stream.hpp"

#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/error.hpp>

#include "tls/certificate.hpp"
#include "tls/native.hpp"

namespace weft::http {
namespace {

class SslStream final : public TlsStream {
 public:
  SslStream(Socket socket, std::shared_ptr<tls::Context> context)
      : TlsStream(socket.get_executor()),
        context_(std::move(context)),
        stream_(std::move(socket), context_->native().context) {}
  Socket& socket() override { return stream_.next_layer(); }
  SSL& native() override { return *stream_.native_handle(); }

  asio::awaitable<Status> handshake(End end, Explain explain) override {
    stream_.set_verify_callback(
        [this, explain = std::move(explain)](bool good, asio::ssl::verify_context& verification) {
          if (!good && refused_.empty()) refused_ = explain(*verification.native_handle());
          return good;
        });
    error_code error;
    co_await stream_.async_handshake(
        end == End::client ? asio::ssl::stream_base::client : asio::ssl::stream_base::server,
        to(error));
    note_expiry(error);
    if (error) co_return Error{refused_.empty() ? describe(error) : refused_};
    co_return ok();
  }

  asio::awaitable<void> shutdown() override {
    error_code ignored;
    co_await stream_.async_shutdown(to(ignored));
  }

 private:
  asio::awaitable<std::size_t> receive(asio::mutable_buffer room, error_code& error) override {
    return stream_.async_read_some(room, to(error));
  }
  asio::awaitable<std::size_t> send(asio::const_buffer bytes, error_code& error) override {
    return stream_.async_write_some(bytes, to(error));
  }

  std::shared_ptr<tls::Context> context_;
  asio::ssl::stream<Socket> stream_;
  std::string refused_;  ///< what is wrong with the peer's certificate
};

}  // namespace

std::shared_ptr<TlsStream> TlsStream::over(Socket socket, std::shared_ptr<tls::Context> context) {
  return std::make_shared<SslStream>(std::move(socket), std::move(context));
}

std::string describe(const error_code& error) {
  if (error.category() == asio::error::get_ssl_category()) {
    return tls::failure_text(static_cast<unsigned long>(error.value()));
  }
  if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
    return "the connection ended";
  }
  if (error == boost::beast::error::timeout) return "it took too long";
  return error.message();
}

}  // namespace weft::http
