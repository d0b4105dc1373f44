#include "stages/pipeline.hpp"

#include "stages/decap.hpp"
#include "stages/encap.hpp"
#include "stages/flow.hpp"
#include "stages/output.hpp"
#include "stages/parse.hpp"
#include "stages/resolve.hpp"
#include "stages/rewrite.hpp"

namespace weft {

Ingress Ingress::of(const Tables& tables, std::uint32_t port_index) {
  Ingress in;
  const PortEntry* port = tables.ports.get(port_index);
  if (port == nullptr) return in;
  in.port = port->id;
  in.mac = &port->port.mac;
  in.check_finished = port->port.may_leave_checksums;
  if (port->port.vif.valid()) {
    in.vif = tables.vifs.get(port->port.vif);
    if (in.vif == nullptr) return in;
    in.vrf = tables.vrfs.get(in.vif->vrf);
    if (in.vrf != nullptr) in.mac = &in.vrf->router_mac;
  } else {
    in.vrf = tables.vrfs.get(underlay_vrf);
  }
  return in;
}

void Ingress::fill(PacketContext& p) const {
  p.l2 = p.packet.data();
  p.end = p.l2 + p.packet.contiguous_bytes();
  p.bytes = p.packet.total_bytes();
  p.vrf = vrf;
  p.mac = mac;
  p.vif_entry = vif;
  p.port = port;
  p.vif = vif != nullptr ? vif->id : VifId{};
  p.check_finished = check_finished;
}

/// For a tracer that measures: here the next stage begins. Nothing is left of it for the others.
template <class Tracer>
inline void enter(StageContext<Tracer>& ctx, Stage stage, unsigned packets) {
  if constexpr (requires { ctx.tracer.enter(stage, packets); }) ctx.tracer.enter(stage, packets);
}

template <class Tracer>
void run_pipeline(StageContext<Tracer>& ctx, Burst& burst, Entry entry) {
  switch (entry) {
    case Entry::parse: {
      // A decapsulated packet goes round again; decap bounds how often.
      unsigned first = 0;
      unsigned opened = 0;
      do {
        enter(ctx, Stage::parse, burst.count - first);
        stage::parse(ctx, burst, first);
        enter(ctx, Stage::decap, burst.count - first);
        opened = stage::decap(ctx, burst, first);
        first = burst.count - opened;
      } while (opened != 0);
      enter(ctx, Stage::flow, burst.count);
      stage::flow(ctx, burst);
      enter(ctx, Stage::resolve, burst.count);
      stage::resolve(ctx, burst);
      enter(ctx, Stage::rewrite, burst.count);
      stage::rewrite(ctx, burst);
      [[fallthrough]];
    }
    case Entry::encap:
      enter(ctx, Stage::encap, burst.count);
      stage::encap(ctx, burst);
      [[fallthrough]];
    case Entry::output:
      enter(ctx, Stage::output, burst.count);
      stage::output(ctx, burst);
  }
}

template void run_pipeline(StageContext<NullTracer>&, Burst&, Entry);
template void run_pipeline(StageContext<ClockTracer>&, Burst&, Entry);
template void run_pipeline(StageContext<RecordTracer>&, Burst&, Entry);

}  // namespace weft
