/// A worker that receives for others, and takes what others have received for it.
#include <rte_prefetch.h>

#include "io/spread.hpp"
#include "io/worker.hpp"

namespace weft::io {

/// Gives the others their packets. Its own stay, in front of `mbufs`; answers how many.
unsigned Worker::hand_out(const Ingress& ingress, std::span<rte_mbuf*> mbufs) {
  std::array<std::uint8_t, max_burst> whose;
  std::uint32_t others = 0;
  for (std::size_t i = 0; i < mbufs.size(); ++i) {
    const unsigned worker =
        worker_for(mbufs[i], options_.workers, options_.number, tables_.hash_seed);
    whose[i] = static_cast<std::uint8_t>(worker);
    others |= std::uint32_t{1} << worker;
  }
  others &= ~(std::uint32_t{1} << options_.number);
  for (; others != 0; others &= others - 1) {
    const auto worker = static_cast<unsigned>(std::countr_zero(others));
    std::array<Handed, max_burst> packets;
    unsigned count = 0;
    for (std::size_t i = 0; i < mbufs.size(); ++i) {
      if (whose[i] == worker) packets[count++] = {mbufs[i], ingress.port};
    }
    const unsigned taken = peers_[worker]->accept(options_.number, {packets.data(), count});
    handed_off_.add(taken);
    // To go through the stages here would let them overtake those of their flows in the ring.
    for (unsigned i = taken; i < count; ++i) {
      lose_unseen(packets[i], DropReason::handoff_ring_full);
    }
  }
  unsigned own = 0;
  for (std::size_t i = 0; i < mbufs.size(); ++i) {
    if (whose[i] == options_.number) mbufs[own++] = mbufs[i];
  }
  return own;
}

/// From another worker's thread: answers how many of the packets are this worker's now.
unsigned Worker::accept(unsigned from, std::span<const Handed> packets) {
  const auto [taken, first] = inbox_.put(from, packets);
  if (first) idle_.wake();
  return taken;
}

unsigned Worker::take_handed() {
  unsigned total = 0;
  inbox_.take(options_.burst, [&](std::span<const Handed> handed) {
    total += static_cast<unsigned>(handed.size());
    while (!handed.empty()) {
      const PortId port = handed.front().port;
      std::array<rte_mbuf*, max_burst> mbufs;
      unsigned count = 0;
      for (; count < handed.size() && handed[count].port == port; ++count) {
        mbufs[count] = handed[count].packet;
        rte_prefetch0(rte_pktmbuf_mtod(mbufs[count], void*));
      }
      handed = handed.subspan(count);
      if (!port.valid()) {
        for (unsigned i = 0; i < count; ++i) hear_bfd(Packet(mbufs[i]));
        continue;
      }
      const Ingress ingress = ingress_of(tables_, port.index());
      if (ingress.vrf != nullptr && ingress.port == port) {
        arrive(ingress, {mbufs.data(), count});
      } else {
        for (unsigned i = 0; i < count; ++i) {
          lose_unseen({mbufs[i], port}, DropReason::arrival_port_gone);
        }
      }
    }
  });
  taken_over_.add(total);
  return total;
}

/// Of a packet on its way between workers, whose arrival nobody has looked at yet.
void Worker::lose_unseen(const Handed& handed, DropReason reason) {
  const std::uint32_t port = handed.port.index();
  if (is_untagged_from(handed.packet)) put_back_tag(handed.packet);
  if (observed_ != nullptr && (observed_->arrivals >> port & 1) != 0) [[unlikely]] {
    capture_arrived(handed.port, FrameView::of(handed.packet), rte_rdtsc());
  }
  lose(Packet(handed.packet), reason, handed.port);
}

}  // namespace weft::io
