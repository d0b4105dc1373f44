#pragma once
/// express, arriving: parse and decap for packets that nothing speaks against. A frame that is
/// refused here is as it was, and goes the general way, where it is found out why.

#include "stages/decap.hpp"
#include "stages/flow.hpp"
#include "stages/parse.hpp"
#include "stages/propagate.hpp"

namespace weft::stage {

/// UDP or TCP in one piece and not a fragment, in IPv4 without options or IPv6 without extension
/// headers, between addresses that are forwarded without a second look.
template <class Key>
struct PlainIp;

template <>
struct PlainIp<FlowKey4> {
  using Header = wire::Ipv4;
  static bool has_sole_source(const VifEntry* guard) {
    return guard != nullptr && guard->addresses4.size() == 1;
  }
  static wire::FramePattern pattern(const MacAddress& mac, const VifEntry* guard) {
    return wire::FramePattern::ipv4(mac, guard != nullptr ? &guard->mac : nullptr,
                                    has_sole_source(guard) ? guard->addresses4.data() : nullptr);
  }
  /// EtherType, version and length of the header, from the last bytes of the Ethernet header on.
  [[gnu::always_inline]] static bool begins(const std::uint8_t* l3) {
    std::uint32_t type_version;
    std::memcpy(&type_version, l3 - 2, sizeof type_version);
    return (type_version & 0xffffff) == 0x450008;
  }
  [[gnu::always_inline]] static bool begins_bare(const std::uint8_t* l3) { return *l3 == 0x45; }
  static std::uint32_t total_bytes(const Header& ip) { return ip.total_length.get(); }
  static std::uint8_t protocol(const Header& ip) { return ip.protocol; }
  /// What is particular to the family. The first octets tell of most addresses that they are not
  /// special.
  [[gnu::always_inline]] static bool sound(const Header& ip) {
    const auto* l3 = reinterpret_cast<const std::uint8_t*>(&ip);
    return wire::checksum20_valid(&ip) && !wire::special_octets[l3[12]] &&
           !wire::special_octets[l3[16]];
  }
  /// The pattern has that, too.
  [[gnu::always_inline]] static bool whole(const Header& ip) { return !ip.fragment(); }
  static bool owns(const VifEntry& guard, const Header& ip) {
    std::uint32_t raw;
    std::memcpy(&raw, &ip.source, sizeof raw);
    return guard.owns(raw);
  }
};

template <>
struct PlainIp<FlowKey6> {
  using Header = wire::Ipv6;
  static bool has_sole_source(const VifEntry*) { return false; }
  static wire::FramePattern pattern(const MacAddress& mac, const VifEntry* guard) {
    return wire::FramePattern::ipv6(mac, guard != nullptr ? &guard->mac : nullptr);
  }
  [[gnu::always_inline]] static bool begins(const std::uint8_t* l3) {
    std::uint32_t type_version;
    std::memcpy(&type_version, l3 - 2, sizeof type_version);
    return (type_version & 0xf0ffff) == 0x60dd86;
  }
  [[gnu::always_inline]] static bool begins_bare(const std::uint8_t* l3) { return *l3 >> 4 == 6; }
  static std::uint32_t total_bytes(const Header& ip) {
    return sizeof(Header) + ip.payload_length.get();
  }
  static std::uint8_t protocol(const Header& ip) { return ip.next_header; }
  /// Global and unique local unicast (RFC 4291 §2.4, RFC 4193).
  static bool plain(const Ipv6Address& address) {
    return address.bytes[0] >> 5 == 1 || address.bytes[0] >> 1 == 0x7e;
  }
  [[gnu::always_inline]] static bool sound(const Header& ip) {
    return plain(ip.source) && plain(ip.destination);
  }
  static bool whole(const Header&) { return true; }
  static bool owns(const VifEntry& guard, const Header& ip) { return guard.owns(ip.source); }
};

template <class Key>
constexpr PacketTraits plain_traits(FlowCare care, std::uint8_t l2_bytes) {
  return {.l4_offset = sizeof(typename PlainIp<Key>::Header),
          .v4 = is_key4<Key>,
          .l2_bytes = l2_bytes,
          .plain = true,
          .care = care};
}
/// All at once: g++ 12 would write one after the other.
[[gnu::always_inline]] inline void set_traits(ParsedPacket& p, const PacketTraits& traits) {
  const auto word = std::bit_cast<std::uint64_t>(traits);
  std::memcpy(static_cast<void*>(static_cast<PacketTraits*>(&p)), &word, sizeof word);
}

/// Whether the TCP header at `l4` does, which is not plain: its MSS may have to be lowered.
[[gnu::always_inline]] inline bool opens_connection(const std::uint8_t* l4) {
  return (reinterpret_cast<const wire::Tcp*>(l4)->flags & wire::tcp_flag::syn) != 0;
}

/// What is read of such a packet.
struct PlainHeaders {
  std::uint16_t l3_bytes = 0;  ///< 0: it is not one
  std::uint8_t protocol = 0;
  std::uint32_t ports = 0;
};

/// Bytes of the IP packet at `l3`, 0: it is not sound, or shorter than an IP and a UDP header.
/// `available`: bytes that are there, no fewer than that.
template <class Key>
[[nodiscard, gnu::always_inline]] inline std::uint32_t read_ip(const std::uint8_t* l3,
                                                               std::uint32_t available) {
  using Header = typename PlainIp<Key>::Header;
  constexpr std::uint32_t least = sizeof(Header) + sizeof(wire::Udp);
  const auto& ip = *reinterpret_cast<const Header*>(l3);
  const std::uint32_t total = PlainIp<Key>::total_bytes(ip);
  // One comparison for both ends.
  const bool fits = total - least <= available - least && total <= 0xffff;
  return fits && PlainIp<Key>::sound(ip) ? total : 0;
}
/// Of a packet that read_ip() found to be so long.
template <class Key>
[[nodiscard, gnu::always_inline]] inline PlainHeaders read_plain(const std::uint8_t* l3,
                                                                 std::uint32_t total) {
  using Header = typename PlainIp<Key>::Header;
  const std::uint8_t protocol = PlainIp<Key>::protocol(*reinterpret_cast<const Header*>(l3));
  if (protocol != static_cast<std::uint8_t>(wire::IpProtocol::udp) &&
      (protocol != static_cast<std::uint8_t>(wire::IpProtocol::tcp) ||
       total < sizeof(Header) + sizeof(wire::Tcp) || opens_connection(l3 + sizeof(Header)))) {
    return {};
  }
  std::uint32_t ports;
  std::memcpy(&ports, l3 + sizeof(Header), sizeof ports);
  return {ports != 0 ? static_cast<std::uint16_t>(total) : std::uint16_t{0}, protocol, ports};
}

/// One way in through a tunnel, open for packets that come the same way.
template <class Ip>
struct WayIn {
  struct Ends {
    decltype(Ip::source) source;
    decltype(Ip::destination) destination;
  };
  std::uint64_t key = ~std::uint64_t{0};  ///< see decap_key(); no tunnel has this one
  std::uint8_t ends[sizeof(Ends)];        ///< outer addresses
  DecapTraits decap;
  const VrfEntry* vrf = nullptr;

  [[nodiscard, gnu::always_inline]] bool has_ends_of(const Ip& ip) const {
    return std::memcmp(&ip.source, ends, sizeof ends) == 0;
  }
  /// Whether packets with that outer header are let in, to be routed in a VRF. Where a decap knows
  /// marks it is open for the one packet.
  [[gnu::always_inline]] bool open(const Tables& tables, const Ip& ip, std::uint64_t wanted) {
    key = ~std::uint64_t{0};
    const DecapEntry* const entry = find_entry(tables, ip, wanted);
    if (entry == nullptr || !accepts_source(*entry, ip)) return false;
    const bool unsummed = entry->decap.zero_udp_checksum6 || entry->decap.destination_port == 0;
    if (sizeof(Ip) == sizeof(wire::Ipv6) && !unsummed) return false;
    const NexthopEntry* const nexthop = tables.nexthops.get(entry->decap.nexthop);
    if (nexthop == nullptr || nexthop->kind != NexthopKind::lookup) return false;
    if (nexthop->vrf() == underlay_vrf) return false;  // there may be a tunnel inside
    vrf = tables.vrfs.get(nexthop->vrf());
    if (vrf == nullptr) return false;
    decap = static_cast<const DecapTraits&>(*entry);
    if (entry->asks) [[unlikely]] {
      // Whatever has marks rides on UDP.
      const auto* const udp = reinterpret_cast<const wire::Udp*>(&ip + 1);
      decap.id = entry->id_of(reinterpret_cast<const std::uint8_t*>(udp + 1));
      return !entry->decap.marks.empty();
    }
    key = wanted;
    std::memcpy(ends, &ip.source, sizeof ends);
    return true;
  }
};

/// Takes frames of one family, `Key`'s, that one port received. `tunnels`: some of them may hold a
/// tunnel that ends here.
template <class Key, bool tunnels, class Tracer>
class ExpressIn {
 public:
  ExpressIn(StageContext<Tracer>& ctx, const Ingress& ingress, const FlowSearch& flows)
      : ctx_(ctx),
        in_(ingress),
        flows_(flows),
        guard_(PlainIp<Key>::has_sole_source(ingress.guard) ? nullptr : ingress.guard),
        pattern_(PlainIp<Key>::pattern(*ingress.mac, ingress.guard)) {}

  /// Whether it has arrived, and stands in `p` then.
  [[nodiscard, gnu::always_inline]] bool takes(Packet packet, ParsedPacket& p) {
    std::uint8_t* const l2 = packet.data();
    const std::uint32_t bytes = packet.contiguous_bytes();
    if (bytes < least<Key> || bytes != packet.total_bytes() || !pattern_.matches(l2)) return false;
    std::uint8_t* const l3 = l2 + sizeof(wire::Ethernet);
    const std::uint32_t total = read_ip<Key>(l3, bytes - sizeof(wire::Ethernet));
    if (total == 0 || !from_its_own(l3)) return false;
    const PlainHeaders headers = read_plain<Key>(l3, total);
    if (headers.l3_bytes == 0) {
      if constexpr (tunnels) return takes_on_ip(packet, l3, total, p);
      return false;
    }
    lap(ctx_, parse_name);
    if constexpr (tunnels) {
      if (headers.protocol == static_cast<std::uint8_t>(wire::IpProtocol::udp)) [[likely]] {
        const auto kind =
            ctx_.tables.udp_kinds[headers.ports >> 16].load(std::memory_order_relaxed);
        if (kind != TunnelKind::none) [[likely]] {
          return kind == tunnel::FirstKind::kind
                     ? takes_on_udp<tunnel::FirstKind>(packet, l3, headers.l3_bytes, p)
                     : takes_other_on_udp(kind, packet, l3, headers.l3_bytes, p);
        }
      }
    }
    arrive<Key>(packet, l3, headers, bytes, sizeof(wire::Ethernet), in_.vrf, p);
    p.decap = DecapId{};
    p.tunnels = 0;
    return !in_.check_finished || !checksum_unfinished(p, l2 + bytes);
  }

 private:
  using Ip = typename PlainIp<Key>::Header;
  /// Bytes of a packet of that family, and of a frame with it.
  template <class Any>
  static constexpr std::uint32_t least_packet = sizeof(typename PlainIp<Any>::Header) +
                                                sizeof(wire::Udp);
  template <class Any>
  static constexpr std::uint32_t least = sizeof(wire::Ethernet) + least_packet<Any>;

  /// Whether the source is one that the port's VIF may use.
  [[nodiscard, gnu::always_inline]] bool from_its_own(const std::uint8_t* l3) const {
    return guard_ == nullptr || PlainIp<Key>::owns(*guard_, *reinterpret_cast<const Ip*>(l3));
  }

  using TunnelHeader = tunnel::ParsedHeader;

  /// The same for what is in the tunnel whose outer packet, of that many bytes, is at `outer`.
  template <class Codec>
  [[nodiscard, gnu::always_inline]] bool takes_on_udp(Packet packet, std::uint8_t* outer,
                                                      std::uint32_t outer_bytes, ParsedPacket& p) {
    const auto& udp = header_at<wire::Udp>(outer + sizeof(Ip));
    const std::uint32_t l4_bytes = outer_bytes - sizeof(Ip);
    std::uint8_t* const in = outer + sizeof(Ip) + sizeof(wire::Udp);
    if (udp.length.get() != l4_bytes || udp.checksum.get() != 0) return false;
    const TunnelHeader header = Codec::parse({in, l4_bytes - sizeof(wire::Udp)});
    return takes_inside(header, decap_key(Codec::kind, udp.destination_port.get(), header.vni),
                        packet, outer, outer_bytes, in + header.bytes, p);
  }
  /// One copy of it for each kind.
  template <class Codec>
  [[nodiscard, gnu::noinline]] bool takes_its_own(Packet packet, std::uint8_t* outer,
                                                  std::uint32_t outer_bytes, ParsedPacket& p) {
    return takes_on_udp<Codec>(packet, outer, outer_bytes, p);
  }
  [[nodiscard, gnu::always_inline]] bool takes_other_on_udp(TunnelKind kind, Packet packet,
                                                            std::uint8_t* outer,
                                                            std::uint32_t outer_bytes,
                                                            ParsedPacket& p) {
    return tunnel::with_codec(kind, false, [&]<class Codec>(Codec) {
      if constexpr (Codec::carrier == tunnel::Carrier::udp &&
                    Codec::kind == kind_of_port(Codec::kind)) {
        return takes_its_own<Codec>(packet, outer, outer_bytes, p);
      }
      return false;
    });
  }
  /// The same of a tunnel without UDP.
  [[nodiscard, gnu::noinline]] bool takes_on_ip(Packet packet, std::uint8_t* outer,
                                                std::uint32_t outer_bytes, ParsedPacket& p) {
    const std::uint8_t protocol = PlainIp<Key>::protocol(header_at<Ip>(outer));
    const unsigned used = ctx_.tables.ip_kinds[protocol].load(std::memory_order_relaxed);
    if (used == 0) return false;
    lap(ctx_, parse_name);
    const std::span<const std::uint8_t> rest{outer + sizeof(Ip), outer_bytes - sizeof(Ip)};
    const TunnelKind kind = std::has_single_bit(used)
                                ? static_cast<TunnelKind>(std::countr_zero(used))
                                : tunnel::kind_on_ip(protocol, rest);
    if ((used >> static_cast<unsigned>(kind) & 1) == 0) return false;
    return tunnel::with_codec(kind, false, [&]<class Codec>(Codec) {
      if constexpr (Codec::carrier == tunnel::Carrier::ip) {
        return takes_behind_ip<Codec>(protocol, rest, packet, outer, p);
      }
      return false;
    });
  }
  /// `rest`: what follows the outer IP header.
  template <class Codec>
  [[nodiscard, gnu::noinline]] bool takes_behind_ip(std::uint8_t protocol,
                                                    std::span<const std::uint8_t> rest,
                                                    Packet packet, std::uint8_t* outer,
                                                    ParsedPacket& p) {
    if (!Codec::claims(rest)) return false;
    const TunnelHeader header = tunnel::parse_header<Codec>(protocol, rest);
    return takes_inside(header, decap_key(Codec::kind, 0, header.vni), packet, outer,
                        static_cast<std::uint32_t>(sizeof(Ip) + rest.size()),
                        outer + sizeof(Ip) + header.bytes, p);
  }

  /// `inner`: where the packet in the tunnel begins, which has the key of a decap.
  [[nodiscard, gnu::always_inline]] bool takes_inside(const TunnelHeader& header, std::uint64_t key,
                                                      Packet packet, std::uint8_t* outer,
                                                      std::uint32_t outer_bytes,
                                                      std::uint8_t* inner, ParsedPacket& p) {
    const auto& ip = header_at<Ip>(outer);
    if (header.reason != DropReason::none || header.checksum || header.asks || in_.check_finished) {
      return false;
    }
    if (!(way_.key == key && way_.has_ends_of(ip)) && !way_.open(ctx_.tables, ip, key))
      return false;
    const VrfEntry* const vrf = way_.vrf;
    lap(ctx_, decap_name);
    const bool framed = header.payload == tunnel::Payload::ethernet;
    std::uint8_t* const l3 = framed ? inner + sizeof(wire::Ethernet) : inner;
    const auto bytes = outer_bytes - static_cast<std::uint32_t>(inner - outer);
    const std::uint8_t l2_bytes = framed ? sizeof(wire::Ethernet) : 0;
    if (bytes < least_packet<FlowKey4> + l2_bytes) return false;
    if (framed && !vrf->router.ipv4.takes(inner)) return false;
    if (framed ? PlainIp<FlowKey4>::begins(l3) : begins_bare<FlowKey4>(header, l3)) [[likely]] {
      if (!takes_packet<FlowKey4>(packet, l3, bytes, l2_bytes, vrf, p)) return false;
    } else {
      if (bytes < least_packet<FlowKey6> + l2_bytes ||
          !(framed ? PlainIp<FlowKey6>::begins(l3) : begins_bare<FlowKey6>(header, l3)) ||
          !takes_packet<FlowKey6>(packet, l3, bytes, l2_bytes, vrf, p)) {
        return false;
      }
    }
    if (way_.decap.notable.in(outer, is_key4<Key>)) [[unlikely]] {
      const std::uint8_t outer_class = traffic_class(outer, is_key4<Key>);
      if (!propagate_to_inner(outer_class, way_.decap.copies_dscp(), l3, p.v4)) return false;
    }
    p.decap = way_.decap.id;
    p.tunnels = 1;
    ctx_.counters.decaps[way_.decap.id.index()].add(outer_bytes);
    return true;
  }

  template <class Any>
  [[nodiscard, gnu::always_inline]] static bool begins_bare(const TunnelHeader& header,
                                                            const std::uint8_t* l3) {
    return PlainIp<Any>::begins_bare(l3) && check_version(header.payload, l3) == DropReason::none;
  }

  /// `bytes`: from the inner Ethernet header on, of which there are `l2_bytes`.
  template <class Any>
  [[nodiscard, gnu::always_inline]] bool takes_packet(Packet packet, std::uint8_t* l3,
                                                      std::uint32_t bytes, std::uint8_t l2_bytes,
                                                      const VrfEntry* vrf, ParsedPacket& p) const {
    using Header = typename PlainIp<Any>::Header;
    const std::uint32_t total = read_ip<Any>(l3, bytes - l2_bytes);
    if (total == 0 || !PlainIp<Any>::whole(*reinterpret_cast<const Header*>(l3))) return false;
    const PlainHeaders headers = read_plain<Any>(l3, total);
    if (headers.l3_bytes == 0) return false;
    lap(ctx_, parse_name);
    arrive<Any>(packet, l3, headers, bytes, l2_bytes, vrf, p);
    return true;
  }

  /// `bytes`: of the frame.
  template <class Any>
  [[gnu::always_inline]] void arrive(Packet packet, std::uint8_t* l3, const PlainHeaders& headers,
                                     std::uint32_t bytes, std::uint8_t l2_bytes,
                                     const VrfEntry* vrf, ParsedPacket& p) const {
    p.hash = 0;
    if (flows_.wanted() && vrf->flows) {
      set_traits(p, plain_traits<Any>(FlowCare::admit, l2_bytes));
      p.hash = flows_.template begin<Any>(l3, headers.ports, vrf->id, headers.protocol);
    } else {
      set_traits(p, plain_traits<Any>(in_.care, l2_bytes));
    }
    p.packet = packet;
    p.l3 = l3;
    p.vrf = vrf;
    p.nexthop = nullptr;
    p.l4_ports = headers.ports;
    p.bytes = bytes;
    p.l3_bytes = headers.l3_bytes;
    p.protocol = headers.protocol;
    lap(ctx_, decap_name);
  }

  StageContext<Tracer>& ctx_;
  const Ingress& in_;
  const FlowSearch& flows_;
  WayIn<Ip> way_;
  const VifEntry* guard_;  ///< nullptr: the pattern knows the source
  wire::FramePattern pattern_;
};

}  // namespace weft::stage
