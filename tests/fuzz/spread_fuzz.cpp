// Whose a received frame is: of any bytes a hash or none, by the headers alone.
#include "fuzz/fuzz.hpp"
#include "io/spread.hpp"
#include "support/exact_copy.hpp"

using namespace weft;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const test::ExactCopy copy({data, size});
  const auto frame = copy.get();
  const tunnel::HashSeed seed;
  const auto hash = io::spread_hash(frame, seed);
  const bool priority = size >= 18 && frame[12] == 0x81 && frame[13] == 0 &&
                        (frame[14] & 0x0f) == 0 && frame[15] == 0;  // a tag of VLAN 0
  const std::size_t tag = priority ? 4 : 0;
  const unsigned type = size < 14 + tag ? 0 : frame[12 + tag] << 8 | frame[13 + tag];
  const bool ip = (type == 0x0800 && size >= 34 + tag) || (type == 0x86dd && size >= 54 + tag);
  fuzz::require(hash.has_value() == ip, "a hash of IP, and of nothing else");

  // MAC addresses and what comes behind all headers say nothing.
  std::vector<std::uint8_t> other(frame.begin(), frame.end());
  for (std::size_t i = 0; i < std::min<std::size_t>(size, 12); ++i) other[i] ^= 0xff;
  const bool walks = type == 0x86dd && ip && wire::is_extension_header(frame[20 + tag]);
  const bool with_ports = size >= tag + (type == 0x86dd ? 58U : 14U + 60U + 4U);
  if (with_ports && !walks) other.insert(other.end(), 8, 0xaa);
  fuzz::require(io::spread_hash(other, seed) == hash, "the same of the same headers");
  return 0;
}
