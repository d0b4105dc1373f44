#pragma once
/// VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe).

#include "conformance/traits.hpp"

namespace weft::conformance {

template <>
struct Traits<tunnel::VxlanGpe> {
  // gpe = lambda vni, np: VXLAN(flags=0x0c, vni=vni, NextProtocol=np)
  static std::vector<Golden> golden() {
    const Row rows[] = {
        // v4(udp(4790)/gpe(0, 3)/eth(0x800))
        {.header = "450000860000400040114e30c0000201c6336402"
                   "c00012b6007200000c0000030000000002005e00010102005e0002010800"},
        // v4(udp(4790, 65535)/gpe(0xffffff, 1), tos=184, ttl=1, n=1450)
        {.vni = 0xffffff,
         .payload = TunnelPayload::ip,
         .inner_bytes = 1450,
         .ttl = 1,
         .dscp = 46,
         .source_port = 65535,
         .header = "45b805ce0000400001118730c0000201c6336402"
                   "ffff12b605ba00000c000001ffffff00"},
        // v6(udp(4790)/gpe(1, 2))
        {.v4 = false,
         .vni = 1,
         .payload = TunnelPayload::ip,
         .inner_v4 = false,
         .header =
             "600000000064114020010db800000000000000000000000120010db8000000010000000000000002"
             "c00012b6006400000c00000200000100"},
        // v6(udp(4791, 1)/gpe(0xffffff, 3)/eth(0x86dd), tc=252, hlim=255, n=1430)
        {.v4 = false,
         .vni = 0xffffff,
         .inner_bytes = 1430,
         .inner_v4 = false,
         .ttl = 255,
         .dscp = 63,
         .port = 4791,
         .source_port = 1,
         .header =
             "6fc0000005b411ff20010db800000000000000000000000120010db8000000010000000000000002"
             "000112b705b400000c000003ffffff0002005e00010102005e00020186dd"},
        // v4(udp(4790)/VXLAN(flags=0x4c, reserved0=0xabcd, NextProtocol=1, vni=7, reserved2=1))
        {.vni = 7,
         .payload = TunnelPayload::ip,
         .reserved = 0x40abcd0000000001,
         .header = "450000780000400040114e3ec0000201c6336402"
                   "c00012b6006400004cabcd0100000701"},
        // v6(udp(4790)/VXLAN(flags=0x4c, reserved0=0x1234, NextProtocol=3, vni=7, reserved2=0x5a)
        //   /eth(0x86dd))
        {.v4 = false,
         .vni = 7,
         .inner_v4 = false,
         .reserved = 0x401234000000005a,
         .header =
             "600000000072114020010db800000000000000000000000120010db8000000010000000000000002"
             "c00012b6007200004c1234030000075a02005e00010102005e00020186dd"},
    };
    return golden_of(tunnel::VxlanGpe::kind, rows);
  }

  static std::vector<std::uint8_t> plain() { return test::hex("0c00000300000000"); }

  /// Bits 0, 1 and 6 of the flags, 16 bits behind them, 8 behind the VNI.
  static std::vector<std::uint8_t> reserved() { return test::hex("c2ffff00000000ff"); }

  /// Without the I flag; of another version; for operation and maintenance.
  static std::vector<std::vector<std::uint8_t>> invalid() {
    return {test::hex("0400000300000000"), test::hex("1c00000300000000"),
            test::hex("3c00000300000000"), test::hex("0d00000300000000")};
  }
};

}  // namespace weft::conformance
