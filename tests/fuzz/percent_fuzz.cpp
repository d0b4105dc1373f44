// Percent-encoding and query strings.
#include "http/percent.hpp"

#include "fuzz/fuzz.hpp"

using namespace weft;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<char> copy(data, data + size);  // no terminating zero behind it
  const std::string_view text(copy.data(), copy.size());
  const auto encoded = http::percent_encode(text);
  fuzz::require(http::percent_decode(encoded) == std::string(text), "decode of encode");
  const auto decoded = http::percent_decode(text);
  fuzz::require(!decoded || decoded->size() <= text.size(), "decoding makes nothing longer");
  const auto query = http::parse_query(text);
  if (!query) return 0;
  std::string again;
  for (const auto& [key, value] : *query) {
    again += "&" + http::percent_encode(key) + "=" + http::percent_encode(value);
  }
  fuzz::require(http::parse_query(again) == query, "query: back and forth");
  return 0;
}
