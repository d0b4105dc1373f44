#include "http/received.hpp"

#include <boost/beast/core/read_size.hpp>

namespace weft::http {

Received::Received(Stream& stream, std::size_t most_bytes) : stream_(stream), buffer_(most_bytes) {
  buffer_.reserve(16 << 10);
}

template <bool is_request>
asio::awaitable<void> Received::feed(bhttp::basic_parser<is_request>& parser, error_code& error) {
  const auto step = [&] { buffer_.consume(parser.put(buffer_.cdata(), error)); };
  error = bhttp::error::need_more;
  if (buffer_.size() > 0) step();
  while (error == bhttp::error::need_more) {
    const std::size_t room = beast::read_size(buffer_, 64 << 10);
    if (room == 0) {
      error = bhttp::error::buffer_overflow;
      co_return;
    }
    const std::size_t got = co_await stream_.read_some(buffer_.prepare(room), error);
    buffer_.commit(got);
    if (error == asio::error::eof) {
      error = {};
      if (parser.got_some()) {
        parser.put_eof(error);
      } else {
        error = bhttp::error::end_of_stream;
      }
      co_return;
    }
    if (!error) step();
  }
}

template asio::awaitable<void> Received::feed(bhttp::basic_parser<true>&, error_code&);
template asio::awaitable<void> Received::feed(bhttp::basic_parser<false>&, error_code&);

}  // namespace weft::http
