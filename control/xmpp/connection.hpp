#pragma once
/// TCP, TLS and XML of one stream: bytes become events here. What fails is told in words.

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tls/native.hpp"
#include "xmpp/asio.hpp"
#include "xmpp/jid.hpp"
#include "xmpp/reader.hpp"
#include "xmpp/tls.hpp"
#include "xmpp/writer.hpp"

namespace weft::xmpp {

class Connection {
 public:
  enum class End { client, server };

  /// The socket may be one that is not connected yet.
  Connection(Tcp::socket socket, std::shared_ptr<TlsContext> tls, ReaderLimits limits);

  asio::awaitable<Status> connect(Tcp::endpoint endpoint);
  /// Fails where the peer's certificate does; else peer_addresses says what it names.
  asio::awaitable<Status> handshake(End end);
  [[nodiscard]] const std::vector<Jid>& peer_addresses() const { return peer_addresses_; }

  /// The next event of the stream. After a breach of XML's rules breach() has the condition.
  asio::awaitable<Result<StreamEvent>> read();
  [[nodiscard]] const std::optional<StreamError>& breach() const { return breach_; }
  asio::awaitable<Status> write(std::string_view text);
  /// A new stream begins (RFC 6120 §4.3.3). An Error where the peer has sent more of the old one:
  /// it must not be taken for what comes after TLS.
  Status restart(ReaderLimits limits);

  /// Nothing goes out any more.
  void finish_sending();
  /// Reads and drops what comes until the peer ends. A socket that closes on unread bytes would
  /// make the peer lose what was written last.
  asio::awaitable<void> drain();
  /// Ends at once whatever waits.
  void close();

  [[nodiscard]] std::chrono::steady_clock::time_point heard() const { return heard_; }
  [[nodiscard]] std::uint64_t bytes_in() const { return bytes_in_; }
  [[nodiscard]] std::uint64_t bytes_out() const { return bytes_out_; }
  [[nodiscard]] const std::string& remote_address() const { return remote_address_; }
  [[nodiscard]] asio::any_io_executor executor() { return stream_.get_executor(); }

 private:
  Tcp::socket& socket() { return stream_.next_layer(); }
  void note_remote();
  [[nodiscard]] std::string describe(const error_code& error) const;

  std::shared_ptr<TlsContext> tls_;
  asio::ssl::stream<Tcp::socket> stream_;
  Reader reader_;
  std::optional<StreamError> breach_;
  bool secure_ = false;
  std::string verify_failure_;
  std::vector<Jid> peer_addresses_;
  std::string remote_address_;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  std::chrono::steady_clock::time_point heard_;
  std::array<char, 16 << 10> input_;
};

}  // namespace weft::xmpp
