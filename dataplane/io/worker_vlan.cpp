/// A worker at devices whose ports have VLANs.
#include <bit>

#include "io/vlan.hpp"
#include "io/worker.hpp"

namespace weft::io {

/// Gives each port of a device its frames, in their order. `first`: of the first of the ports,
/// where is refused what is for none.
void Worker::sort_out(const PortView::Queue& queue, const Ingress& first,
                      std::span<rte_mbuf*> mbufs) {
  // By their places in queue.vlans; behind them those that are refused.
  const auto refused = static_cast<std::uint8_t>(queue.vlans.size());
  std::array<std::uint8_t, max_burst> whose;
  std::array<DropReason, 2> reasons{DropReason::vlan_unknown, DropReason::vlan_missing};
  std::uint64_t found = 0;
  for (std::size_t i = 0; i < mbufs.size(); ++i) {
    const Sorted sorted = sort_frame(queue.vlans, mbufs[i]);
    const auto place = sorted.port != nullptr
                           ? static_cast<std::uint8_t>(sorted.port - queue.vlans.data())
                           : static_cast<std::uint8_t>(refused + (sorted.reason == reasons[1]));
    whose[i] = place;
    found |= std::uint64_t{1} << place;
  }
  for (; found != 0; found &= found - 1) {
    const auto place = static_cast<unsigned>(std::countr_zero(found));
    std::array<rte_mbuf*, max_burst> frames;
    unsigned count = 0;
    for (std::size_t i = 0; i < mbufs.size(); ++i) {
      if (whose[i] == place) frames[count++] = mbufs[i];
    }
    Ingress ingress = place < refused ? ingress_of(tables_, queue.vlans[place].port) : first;
    if (place >= refused) ingress.refused = reasons[place - refused];
    if (ingress.vrf == nullptr) {  // the port is being set up or taken away
      for (unsigned i = 0; i < count; ++i) {
        lose(Packet(frames[i]), DropReason::arrival_port_gone, first.port);
      }
      continue;
    }
    const bool for_all = queue.for_all && ingress.refused == DropReason::none;
    take_in(ingress, {frames.data(), count}, for_all);
  }
}

/// Answers how many frames have their tag now; the others have died, and are taken out of `bytes`.
unsigned Worker::put_tags(const AttachedPort& port, std::span<rte_mbuf*> mbufs,
                          std::uint64_t& bytes) {
  unsigned tagged = 0;
  for (rte_mbuf* mbuf : mbufs) {
    const Packet packet(mbuf);
    if (put_tag(packet, port.vlan())) [[likely]] {
      mbufs[tagged++] = mbuf;
    } else {
      bytes -= packet.total_bytes();
      lose(packet, DropReason::headroom_short, port.id());
    }
  }
  return tagged;
}

}  // namespace weft::io
