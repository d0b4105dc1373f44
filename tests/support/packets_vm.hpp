#pragma once
/// Packets as scapy 2.5 makes them, in hexadecimal; the expression stands above each. What they
/// have in common:
///
///   vm1, vm2, vm3, vm4 = "02:00:00:00:01:01", "…:02:01", "…:01:03", "…:01:04"
///   blue, red, far = "02:00:5e:00:01:01", "02:00:5e:00:02:01", "02:00:5e:00:01:02"
///   fab, peer, peer6 = "02:00:00:00:0f:01", "…:0f:02", "…:0f:06"
///   from_peer = Ether(dst=fab, src=peer)/IP(src="192.0.2.2", dst="192.0.2.1", id=0, flags="DF")
///   from_peer6 = Ether(dst=fab, src=peer6)/IPv6(src="2001:db8::2", dst="2001:db8::1")
///   to_peer = Ether(dst=peer, src=fab)/IP(src="192.0.2.1", dst="192.0.2.2", id=0, flags="DF")
///   to_peer6 = Ether(dst=peer6, src=fab)/IPv6(src="2001:db8::1", dst="2001:db8::2")
///   into_blue = Ether(dst=blue, src=far)
///   def ip4(src, dst, ttl=64, **more): return IP(src=src, dst=dst, ttl=ttl, id=7, flags="DF",
///      **more)
///   def ip6(src, dst, hlim=64, **more): return IPv6(src=src, dst=dst, hlim=hlim, **more)
///   def vxlan(vni, **more): return UDP(sport=50000, dport=4789, **more)/VXLAN(flags=8, vni=vni)
///   udp = UDP(sport=1000, dport=2000)/b"weft"
///   tcp = TCP(sport=1000, dport=443, seq=7, ack=9, flags="PA")/b"odd"
///   into_underlay = Ether(dst="02:00:5e:00:00:01", src=far)
///   nested = IP(src="192.0.2.2", dst="192.0.2.1", id=0, flags="DF")
///   def nest(depth, inside): return inside if depth == 0 else into_underlay/nested/vxlan(300,
///      chksum=0)/nest(depth - 1, inside)

#include <string_view>

namespace weft::packets {

// From vm1, and the same as it leaves through the tunnels.

// Ether(dst=blue, src=vm1)/ip4("10.1.0.11", "10.1.0.12")/udp
inline constexpr std::string_view vm1_udp4 =
    "02005e00010102000000010108004500002000074000401126ae0a01000b0a01000c03e807d0000c022c7765"
    "6674";

// to_peer/vxlan(100, chksum=0)/Ether(dst=far, src=blue)/ip4("10.1.0.11", "10.1.0.12", 63)/udp
inline constexpr std::string_view vm1_udp4_in_v4 =
    "020000000f02020000000f01080045000052000040004011b697c0000201c0000202c35012b5003e00000800"
    "00000000640002005e00010202005e000101080045000020000740003f1127ae0a01000b0a01000c03e807d0"
    "000c022c77656674";

// Ether(dst=blue, src=vm1)/ip6("fd00:1::11", "fd00:1::12")/tcp
inline constexpr std::string_view vm1_tcp6 =
    "02005e00010102000000010186dd6000000000170640fd000001000000000000000000000011fd0000010000"
    "0000000000000000001203e801bb000000070000000950182000bc8b00006f6464";

// to_peer/vxlan(100, chksum=0)/Ether(dst=far, src=blue)/ip6("fd00:1::11", "fd00:1::12", 63)/tcp
inline constexpr std::string_view vm1_tcp6_in_v4 =
    "020000000f02020000000f01080045000071000040004011b678c0000201c0000202c35012b5005d00000800"
    "00000000640002005e00010202005e00010186dd600000000017063ffd000001000000000000000000000011"
    "fd00000100000000000000000000001203e801bb000000070000000950182000bc8b00006f6464";

// Ether(dst=blue, src=vm1)/ip4("10.1.0.11", "10.1.1.5")/tcp
inline constexpr std::string_view vm1_tcp4 =
    "02005e00010102000000010108004500002b00074000400625b50a01000b0a01010503e801bb000000070000"
    "000950182000a1a000006f6464";

// to_peer6/vxlan(100)/Ether(dst=far, src=blue)/ip4("10.1.0.11", "10.1.1.5", 63)/tcp
inline constexpr std::string_view vm1_tcp4_in_v6 =
    "020000000f06020000000f0186dd600000000049114020010db800000000000000000000000120010db80000"
    "00000000000000000002c35012b50049ad0c080000000000640002005e00010202005e00010108004500002b"
    "000740003f0626b50a01000b0a01010503e801bb000000070000000950182000a1a000006f6464";

// Ether(dst=blue, src=vm1)/ip6("fd00:1::11", "fd00:2::5")/udp
inline constexpr std::string_view vm1_udp6 =
    "02005e00010102000000010186dd60000000000c1140fd000001000000000000000000000011fd0000020000"
    "0000000000000000000503e807d0000c1c2a77656674";

// to_peer6/vxlan(100)/Ether(dst=far, src=blue)/ip6("fd00:1::11", "fd00:2::5", 63)/udp
inline constexpr std::string_view vm1_udp6_in_v6 =
    "020000000f06020000000f0186dd600000000052114020010db800000000000000000000000120010db80000"
    "00000000000000000002c35012b50052a7bf080000000000640002005e00010202005e00010186dd60000000"
    "000c113ffd000001000000000000000000000011fd00000200000000000000000000000503e807d0000c1c2a"
    "77656674";

// Ether(dst=blue, src=vm1)/ip4("10.1.0.11", "10.1.2.5")/udp
inline constexpr std::string_view vm1_udp4_zero =
    "02005e00010102000000010108004500002000074000401124b50a01000b0a01020503e807d0000c00337765"
    "6674";

// to_peer6/vxlan(100, chksum=0)/Ether(dst=far, src=blue)/ip4("10.1.0.11", "10.1.2.5", 63)/udp
inline constexpr std::string_view vm1_udp4_zero_in_v6 =
    "020000000f06020000000f0186dd60000000003e114020010db800000000000000000000000120010db80000"
    "00000000000000000002c35012b5003e0000080000000000640002005e00010202005e000101080045000020"
    "000740003f1125b50a01000b0a01020503e807d0000c003377656674";

// Ether(dst=blue, src=vm1)/ip4("10.1.0.11", "10.1.0.12", options=[IPOption_RR()])/udp
inline constexpr std::string_view vm1_options4 =
    "02005e0001010200000001010800460000240007400040111aa70a01000b0a01000c0703040003e807d0000c"
    "022c77656674";

// to_peer/vxlan(100, chksum=0)/Ether(dst=far, src=blue)/ip4("10.1.0.11", "10.1.0.12", 63,
//    options=[IPOption_RR()])/udp
inline constexpr std::string_view vm1_options4_in_v4 =
    "020000000f02020000000f01080045000056000040004011b693c0000201c0000202c35012b5004200000800"
    "00000000640002005e00010202005e000101080046000024000740003f111ba70a01000b0a01000c07030400"
    "03e807d0000c022c77656674";

// Ether(dst=blue, src=vm1)/ip4("10.1.0.11", "10.1.0.13")/udp
inline constexpr std::string_view vm1_local4 =
    "02005e00010102000000010108004500002000074000401126ad0a01000b0a01000d03e807d0000c022b7765"
    "6674";

// Ether(dst=vm3, src=blue)/ip4("10.1.0.11", "10.1.0.13", 63)/udp
inline constexpr std::string_view vm1_local4_out =
    "02000000010302005e000101080045000020000740003f1127ad0a01000b0a01000d03e807d0000c022b7765"
    "6674";

// Ether(dst=blue, src=vm1)/ip6("fd00:1::11", "fd00:1::13")/udp
inline constexpr std::string_view vm1_local6 =
    "02005e00010102000000010186dd60000000000c1140fd000001000000000000000000000011fd0000010000"
    "0000000000000000001303e807d0000c1c1d77656674";

// Ether(dst=vm3, src=blue)/ip6("fd00:1::11", "fd00:1::13", 63)/udp
inline constexpr std::string_view vm1_local6_out =
    "02000000010302005e00010186dd60000000000c113ffd000001000000000000000000000011fd0000010000"
    "0000000000000000001303e807d0000c1c1d77656674";

// Ether(dst=blue, src=vm1)/IP(src="10.1.0.11", dst="10.1.0.13", id=7, flags="MF")/UDP(sport=1000,
//    dport=2000, len=24, chksum=0)/(b"x"*8)
inline constexpr std::string_view vm1_fragment4 =
    "02005e00010102000000010108004500002400072000401146a90a01000b0a01000d03e807d0001800007878"
    "787878787878";

// Ether(dst=blue, src=vm1)/ip6("fd00:1::11",
//    "fd00:1::13")/IPv6ExtHdrHopByHop()/IPv6ExtHdrDestOpt()/udp
inline constexpr std::string_view vm1_extensions6 =
    "02005e00010102000000010186dd60000000001c0040fd000001000000000000000000000011fd0000010000"
    "000000000000000000133c00010400000000110001040000000003e807d0000c1c1d77656674";

// Ether(dst=blue, src=vm1)/ip4("10.1.0.11", "10.1.0.1")/ICMP(id=5, seq=1)/b"ping"
inline constexpr std::string_view vm1_to_router4 =
    "02005e00010102000000010108004500002000074000400126c90a01000b0a01000108001929000500017069"
    "6e67";

// Ether(dst=blue, src=vm1)/ip6("fd00:1::11", "fd00:1::1")/ICMPv6EchoRequest(id=5, seq=1,
//    data=b"ping")
inline constexpr std::string_view vm1_to_router6 =
    "02005e00010102000000010186dd60000000000c3a40fd000001000000000000000000000011fd0000010000"
    "000000000000000000018000a6cc0005000170696e67";

// Ether(dst="ff:ff:ff:ff:ff:ff", src=vm1)/ARP(op=1, hwsrc=vm1, psrc="10.1.0.11", pdst="10.1.0.1")
inline constexpr std::string_view vm1_arp =
    "ffffffffffff020000000101080600010800060400010200000001010a01000b0000000000000a010001";

// Ether(dst="33:33:ff:00:00:01", src=vm1)/IPv6(src="fd00:1::11", dst="ff02::1:ff00:1",
//    hlim=255)/ICMPv6ND_NS(tgt="fd00:1::1")/ICMPv6NDOptSrcLLAddr(lladdr=vm1)
inline constexpr std::string_view vm1_nd =
    "3333ff00000102000000010186dd6000000000203afffd000001000000000000000000000011ff0200000000"
    "000000000001ff00000187007c8700000000fd0000010000000000000000000000010101020000000101";

// Ether(dst="33:33:ff:00:00:11", src=vm1)/IPv6(src="::", dst="ff02::1:ff00:11",
//    hlim=255)/ICMPv6ND_NS(tgt="fd00:1::11")
inline constexpr std::string_view vm1_dad =
    "3333ff00001102000000010186dd6000000000183aff00000000000000000000000000000000ff0200000000"
    "000000000001ff00001187007d8400000000fd000001000000000000000000000011";

// Ether(dst="33:33:00:00:00:16", src=vm1)/IPv6(src="fe80::11", dst="ff02::16",
//    hlim=1)/IPv6ExtHdrHopByHop(options=[RouterAlert()])/ICMPv6MLReport2()
inline constexpr std::string_view vm1_mld =
    "33330000001602000000010186dd6000000000100001fe800000000000000000000000000011ff0200000000"
    "000000000000000000163a000502000001008f00731200000000";

// Ether(dst="ff:ff:ff:ff:ff:ff", src=vm1)/ip4("10.1.0.11", "10.1.0.255")/udp
inline constexpr std::string_view vm1_broadcast4 =
    "ffffffffffff02000000010108004500002000074000401125bb0a01000b0a0100ff03e807d0000c01397765"
    "6674";

// Ether(dst=blue, src=vm1)/Dot1Q(vlan=5)/ip4("10.1.0.11", "10.1.0.12")/udp
inline constexpr std::string_view vm1_vlan =
    "02005e0001010200000001018100000508004500002000074000401126ae0a01000b0a01000c03e807d0000c"
    "022c77656674";

// From vm2, who is of the red VRF and has vm1's addresses.

// Ether(dst=red, src=vm2)/ip4("10.1.0.11", "10.1.0.12")/udp
inline constexpr std::string_view vm2_udp4 =
    "02005e00020102000000020108004500002000074000401126ae0a01000b0a01000c03e807d0000c022c7765"
    "6674";

// to_peer/vxlan(200, chksum=0)/Ether(dst="02:00:5e:00:02:02", src=red)/ip4("10.1.0.11",
//    "10.1.0.12", 63)/udp
inline constexpr std::string_view vm2_udp4_in_v4 =
    "020000000f02020000000f01080045000052000040004011b697c0000201c0000202c35012b5003e00000800"
    "00000000c80002005e00020202005e000201080045000020000740003f1127ae0a01000b0a01000c03e807d0"
    "000c022c77656674";

// From vm4, whose port may leave checksums unfinished.

// Ether(dst=blue, src=vm4)/ip4("10.1.0.14", "10.1.0.13")/udp
inline constexpr std::string_view vm4_udp4 =
    "02005e00010102000000010408004500002000074000401126aa0a01000e0a01000d03e807d0000c02287765"
    "6674";

// Ether(dst=blue, src=vm4)/ip6("fd00:1::14", "fd00:1::13")/tcp
inline constexpr std::string_view vm4_tcp6 =
    "02005e00010102000000010486dd6000000000170640fd000001000000000000000000000014fd0000010000"
    "0000000000000000001303e801bb000000070000000950182000bc8700006f6464";

// Frames of the router's own.

// ip4("10.1.0.1", "10.1.0.12")/ICMP(type=0, id=5, seq=1)/b"ping"
inline constexpr std::string_view own_echo_reply =
    "4500002000074000400126c80a0100010a01000c000021290005000170696e67";

// to_peer/vxlan(100, chksum=0)/Ether(dst=far, src=blue)/ip4("10.1.0.1", "10.1.0.12")/ICMP(type=0,
//    id=5, seq=1)/b"ping"
inline constexpr std::string_view own_echo_reply_out =
    "020000000f02020000000f01080045000052000040004011b697c0000201c0000202c35012b5003e00000800"
    "00000000640002005e00010202005e00010108004500002000074000400126c80a0100010a01000c00002129"
    "0005000170696e67";

// ip6("fd00:1::1", "fd00:1::11")/ICMPv6EchoReply(id=5, seq=1, data=b"ping")
inline constexpr std::string_view own_echo_reply6 =
    "60000000000c3a40fd000001000000000000000000000001fd0000010000000000000000000000118100a5cc"
    "0005000170696e67";

// Ether(dst=vm1, src=blue)/ip6("fd00:1::1", "fd00:1::11")/ICMPv6EchoReply(id=5, seq=1,
//    data=b"ping")
inline constexpr std::string_view own_echo_reply6_out =
    "02000000010102005e00010186dd60000000000c3a40fd000001000000000000000000000001fd0000010000"
    "000000000000000000118100a5cc0005000170696e67";

// Ether(dst=far, src=blue)/ARP(op=2, hwsrc=blue, psrc="10.1.0.1", hwdst=far, pdst="10.1.0.12")
inline constexpr std::string_view own_arp =
    "02005e00010202005e0001010806000108000604000202005e0001010a01000102005e0001020a01000c";

// to_peer/vxlan(100, chksum=0)/Ether(dst=far, src=blue)/ARP(op=2, hwsrc=blue, psrc="10.1.0.1",
//    hwdst=far, pdst="10.1.0.12")
inline constexpr std::string_view own_arp_in_v4 =
    "020000000f02020000000f0108004500004e000040004011b69bc0000201c0000202c35012b5003a00000800"
    "00000000640002005e00010202005e0001010806000108000604000202005e0001010a01000102005e000102"
    "0a01000c";

// to_peer6/vxlan(100)/Ether(dst=far, src=blue)/ARP(op=2, hwsrc=blue, psrc="10.1.0.1", hwdst=far,
//    pdst="10.1.0.12")
inline constexpr std::string_view own_arp_in_v6 =
    "020000000f06020000000f0186dd60000000003a114020010db800000000000000000000000120010db80000"
    "00000000000000000002c35012b5003ab3db080000000000640002005e00010202005e000101080600010800"
    "0604000202005e0001010a01000102005e0001020a01000c";

}  // namespace weft::packets
