#pragma once
/// GRE (RFC 2784) without a key and with one (RFC 2890).

#include "conformance/traits.hpp"

namespace weft::conformance {

template <>
struct Traits<tunnel::Gre> {
  static std::vector<Golden> golden() {
    const Row rows[] = {
        // v4(GRE(proto=0x800))
        {.payload = TunnelPayload::ip,
         .header = "4500006c00004000402f4e2cc0000201c6336402"
                   "00000800"},
        // v4(GRE(proto=0x86dd), tos=184, ttl=1, n=1450)
        {.payload = TunnelPayload::ip,
         .inner_bytes = 1450,
         .inner_v4 = false,
         .ttl = 1,
         .dscp = 46,
         .header = "45b805c200004000012f871ec0000201c6336402"
                   "000086dd"},
        // v4(GRE(proto=0x6558)/eth(0x800))
        {.header = "4500007a00004000402f4e1ec0000201c6336402"
                   "0000655802005e00010102005e0002010800"},
        // v6(GRE(proto=0x86dd))
        {.v4 = false,
         .payload = TunnelPayload::ip,
         .inner_v4 = false,
         .header =
             "6000000000582f4020010db800000000000000000000000120010db8000000010000000000000002"
             "000086dd"},
        // v6(GRE(proto=0x6558)/eth(0x86dd), tc=252, hlim=255, n=1430)
        {.v4 = false,
         .inner_bytes = 1430,
         .inner_v4 = false,
         .ttl = 255,
         .dscp = 63,
         .header =
             "6fc0000005a82fff20010db800000000000000000000000120010db8000000010000000000000002"
             "0000655802005e00010102005e00020186dd"},
    };
    return golden_of(tunnel::Gre::kind, rows);
  }

  static std::vector<std::uint8_t> plain() { return test::hex("00000800"); }

  /// RFC 2784 §2.3: bits 6 to 12.
  static std::vector<std::uint8_t> reserved() { return test::hex("03f80000"); }

  /// Bits of RFC 1701 (§2.3.1 of RFC 2784), and another version.
  static std::vector<std::vector<std::uint8_t>> invalid() {
    return {test::hex("40000800"), test::hex("08000800"), test::hex("04000800"),
            test::hex("00010800"), test::hex("00070800")};
  }
};

template <>
struct Traits<tunnel::KeyedGre> {
  static std::vector<Golden> golden() {
    const Row rows[] = {
        // v4(GRE(proto=0x800, key_present=1, key=0))
        {.payload = TunnelPayload::ip,
         .header = "4500007000004000402f4e28c0000201c6336402"
                   "2000080000000000"},
        // v4(GRE(proto=0x6558, key_present=1, key=0xffffffff)/eth(0x800), tos=184, ttl=1, n=1450)
        {.vni = 0xffffffff,
         .inner_bytes = 1450,
         .ttl = 1,
         .dscp = 46,
         .header = "45b805d400004000012f870cc0000201c6336402"
                   "20006558ffffffff02005e00010102005e0002010800"},
        // v6(GRE(proto=0x86dd, key_present=1, key=0x12345678))
        {.v4 = false,
         .vni = 0x12345678,
         .payload = TunnelPayload::ip,
         .inner_v4 = false,
         .header =
             "60000000005c2f4020010db800000000000000000000000120010db8000000010000000000000002"
             "200086dd12345678"},
    };
    return golden_of(tunnel::KeyedGre::kind, rows);
  }

  static std::vector<std::uint8_t> plain() { return test::hex("2000080000000000"); }

  /// RFC 2784 §2.3: bits 6 to 12.
  static std::vector<std::uint8_t> reserved() { return test::hex("03f8000000000000"); }

  /// Bits of RFC 1701 (§2.3.1 of RFC 2784), and another version.
  static std::vector<std::vector<std::uint8_t>> invalid() {
    return {test::hex("6000080000000000"), test::hex("2800080000000000"),
            test::hex("2400080000000000"), test::hex("2001080000000000")};
  }
};

}  // namespace weft::conformance
