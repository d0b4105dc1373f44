#pragma once
/// VXLAN (RFC 7348).

#include "conformance/traits.hpp"
#include "support/hex.hpp"

namespace weft::conformance {

template <>
struct Traits<tunnel::Vxlan> {
  // def v4(vni, tos=0, ttl=64, src=49152, dport=4789, n=84):
  //   return raw(IP(src="192.0.2.1", dst="198.51.100.2", id=0, flags="DF", tos=tos, ttl=ttl)
  //     /UDP(sport=src, dport=dport, chksum=0)/VXLAN(flags=8, vni=vni)
  //     /Ether(dst="02:00:5e:00:01:01", src="02:00:5e:00:02:01", type=0x0800)/(b"x"*n))[:-n].hex()
  // def v6(vni, tc=0, hlim=64, src=49152, dport=4789, n=84):
  //   return raw(IPv6(src="2001:db8::1", dst="2001:db8:0:1::2", tc=tc, hlim=hlim)
  //     /UDP(sport=src, dport=dport, chksum=0)/VXLAN(flags=8, vni=vni)
  //     /Ether(dst="02:00:5e:00:01:01", src="02:00:5e:00:02:01", type=0x86dd)/(b"x"*n))[:-n].hex()
  static std::vector<Golden> golden() {
    const MacAddress to{{2, 0, 0x5e, 0, 1, 1}};
    const MacAddress from{{2, 0, 0x5e, 0, 2, 1}};
    const IpAddress local4 = *parse_ip("192.0.2.1");
    const IpAddress remote4 = *parse_ip("198.51.100.2");
    const IpAddress local6 = *parse_ip("2001:db8::1");
    const IpAddress remote6 = *parse_ip("2001:db8:0:1::2");
    const auto v4 = [&](std::uint32_t vni, std::uint16_t port, std::uint8_t ttl,
                        std::uint8_t dscp) {
      return TunnelProfile{.kind = TunnelKind::vxlan,
                           .local = local4,
                           .remote = remote4,
                           .vni = vni,
                           .destination_port = port,
                           .source_ports = {},
                           .payload = TunnelPayload::ethernet,
                           .inner_destination_mac = to,
                           .ttl = ttl,
                           .dscp = dscp};
    };
    const auto v6 = [&](std::uint32_t vni, std::uint16_t port, std::uint8_t ttl,
                        std::uint8_t dscp) {
      TunnelProfile profile = v4(vni, port, ttl, dscp);
      profile.local = local6;
      profile.remote = remote6;
      profile.zero_udp_checksum6 = true;
      return profile;
    };
    TunnelProfile some = v4(7, 4789, 64, 0);
    some.reserved = 0x021234560000005a;
    TunnelProfile most = v6(7, 4789, 64, 0);
    most.reserved = 0x73ffffff000000ff;
    return {
        // v4(0)
        {v4(0, 4789, 64, 0), 84, true, from, 49152,
         "450000860000400040114e30c0000201c6336402 c00012b500720000 0800000000000000"
         "02005e00010102005e0002010800"},
        // v4(1, tos=184, ttl=1, src=65535, dport=8472, n=1450)
        {v4(1, 8472, 1, 46), 1450, true, from, 65535,
         "45b805dc0000400001118722c0000201c6336402 ffff211805c80000 0800000000000100"
         "02005e00010102005e0002010800"},
        // v4(0xffffff, tos=252, ttl=255, src=1, dport=65535, n=65485)
        {v4(0xffffff, 65535, 255, 63), 65485, true, from, 1,
         "45fcffff00004000ff118eb9c0000201c6336402 0001ffffffeb0000 08000000ffffff00"
         "02005e00010102005e0002010800"},
        // v6(0)
        {v6(0, 4789, 64, 0), 84, false, from, 49152,
         "6000000000721140 20010db8000000000000000000000001 20010db8000000010000000000000002"
         "c00012b500720000 0800000000000000 02005e00010102005e00020186dd"},
        // v6(1, tc=184, hlim=1, src=65535, dport=8472, n=1430)
        {v6(1, 8472, 1, 46), 1430, false, from, 65535,
         "6b80000005b41101 20010db8000000000000000000000001 20010db8000000010000000000000002"
         "ffff211805b40000 0800000000000100 02005e00010102005e00020186dd"},
        // v6(0xffffff, tc=252, hlim=255, src=1, dport=65535, n=65465)
        {v6(0xffffff, 65535, 255, 63), 65465, false, from, 1,
         "6fc00000ffd711ff 20010db8000000000000000000000001 20010db8000000010000000000000002"
         "0001ffffffd70000 08000000ffffff00 02005e00010102005e00020186dd"},
        // v4(7) with VXLAN(flags=0x0a, reserved1=0x123456, reserved2=0x5a)
        {some, 84, true, from, 49152,
         "450000860000400040114e30c0000201c6336402"
         "c00012b5007200000a1234560000075a02005e00010102005e0002010800"},
        // v6(7) with VXLAN(flags=0x7b, reserved1=0xffffff, reserved2=0xff)
        {most, 84, false, from, 49152,
         "600000000072114020010db800000000000000000000000120010db8000000010000000000000002"
         "c00012b5007200007bffffff000007ff02005e00010102005e00020186dd"},
    };
  }

  static std::vector<std::uint8_t> plain() { return test::hex("0800000000000000"); }

  /// RFC 7348 §5: all flags but I, 24 bits behind them, 8 behind the VNI.
  static std::vector<std::uint8_t> reserved() { return test::hex("f7ffffff000000ff"); }

  /// Without the I flag, alone and with every other bit.
  static std::vector<std::vector<std::uint8_t>> invalid() {
    return {test::hex("0000000000000000"), test::hex("0000000000006400"),
            test::hex("f7ffffffffffffff")};
  }
};

}  // namespace weft::conformance
