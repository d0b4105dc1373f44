#pragma once
/// GENEVE (RFC 8926).

#include "conformance/traits.hpp"

namespace weft::conformance {

template <>
struct Traits<tunnel::Geneve> {
  // gnv = lambda vni, proto: GENEVE(vni=vni, proto=proto)  # scapy.contrib.geneve
  static std::vector<Golden> golden() {
    const Row rows[] = {
        // v4(udp(6081)/gnv(0, 0x6558)/eth(0x800))
        {.header = "450000860000400040114e30c0000201c6336402"
                   "c00017c100720000000065580000000002005e00010102005e0002010800"},
        // v4(udp(6081, 65535)/gnv(0xffffff, 0x0800), tos=184, ttl=1, n=1450)
        {.vni = 0xffffff,
         .payload = TunnelPayload::ip,
         .inner_bytes = 1450,
         .ttl = 1,
         .dscp = 46,
         .source_port = 65535,
         .header = "45b805ce0000400001118730c0000201c6336402"
                   "ffff17c105ba000000000800ffffff00"},
        // v6(udp(6081)/gnv(1, 0x86dd))
        {.v4 = false,
         .vni = 1,
         .payload = TunnelPayload::ip,
         .inner_v4 = false,
         .header =
             "600000000064114020010db800000000000000000000000120010db8000000010000000000000002"
             "c00017c100640000000086dd00000100"},
        // v6(udp(6082, 1)/gnv(0xffffff, 0x6558)/eth(0x86dd), tc=252, hlim=255, n=1430)
        {.v4 = false,
         .vni = 0xffffff,
         .inner_bytes = 1430,
         .inner_v4 = false,
         .ttl = 255,
         .dscp = 63,
         .port = 6082,
         .source_port = 1,
         .header =
             "6fc0000005b411ff20010db800000000000000000000000120010db8000000010000000000000002"
             "000117c205b4000000006558ffffff0002005e00010102005e00020186dd"},
        // gnv(7, 0x6558, critical=1, options=[
        //   GeneveOptions(classid=0x102, type=1, data=bytes.fromhex("0000002a")),
        //   GeneveOptions(classid=0xffff, type=0x80)])
        {.vni = 7,
         .options = {{0x0102, 0x01, {0, 0, 0, 42}}, {0xffff, 0x80, {}}},
         .header = "450000920000400040114e24c0000201c6336402c00017c1007e0000"
                   "0340655800000700010201010000002affff8000"
                   "02005e00010102005e0002010800"},
        // v6(udp(6081)/gnv(8, 0x0800, optionlen=63, options=[
        //   GeneveOptions(classid=1, type=2, data=bytes(124)),
        //   GeneveOptions(classid=1, type=3, data=bytes(120))]))
        {.v4 = false,
         .vni = 8,
         .payload = TunnelPayload::ip,
         .options = {{1, 2, std::vector<std::uint8_t>(124)},
                     {1, 3, std::vector<std::uint8_t>(120)}},
         .header = most_options},
    };
    return golden_of(tunnel::Geneve::kind, rows);
  }

  /// 252 bytes.
  static constexpr std::string_view most_options =
      "600000000160114020010db800000000000000000000000120010db8000000010000000000000002"
      "c00017c1016000003f000800000008000001021f0000000000000000000000000000000000000000"
      "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
      "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
      "0000000000000000000000000000000000000000000000000001031e000000000000000000000000"
      "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
      "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
      "00000000000000000000000000000000000000000000000000000000";

  static std::vector<std::uint8_t> plain() { return test::hex("0000655800000000"); }

  /// RFC 8926 §3.4: six flags, 8 bits behind the VNI.
  static std::vector<std::uint8_t> reserved() { return test::hex("003f0000000000ff"); }

  /// Of another version; for control; with an option that is longer than all of them.
  static std::vector<std::vector<std::uint8_t>> invalid() {
    return {test::hex("4000655800000000"), test::hex("c000655800000000"),
            test::hex("0080655800000000"), test::hex("010065580000000001020301")};
  }
};

}  // namespace weft::conformance
