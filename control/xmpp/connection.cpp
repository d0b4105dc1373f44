#include "xmpp/connection.hpp"

#include <openssl/ssl.h>

#include "tls/certificate.hpp"
#include "weft/host_port.hpp"
#include "xmpp/addresses.hpp"

namespace weft::xmpp {

Connection::Connection(Tcp::socket socket, std::shared_ptr<TlsContext> tls, ReaderLimits limits)
    : tls_(std::move(tls)),
      stream_(std::move(socket), tls_->native().context),
      reader_(limits),
      heard_(std::chrono::steady_clock::now()) {
  if (this->socket().is_open()) note_remote();
}

void Connection::note_remote() {
  error_code error;
  socket().set_option(Tcp::no_delay(true), error);
  const auto endpoint = socket().remote_endpoint(error);
  if (error) return;
  remote_address_ = host_port(endpoint.address().to_string(), endpoint.port());
}

std::string Connection::describe(const error_code& error) const {
  if (error.category() == asio::error::get_ssl_category()) {
    return tls::failure_text(static_cast<unsigned long>(error.value()));
  }
  if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
    return reader_.in_stanza() ? "the connection ended inside a stanza" : "the connection ended";
  }
  return error.message();
}

asio::awaitable<Status> Connection::connect(Tcp::endpoint endpoint) {
  error_code error;
  co_await socket().async_connect(endpoint, to(error));
  if (error) co_return Error{describe(error)};
  note_remote();
  co_return ok();
}

asio::awaitable<Status> Connection::handshake(End end) {
  stream_.set_verify_callback([this](bool good, asio::ssl::verify_context& verification) {
    if (!good && verify_failure_.empty()) {
      verify_failure_ = tls::verify_failure(*verification.native_handle());
    }
    return good;
  });
  error_code error;
  co_await stream_.async_handshake(
      end == End::client ? asio::ssl::stream_base::client : asio::ssl::stream_base::server,
      to(error));
  if (error) {
    co_return Error{"TLS: " + (verify_failure_.empty() ? describe(error) : verify_failure_)};
  }
  secure_ = true;
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      SSL_get1_peer_certificate(stream_.native_handle()), &X509_free);
  if (!certificate) co_return Error{"TLS: the peer shows no certificate"};
  peer_addresses_ = addresses_of(*certificate);
  co_return ok();
}

asio::awaitable<Result<StreamEvent>> Connection::read() {
  while (true) {
    if (auto event = reader_.next()) co_return *std::move(event);
    if (breach_) co_return Error{breach_->condition + ": " + breach_->text};
    error_code error;
    const auto room = asio::buffer(input_);
    const std::size_t got = secure_ ? co_await stream_.async_read_some(room, to(error))
                                    : co_await socket().async_read_some(room, to(error));
    if (error) co_return Error{describe(error)};
    heard_ = std::chrono::steady_clock::now();
    bytes_in_ += got;
    breach_ = reader_.feed({input_.data(), got});
  }
}

asio::awaitable<Status> Connection::write(std::string_view text) {
  error_code error;
  const auto bytes = asio::buffer(text.data(), text.size());
  if (secure_) {
    co_await asio::async_write(stream_, bytes, to(error));
  } else {
    co_await asio::async_write(socket(), bytes, to(error));
  }
  if (error) co_return Error{describe(error)};
  bytes_out_ += text.size();
  co_return ok();
}

Status Connection::restart(ReaderLimits limits) {
  if (breach_ || reader_.in_stanza() || reader_.next()) {
    return Error{"the peer went on in a stream that had come to its end"};
  }
  reader_ = Reader(limits);
  return ok();
}

void Connection::finish_sending() {
  error_code ignored;
  socket().shutdown(Tcp::socket::shutdown_send, ignored);
}

asio::awaitable<void> Connection::drain() {
  error_code error;
  while (!error) co_await socket().async_read_some(asio::buffer(input_), to(error));
}

void Connection::close() {
  error_code ignored;
  socket().close(ignored);
}

}  // namespace weft::xmpp
