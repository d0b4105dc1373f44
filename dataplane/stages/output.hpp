#pragma once
/// output: the adjacency's Ethernet header in front, and into the port's queue. A packet whose
/// neighbour is not known yet is held.

#include "stages/parse.hpp"
#include "stages/stage.hpp"

namespace weft::stage {

inline constexpr std::string_view output_name = "output";

template <class Tracer>
[[gnu::always_inline]] inline Next output_one(StageContext<Tracer>& ctx, PacketContext& p) {
  const AdjacencyEntry& adjacency = *p.adjacency;
  const std::uint32_t port = adjacency.port.index();
  std::uint8_t* const l2 = p.l3 - sizeof(wire::Ethernet);
  if (p.l3_bytes > adjacency.mtu_bytes) [[unlikely]] {
    return drop(p, DropReason::frame_too_big_for_port);
  }
  if (p.packet.room_before(p.l3) < sizeof(wire::Ethernet)) [[unlikely]] {
    return drop(p, DropReason::headroom_short);
  }
  p.l2 = l2;
  p.bytes = sizeof(wire::Ethernet) + p.l3_bytes;
  if (!adjacency.resolved) [[unlikely]]
    return Next::hold;
  if ((ctx.exits.tx_ports >> port & 1) == 0) {  // the first packet of the burst to this port
    if (ctx.tables.ports.get(port) == nullptr) return drop(p, DropReason::port_missing);
    ctx.exits.tx_ports |= 1U << port;
  }
  p.packet.reshape(l2, p.bytes);
  auto& ethernet = header_at<wire::Ethernet>(l2);
  const auto type = p.v4 ? wire::EtherType::ipv4 : wire::EtherType::ipv6;
  std::memcpy(l2, adjacency.macs(), 2 * sizeof(MacAddress));
  ethernet.ether_type = static_cast<std::uint16_t>(type);
  if constexpr (Tracer::enabled)
    ctx.tracer.note(output_name, p, [&] {
      return "port " + std::to_string(port) + ", to " + to_string(adjacency.destination);
    });
  ctx.exits.tx[port].add(p.packet);
  return Next::forward;
}

}  // namespace weft::stage
