#pragma once
/// SRv6 (RFC 8754, RFC 8986).

#include "conformance/traits.hpp"

namespace weft::conformance {

template <>
struct Traits<tunnel::Srv6> {
  // def srv6(visit, nh, tc=0, hlim=64, n=84, reduced=False):
  //   listed = visit[1:] if reduced else visit
  //   return raw(IPv6(src="2001:db8::1", dst=visit[0], tc=tc, hlim=hlim)/IPv6ExtHdrSegmentRouting(
  //     nh=nh, addresses=listed[::-1], segleft=len(visit)-1, lastentry=len(listed)-1)
  //     /(b"x"*n))[:-n].hex()
  // s = ["2001:db8:0:1::2", "2001:db8:b::1", "2001:db8:c::d46"]
  static std::vector<Golden> golden() {
    const Row rows[] = {
        // srv6(s[:1], 4)
        {.v4 = false,
         .payload = TunnelPayload::ip,
         .header =
             "60000000006c2b4020010db800000000000000000000000120010db8000000010000000000000002"
             "040204000000000020010db8000000010000000000000002"},
        // srv6(s[:1], 41, tc=184, hlim=1, n=1450)
        {.v4 = false,
         .payload = TunnelPayload::ip,
         .inner_bytes = 1450,
         .inner_v4 = false,
         .ttl = 1,
         .dscp = 46,
         .header =
             "6b80000005c22b0120010db800000000000000000000000120010db8000000010000000000000002"
             "290204000000000020010db8000000010000000000000002"},
        // srv6(s, 4)
        {.v4 = false,
         .payload = TunnelPayload::ip,
         .segments = {"2001:db8:b::1", "2001:db8:c::d46"},
         .header =
             "60000000008c2b4020010db800000000000000000000000120010db8000000010000000000000002"
             "040604020200000020010db8000c00000000000000000d46"
             "20010db8000b0000000000000000000120010db8000000010000000000000002"},
        // srv6(s, 41, reduced=True)
        {.v4 = false,
         .payload = TunnelPayload::ip,
         .inner_v4 = false,
         .segments = {"2001:db8:b::1", "2001:db8:c::d46"},
         .reduced = true,
         .header =
             "60000000007c2b4020010db800000000000000000000000120010db8000000010000000000000002"
             "290404020100000020010db8000c00000000000000000d46"
             "20010db8000b00000000000000000001"},
    };
    return golden_of(tunnel::Srv6::kind, rows);
  }

  static std::vector<std::uint8_t> plain() {
    return test::hex("040204000000000020010db8000000010000000000000002");
  }

  /// Flags and tag.
  static std::vector<std::uint8_t> reserved() { return test::hex("0000000000ffffff"); }

  /// Of another type; with a last entry beyond the list; with more segments left than there are.
  static std::vector<std::vector<std::uint8_t>> invalid() {
    return {test::hex("040203000000000020010db8000000010000000000000002"),
            test::hex("040204000100000020010db8000000010000000000000002"),
            test::hex("040204020000000020010db8000000010000000000000002")};
  }
};

}  // namespace weft::conformance
