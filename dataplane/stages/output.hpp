#pragma once
/// output: the adjacency's Ethernet header in front, and into the port's queue. A packet whose
/// neighbour is not known yet is held.

#include "stages/parse.hpp"
#include "stages/stage.hpp"

namespace weft::stage {

inline constexpr std::string_view output_name = "output";

template <class Tracer>
Next output_one(StageContext<Tracer>& ctx, PacketContext& p) {
  const AdjacencyEntry& adjacency = *p.adjacency;
  const std::uint32_t port = adjacency.port.index();
  if (p.l3_bytes > adjacency.mtu_bytes) return drop(p, DropReason::frame_too_big_for_port);
  if (p.packet.room_before(p.l3) < sizeof(wire::Ethernet)) {
    return drop(p, DropReason::headroom_short);
  }
  p.l2 = p.l3 - sizeof(wire::Ethernet);
  p.bytes = sizeof(wire::Ethernet) + p.l3_bytes;
  if (!adjacency.resolved) [[unlikely]]
    return Next::hold;
  if (ctx.tables.ports.get(port) == nullptr) return drop(p, DropReason::port_missing);
  auto& ethernet = header_at<wire::Ethernet>(p.l2);
  ethernet.destination = adjacency.destination;
  ethernet.source = adjacency.source;
  ethernet.ether_type =
      static_cast<std::uint16_t>(p.v4 ? wire::EtherType::ipv4 : wire::EtherType::ipv6);
  p.packet.reshape(p.l2, p.bytes);
  ctx.tracer.note(output_name, p, [&] {
    return "port " + std::to_string(port) + ", to " + to_string(adjacency.destination);
  });
  Exits::List& tx = ctx.exits.tx[port];
  tx.add(p.packet);
  ctx.exits.tx_ports |= 1U << port;
  return Next::forward;
}

template <class Tracer>
void output(StageContext<Tracer>& ctx, Burst& burst) {
  for_each_live(ctx, output_name, burst, 0, [&](PacketContext& p) { return output_one(ctx, p); });
  burst.count = 0;
}

}  // namespace weft::stage
