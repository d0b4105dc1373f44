#pragma once
/// MPLS in UDP (RFC 7510), in GRE (RFC 4023) and on Ethernet (RFC 3032).

#include "conformance/traits.hpp"

namespace weft::conformance {

template <>
struct Traits<tunnel::MplsOverUdp> {
  // label = lambda label, ttl=64: MPLS(label=label, s=1, ttl=ttl)  # scapy.contrib.mpls
  static std::vector<Golden> golden() {
    const Row rows[] = {
        // v4(udp(6635)/label(16))
        {.vni = 16,
         .payload = TunnelPayload::ip,
         .header = "450000740000400040114e42c0000201c6336402"
                   "c00019eb0060000000010140"},
        // v4(udp(51234, 65535)/label(0xfffff, 1), tos=184, ttl=1, n=1450)
        {.vni = 0xfffff,
         .payload = TunnelPayload::ip,
         .inner_bytes = 1450,
         .ttl = 1,
         .dscp = 46,
         .port = 51234,
         .source_port = 65535,
         .header = "45b805ca0000400001118734c0000201c6336402"
                   "ffffc82205b60000fffff101"},
        // v6(udp(6635)/label(100))
        {.v4 = false,
         .vni = 100,
         .payload = TunnelPayload::ip,
         .inner_v4 = false,
         .header =
             "600000000060114020010db800000000000000000000000120010db8000000010000000000000002"
             "c00019eb0060000000064140"},
        // v4(udp(6635)/MPLS(label=16, s=0, ttl=64)/MPLS(label=0xfffff, s=0, ttl=64)/label(100))
        {.vni = 100,
         .payload = TunnelPayload::ip,
         .labels = {16, 0xfffff},
         .header = "4500007c0000400040114e3ac0000201c6336402"
                   "c00019eb0068000000010040fffff04000064140"},
    };
    return golden_of(tunnel::MplsOverUdp::kind, rows);
  }

  static std::vector<std::uint8_t> plain() { return test::hex("00010140"); }

  /// The traffic class is sent as zero, and not looked at.
  static std::vector<std::uint8_t> reserved() { return test::hex("00000e00"); }

  /// Eight labels of which none is the last.
  static std::vector<std::vector<std::uint8_t>> invalid() {
    return {test::hex("0001004000010040000100400001004000010040000100400001004000010040")};
  }
};

template <>
struct Traits<tunnel::MplsOverGre> {
  static std::vector<Golden> golden() {
    const Row rows[] = {
        // v4(GRE(proto=0x8847)/label(16))
        {.vni = 16,
         .payload = TunnelPayload::ip,
         .header = "4500007000004000402f4e28c0000201c6336402"
                   "0000884700010140"},
        // v4(GRE(proto=0x8847)/label(0xfffff, 1), tos=184, ttl=1, n=1450)
        {.vni = 0xfffff,
         .payload = TunnelPayload::ip,
         .inner_bytes = 1450,
         .ttl = 1,
         .dscp = 46,
         .header = "45b805c600004000012f871ac0000201c6336402"
                   "00008847fffff101"},
        // v6(GRE(proto=0x8847)/label(100))
        {.v4 = false,
         .vni = 100,
         .payload = TunnelPayload::ip,
         .inner_v4 = false,
         .header =
             "60000000005c2f4020010db800000000000000000000000120010db8000000010000000000000002"
             "0000884700064140"},
        // v4(GRE(proto=0x8847)/stack(20, 21, 22, 23, 24, 25, 26, 27)), TTL 9 in all labels
        {.vni = 27,
         .payload = TunnelPayload::ip,
         .ttl = 9,
         .labels = {20, 21, 22, 23, 24, 25, 26},
         .header = "4500008c00004000092f850cc0000201c6336402"
                   "000088470001400900015009000160090001700900018009000190090001a0090001b109"},
    };
    return golden_of(tunnel::MplsOverGre::kind, rows);
  }

  static std::vector<std::uint8_t> plain() { return test::hex("0000884700010140"); }

  /// RFC 2784 §2.3: bits 6 to 12. The traffic class is sent as zero, and not looked at.
  static std::vector<std::uint8_t> reserved() { return test::hex("03f8000000000e00"); }

  /// Eight labels of which none is the last; a flag that must be zero.
  static std::vector<std::vector<std::uint8_t>> invalid() {
    return {test::hex("000088470001004000010040000100400001004000010040000100400001004000010040"),
            test::hex("4000884700010140")};
  }
};

template <>
struct Traits<tunnel::MplsOverMpls> : Traits<tunnel::MplsOverUdp> {
  // label = lambda label, s=1, ttl=64: MPLS(label=label, s=s, ttl=ttl)  # scapy.contrib.mpls
  static std::vector<Golden> golden() {
    const Row rows[] = {
        // label(16)
        {.vni = 16, .payload = TunnelPayload::ip, .header = "00010140"},
        // label(0xfffff, ttl=9)
        {.vni = 0xfffff,
         .payload = TunnelPayload::ip,
         .inner_v4 = false,
         .ttl = 9,
         .header = "fffff109"},
        // label(17, 0)/label(18, 0)/label(1000)
        {.vni = 1000,
         .payload = TunnelPayload::ip,
         .labels = {17, 18},
         .header = "0001104000012040003e8140"},
        // the labels 20 to 27, each but the last with s=0 and all with ttl=9
        {.vni = 27,
         .payload = TunnelPayload::ip,
         .ttl = 9,
         .labels = {20, 21, 22, 23, 24, 25, 26},
         .header = "0001400900015009000160090001700900018009000190090001a0090001b109"},
    };
    return golden_of(tunnel::MplsOverMpls::kind, rows);
  }
};

}  // namespace weft::conformance
