#pragma once
/// By what a worker spreads the packets of a port over all workers: packets of one flow go to one
/// worker, so they keep their order.

#include <rte_mbuf.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "packet/packet.hpp"
#include "tunnel/entropy.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"

namespace weft::io {

/// The ports of TCP, UDP and SCTP that stand `offset` bytes into the packet, as they lie there; 0:
/// the protocol has none, or the packet ends before them.
inline std::uint32_t ports_at(std::span<const std::uint8_t> packet, std::size_t offset,
                              std::uint8_t protocol) {
  std::uint32_t ports = 0;
  if (!wire::has_ports(protocol) || packet.size() < offset + sizeof ports) return 0;
  std::memcpy(&ports, &packet[offset], sizeof ports);
  return ports;
}

/// Of an IP packet's flow: addresses, protocol and ports; of pieces of a datagram without ports,
/// which the first one alone has. `frame`: from the Ethernet header on. Nothing: it is no IP.
inline std::optional<std::uint32_t> spread_hash(std::span<const std::uint8_t> frame,
                                                const tunnel::HashSeed& seed) {
  if (frame.size() < sizeof(wire::Ethernet)) return std::nullopt;
  const auto& ethernet = *reinterpret_cast<const wire::Ethernet*>(frame.data());
  const auto packet = frame.subspan(sizeof(wire::Ethernet));
  switch (static_cast<wire::EtherType>(ethernet.ether_type.get())) {
    case wire::EtherType::ipv4: {
      if (packet.size() < sizeof(wire::Ipv4)) return std::nullopt;
      const auto& ip = *reinterpret_cast<const wire::Ipv4*>(packet.data());
      std::uint64_t addresses;
      std::memcpy(&addresses, &ip.source, sizeof addresses);
      const std::uint32_t ports =
          ip.fragment() ? 0 : ports_at(packet, ip.header_bytes(), ip.protocol);
      return tunnel::entropy_of(tunnel::flow_hash4(seed, addresses, ports, ip.protocol, 0));
    }
    case wire::EtherType::ipv6: {
      if (packet.size() < sizeof(wire::Ipv6)) return std::nullopt;
      const auto upper = wire::find_upper_layer(packet);
      std::uint64_t addresses[4];
      std::memcpy(addresses, &reinterpret_cast<const wire::Ipv6*>(packet.data())->source,
                  sizeof addresses);
      const std::uint8_t protocol = upper.fragment ? upper.fragmentable : upper.protocol;
      const bool known = upper.complete && !upper.fragment;
      const std::uint32_t ports = known ? ports_at(packet, upper.offset, protocol) : 0;
      return tunnel::entropy_of(tunnel::flow_hash6(seed, addresses, ports, protocol, 0));
    }
    case wire::EtherType::arp:
    case wire::EtherType::vlan:
      break;
  }
  return std::nullopt;
}

/// Which of `workers` a received packet is for. The hash of the NIC's RSS where there is one;
/// `otherwise`: of what belongs to no flow.
inline unsigned worker_for(const rte_mbuf* mbuf, unsigned workers, unsigned otherwise,
                           const tunnel::HashSeed& seed) {
  const auto share = [workers](std::uint32_t hash) {
    return static_cast<unsigned>(std::uint64_t{hash} * workers >> 32);
  };
  // RSS chose the queue by its lowest bits, and is linear: close addresses have close hashes.
  if ((mbuf->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0) {
    return share(tunnel::entropy_of(tunnel::flow_hash4(seed, mbuf->hash.rss, 0, 0, 0)));
  }
  const auto hash =
      spread_hash({rte_pktmbuf_mtod(mbuf, const std::uint8_t*), mbuf->data_len}, seed);
  return hash ? share(*hash) : otherwise;
}

}  // namespace weft::io
