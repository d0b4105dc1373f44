#include "io/hold_queue.hpp"

namespace weft::io {

bool HoldQueue::add(Packet packet, std::uint64_t now_tsc, std::uint64_t tsc_hz, bool& first) {
  PacketMetadata& m = packet.metadata();
  std::size_t same = 0;
  for (const Packet& other : waiting_) {
    const PacketMetadata& o = other.metadata();
    same += o.out_port == m.out_port && o.neighbour == m.neighbour ? 1 : 0;
  }
  first = same == 0;
  if (waiting_.size() >= capacity || same >= capacity_per_neighbour) return false;
  m.deadline_tsc =
      now_tsc + static_cast<std::uint64_t>(patience_seconds * static_cast<double>(tsc_hz));
  waiting_.push_back(packet);
  return true;
}

HoldQueue::Fate HoldQueue::fate_of(const Tables& tables, const PacketMetadata& m,
                                   std::uint64_t now_tsc) {
  const PortEntry* port = tables.ports.get(m.out_port);
  if (port == nullptr || port->id != m.out_port) return Fate::port_gone;
  const Fate otherwise = now_tsc > m.deadline_tsc ? Fate::expired : Fate::wait;
  if (m.adjacency.valid()) {
    const AdjacencyEntry* adjacency = tables.adjacencies.get(m.adjacency);
    if (adjacency == nullptr || adjacency->id != m.adjacency) return Fate::nexthop_gone;
    return adjacency->resolved ? Fate::output : otherwise;
  }
  // A glean: the neighbour's own route appears once it has answered.
  const VrfEntry* vrf = tables.vrfs.get(m.vrf);
  if (vrf == nullptr) return Fate::nexthop_gone;
  const std::uint32_t found = m.neighbour.is_v4()
                                  ? vrf->fib4->lookup(fib::key_of(m.neighbour.v4()))
                                  : vrf->fib6->lookup(fib::key_of(m.neighbour.v6()));
  const NexthopEntry* nexthop = found == fib::no_route ? nullptr : tables.nexthops.get(found);
  if (nexthop == nullptr) return Fate::nexthop_gone;
  if (nexthop->kind == NexthopKind::glean) return otherwise;
  const AdjacencyEntry* adjacency = tables.adjacencies.get(nexthop->adjacency);
  const bool alone = adjacency != nullptr && adjacency->buckets == 0;
  if (alone && !adjacency->resolved) return otherwise;
  return Fate::resolve;
}

std::vector<HoldQueue::Released> HoldQueue::take(const Tables& tables, std::uint64_t now_tsc) {
  std::vector<Released> released;
  std::size_t kept = 0;
  for (const Packet packet : waiting_) {
    const Fate fate =
        released.size() < max_burst ? fate_of(tables, packet.metadata(), now_tsc) : Fate::wait;
    if (fate == Fate::wait) {
      waiting_[kept++] = packet;
    } else {
      released.push_back({packet, fate});
    }
  }
  waiting_.resize(kept);
  return released;
}

}  // namespace weft::io
