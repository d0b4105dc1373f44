#pragma once
/// output: the adjacency's Ethernet header in front, and into the port's queue. A packet whose
/// neighbour is not known yet is held.

#include "stages/parse.hpp"
#include "stages/stage.hpp"

namespace weft::stage {

inline constexpr std::string_view output_name = "output";

/// Whether an Ethernet header has room in front of the IP header. What a port received has it, and
/// encap makes it; packets from elsewhere are asked.
[[gnu::always_inline]] inline Next has_headroom(PacketContext& p) {
  return p.packet.room_before(p.l3) < sizeof(wire::Ethernet) ? drop(p, DropReason::headroom_short)
                                                             : Next::forward;
}

/// Whether the port can send so much at once: rewrite knows, for those that came that way.
[[gnu::always_inline]] inline Next fits_port(PacketContext& p) {
  return p.l3_bytes > p.adjacency->mtu_bytes ? drop(p, DropReason::frame_too_big_for_port)
                                             : Next::forward;
}

/// Where the burst's packets to a port wait; nullptr: the port is being taken away.
template <class Tracer>
[[gnu::always_inline]] inline Exits::Departures* queue_to(StageContext<Tracer>& ctx,
                                                          std::uint32_t port) {
  Exits::Departures& queue = ctx.exits.tx[port];
  if (queue.count == 0) [[unlikely]] {
    if (ctx.tables.ports.get(port) == nullptr) return nullptr;
    ctx.exits.tx_ports |= 1U << port;
  }
  return &queue;
}

template <class Tracer>
[[gnu::always_inline]] inline Next output_one(StageContext<Tracer>& ctx, PacketContext& p) {
  const AdjacencyEntry& adjacency = *p.adjacency;
  const std::uint32_t port = adjacency.port.index();
  std::uint8_t* const l2 = p.l3 - sizeof(wire::Ethernet);
  p.l2 = l2;
  p.bytes = sizeof(wire::Ethernet) + p.l3_bytes;
  if (!adjacency.resolved) [[unlikely]]
    return Next::hold;
  Exits::Departures* const queue = queue_to(ctx, port);
  if (queue == nullptr) return drop(p, DropReason::port_missing);
  p.packet.reshape(l2, p.bytes);
  adjacency.write_header(l2, p.v4);
  if (const be16 other = ether_type_of(p); other.get() != 0) [[unlikely]]
    header_at<wire::Ethernet>(l2).ether_type = other;
  if constexpr (Tracer::enabled)
    ctx.tracer.note(output_name, p, [&] {
      return "port " + std::to_string(port) + ", to " + to_string(adjacency.destination);
    });
  queue->add(p.packet);
  queue->bytes += p.bytes;
  return Next::forward;
}

}  // namespace weft::stage
