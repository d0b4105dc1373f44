#pragma once
/// How messages are read. For this folder alone.

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <limits>

#include "http/stream.hpp"

namespace weft::http {

namespace beast = boost::beast;
namespace bhttp = boost::beast::http;

/// What has come on a stream and no message has taken yet.
class Received {
 public:
  /// `most_bytes` is a bound on what waits here, not on messages.
  explicit Received(Stream& stream,
                    std::size_t most_bytes = std::numeric_limits<std::size_t>::max());

  /// Has `parser` make a step by what is there, and waits for more where that is too little. The
  /// end of the stream ends the message, where it may; before the first byte it is
  /// bhttp::error::end_of_stream.
  template <bool is_request>
  asio::awaitable<void> feed(bhttp::basic_parser<is_request>& parser, error_code& error);

 private:
  Stream& stream_;
  beast::flat_buffer buffer_;
};

}  // namespace weft::http
