#pragma once
/// By what a worker spreads the packets of a port over all workers: packets of one flow go to one
/// worker, so they keep their order.

#include <rte_mbuf.h>

#include <cstdint>
#include <optional>
#include <span>

#include "packet/flow_hash.hpp"
#include "packet/packet.hpp"
#include "tunnel/entropy.hpp"
#include "wire/ethernet.hpp"
#include "wire/vlan.hpp"

namespace weft::io {

/// Of an IP packet's flow, see flow_hash_of(). `frame`: from the Ethernet header on. Nothing: it is
/// no IP.
inline std::optional<std::uint32_t> spread_hash(std::span<const std::uint8_t> frame,
                                                const tunnel::HashSeed& seed) {
  if (frame.size() < sizeof(wire::Ethernet)) return std::nullopt;
  // A tag of VLAN 0 carries but a priority (IEEE 802.1Q-2018 §6.9): the flow is the same.
  const auto* const tag =
      frame.size() >= wire::tagged_bytes ? wire::vlan_tag_of(frame.data()) : nullptr;
  if (tag != nullptr && wire::VlanTag::identifier_in(tag->control.get()) == 0) {
    frame = frame.subspan(sizeof(wire::VlanTag));
  }
  const auto& ethernet = *reinterpret_cast<const wire::Ethernet*>(frame.data());
  const auto type = static_cast<wire::EtherType>(ethernet.ether_type.get());
  const bool v4 = type == wire::EtherType::ipv4;
  if (!v4 && type != wire::EtherType::ipv6) return std::nullopt;
  const auto hash = flow_hash_of(frame.subspan(sizeof(wire::Ethernet)), v4, seed);
  if (!hash) return std::nullopt;
  return tunnel::entropy_of(*hash);
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
