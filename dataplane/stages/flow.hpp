#pragma once
/// flow: which flow is it? The hash chooses the outer source port; it is the same for all packets
/// of a flow, in any worker.

#include "stages/parse.hpp"
#include "stages/stage.hpp"
#include "tunnel/entropy.hpp"

namespace weft::stage {

inline constexpr std::string_view flow_name = "flow";

template <class Tracer>
Next flow_one(StageContext<Tracer>& ctx, PacketContext& p) {
  const tunnel::HashSeed& seed = ctx.tables.hash_seed;
  if (p.v4) {
    std::uint64_t addresses;
    std::memcpy(&addresses, &header_at<wire::Ipv4>(p.l3).source, sizeof addresses);
    p.flow_hash = tunnel::flow_hash4(seed, addresses, p.l4_ports, p.protocol);
  } else {
    std::uint64_t addresses[4];
    std::memcpy(addresses, &header_at<wire::Ipv6>(p.l3).source, sizeof addresses);
    p.flow_hash = tunnel::flow_hash6(seed, addresses, p.l4_ports, p.protocol);
  }
  return Next::forward;
}

template <class Tracer>
void flow(StageContext<Tracer>& ctx, Burst& burst) {
  for_each_live(ctx, flow_name, burst, 0, [&](PacketContext& p) { return flow_one(ctx, p); });
}

}  // namespace weft::stage
