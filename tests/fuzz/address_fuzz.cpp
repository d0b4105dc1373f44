// MAC, IP and prefix text, from the configuration and the API.
#include "weft/address.hpp"

#include "fuzz/fuzz.hpp"

using namespace weft;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<char> copy(data, data + size);  // no terminating zero behind it
  const std::string_view text(copy.data(), copy.size());
  if (const auto mac = parse_mac(text)) {
    fuzz::require(parse_mac(to_string(*mac)) == mac, "MAC address: back and forth");
  }
  if (const auto ip = parse_ip(text)) {
    fuzz::require(parse_ip(to_string(*ip)) == ip, "IP address: back and forth");
  }
  if (const auto prefix = parse_prefix(text)) {
    fuzz::require(prefix->length <= prefix->address.width_bits(), "a prefix's length");
    fuzz::require(parse_prefix(to_string(*prefix)) == prefix, "prefix: back and forth");
    const IpPrefix masked = prefix->masked();
    fuzz::require(masked.masked() == masked && masked.contains(prefix->address), "masked");
  }
  return 0;
}
