#pragma once
/// NSH (RFC 8300) in VXLAN-GPE, in GRE and on Ethernet.

#include "conformance/traits.hpp"

namespace weft::conformance {

/// What the kinds share. The generators, with scapy.contrib.nsh, whose metadata is given by hand:
///
///    def nsh(path, index, next, context=b"\0"*16):
///      return raw(NSH(ttl=63, mdtype=1, length=6, nextproto=next, spi=path, si=index,
///        context_header=context))
///    def nsh2(path, index, next, tlvs, length):
///      return raw(NSH(ttl=63, mdtype=2, length=length, nextproto=next, spi=path,
///        si=index))[:8]+b"".join(tlvs)
///    tlv = lambda c, t, d: raw(NSHTLV(class_=c, type=t, length=len(d)))[:4]+d+bytes(-len(d)%4)
///    gpe = lambda vni, np: VXLAN(flags=0x0c, vni=vni, NextProtocol=np)
struct NshTraits {
  /// A header of the least path and index, in front of IPv4.
  static constexpr std::string_view least = "0fc601010000000000000000000000000000000000000000";

  static std::vector<std::uint8_t> behind(std::string_view front, std::string_view nsh) {
    auto bytes = test::hex(front);
    const auto rest = test::hex(nsh);
    bytes.insert(bytes.end(), rest.begin(), rest.end());
    return bytes;
  }
  /// The U bits.
  static std::vector<std::uint8_t> reserved(std::string_view front) {
    return behind(front, "1000f000");
  }
  /// Another version; for operation and maintenance; MD types 0, 3 and 15; lengths that MD type 1
  /// and any header cannot have.
  static std::vector<std::vector<std::uint8_t>> invalid(std::string_view front) {
    std::vector<std::vector<std::uint8_t>> all;
    for (const std::string_view begin :
         {"4fc60101", "8fc60101", "2fc60101", "0fc60001", "0fc60301", "0fc60f01", "0fc50101",
          "0fc70101", "0fc20101", "0fc10201", "0fc00201"}) {
      all.push_back(behind(front, std::string(begin) + std::string(least.substr(8))));
    }
    return all;
  }
};

template <>
struct Traits<tunnel::NshOverVxlanGpe> : NshTraits {
  static std::vector<Golden> golden() {
    const Row rows[] = {
        // v4(udp(4790)/gpe(7, 4)/nsh(0, 0, 3)/eth(0x800))
        {.vni = 0,
         .header = "4500009e0000400040114e18c0000201c6336402c00012b6008a00000c00000400000700"
                   "0fc60103000000000000000000000000000000000000000002005e00010102005e0002010800"},
        // v6(udp(4790)/gpe(7, 4)/nsh(0xffffff, 255, 2, bytes(range(16))), tc=184)
        {.v4 = false,
         .vni = 0xffffffff,
         .payload = TunnelPayload::ip,
         .inner_v4 = false,
         .dscp = 46,
         .context = "000102030405060708090a0b0c0d0e0f",
         .header =
             "6b800000007c114020010db800000000000000000000000120010db8000000010000000000000002"
             "c00012b6007c00000c000004000007000fc60102ffffffff000102030405060708090a0b0c0d0e0f"},
        // v4(udp(4790)/gpe(0xffffff, 4)/nsh2(100, 1, 1, [tlv(0x0102, 3, b"")], 3))
        {.vni = nsh_network(100, 1),
         .payload = TunnelPayload::ip,
         .options = {{0x0102, 3, {}}},
         .carrier_network = 0xffffff,
         .header = "450000840000400040114e32c0000201c6336402c00012b600700000"
                   "0c000004ffffff000fc302010000640101020300"},
    };
    return golden_of(tunnel::NshOverVxlanGpe::kind, rows);
  }

  static constexpr std::string_view front = "0c00000400000700";
  static std::vector<std::uint8_t> plain() { return behind(front, least); }
  static std::vector<std::uint8_t> reserved() { return NshTraits::reserved("c2ffff00000000ff"); }
  static std::vector<std::vector<std::uint8_t>> invalid() {
    auto all = NshTraits::invalid(front);
    for (const std::string_view gpe :
         {"0400000400000700", "1c00000400000700", "0d00000400000700"}) {
      all.push_back(behind(gpe, least));
    }
    return all;
  }
};

template <>
struct Traits<tunnel::NshOverGre> : NshTraits {
  static std::vector<Golden> golden() {
    const Row rows[] = {
        // v4(GRE(proto=0x894f)/nsh(0, 0, 1))
        {.vni = 0,
         .payload = TunnelPayload::ip,
         .header = "4500008400004000402f4e14c0000201c63364020000894f"
                   "0fc601010000000000000000000000000000000000000000"},
        // v6(GRE(proto=0x894f, key_present=1, key=0x12345678)/nsh(0x123456, 0x78, 2))
        {.v4 = false,
         .vni = nsh_network(0x123456, 0x78),
         .payload = TunnelPayload::ip,
         .inner_v4 = false,
         .carrier_network = 0x12345678,
         .header =
             "6000000000742f4020010db800000000000000000000000120010db8000000010000000000000002"
             "2000894f123456780fc601021234567800000000000000000000000000000000"},
        // v4(GRE(proto=0x894f)/nsh(5, 254, 3)/eth(0x86dd))
        {.vni = nsh_network(5, 254),
         .inner_v4 = false,
         .header = "4500009200004000402f4e06c0000201c63364020000894f"
                   "0fc60103000005fe00000000000000000000000000000000"
                   "02005e00010102005e00020186dd"},
        // v4(GRE(proto=0x894f)/nsh2(100, 200, 2,
        //   [tlv(0x0102, 3, b"\x2a\x2b"), tlv(0xffff, 0, bytes(5))], 7))
        {.vni = nsh_network(100, 200),
         .payload = TunnelPayload::ip,
         .inner_v4 = false,
         .options = {{0x0102, 3, {0x2a, 0x2b}}, {0xffff, 0, std::vector<std::uint8_t>(5)}},
         .header = "4500008800004000402f4e10c0000201c63364020000894f0fc70202000064c8"
                   "010203022a2b0000ffff00050000000000000000"},
    };
    return golden_of(tunnel::NshOverGre::kind, rows);
  }

  static constexpr std::string_view front = "0000894f";
  static std::vector<std::uint8_t> plain() { return behind(front, least); }
  static std::vector<std::uint8_t> reserved() { return NshTraits::reserved("03f80000"); }
  static std::vector<std::vector<std::uint8_t>> invalid() {
    auto all = NshTraits::invalid(front);
    for (const std::string_view gre : {"4000894f", "0001894f"}) all.push_back(behind(gre, least));
    return all;
  }
};

template <>
struct Traits<tunnel::NshOverEthernet> : NshTraits {
  static std::vector<Golden> golden() {
    const Row rows[] = {
        // nsh(0, 0, 1)
        {.vni = 0, .payload = TunnelPayload::ip, .header = least},
        // nsh(5, 254, 3)+raw(eth(0x800))
        {.vni = nsh_network(5, 254),
         .header = "0fc60103000005fe00000000000000000000000000000000"
                   "02005e00010102005e0002010800"},
    };
    return golden_of(tunnel::NshOverEthernet::kind, rows);
  }

  static std::vector<std::uint8_t> plain() { return behind("", least); }
  static std::vector<std::uint8_t> reserved() { return NshTraits::reserved(""); }
  static std::vector<std::vector<std::uint8_t>> invalid() { return NshTraits::invalid(""); }
};

}  // namespace weft::conformance
