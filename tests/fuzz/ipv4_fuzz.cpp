// The IPv4 header with its options: checksum, and the TTL's incremental update.
#include "fuzz/fuzz.hpp"
#include "support/exact_copy.hpp"
#include "support/naive.hpp"
#include "wire/ipv4.hpp"

using namespace weft;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input({data, size});
  const bool complete = (input.byte() & 1) != 0;
  const test::ExactCopy copy(input.rest());
  const auto bytes = copy.get();
  if (bytes.size() < sizeof(wire::Ipv4)) return 0;
  auto& ip = *reinterpret_cast<wire::Ipv4*>(bytes.data());
  const std::size_t header = ip.header_bytes();
  if (header < sizeof ip || header > bytes.size()) return 0;
  const auto right = [&] { return test::naive_sum(bytes.first(header)) == 0xffff; };

  if (complete) {
    ip.complete_checksum();
    fuzz::require(right(), "a completed checksum is right");
  }
  const bool valid = ip.checksum_valid();
  fuzz::require(valid == right(), "checksum_valid");
  if (valid && ip.ttl != 0) {
    const std::uint8_t ttl = ip.ttl;
    ip.decrement_ttl();
    fuzz::require(ip.ttl == ttl - 1 && right() && ip.checksum_valid(), "decrement_ttl");
  }
  const bool whole = !ip.fragment();
  fuzz::require(whole == (((bytes[6] & 0x3f) | bytes[7]) == 0), "fragment");
  fuzz::require(ip.may_fragment() == ((bytes[6] & 0x40) == 0), "may_fragment");
  return 0;
}
