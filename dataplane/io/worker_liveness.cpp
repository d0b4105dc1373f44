/// A worker that keeps BFD sessions: hears, sends in time, and finds out who is silent.
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <cstring>

#include "bfd/datagram.hpp"
#include "io/worker.hpp"

namespace weft::io {

namespace {

/// The TSC as the clock of sessions.
bfd::Time to_ns(std::uint64_t tsc, std::uint64_t tsc_hz) {
  return static_cast<bfd::Time>(static_cast<unsigned __int128>(tsc) * 1'000'000'000 / tsc_hz);
}
std::uint64_t to_tsc(bfd::Time ns, std::uint64_t tsc_hz) {
  if (ns == bfd::never) return ~std::uint64_t{0};
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(ns) * tsc_hz / 1'000'000'000);
}

}  // namespace

bfd::Time Worker::bfd_now() const { return to_ns(rte_rdtsc(), tsc_hz_); }

void Worker::set_bfd(const BfdSessions* sessions) {
  rcu_.retire(bfd_.exchange(sessions, std::memory_order_acq_rel));
  bfd_version_.fetch_add(1, std::memory_order_seq_cst);
  idle_.wake();
}

/// To the session, or to the worker that keeps it.
void Worker::hear_bfd(Packet packet) {
  const PacketMetadata& m = packet.metadata();
  const auto heard = bfd::read_datagram(packet.contiguous().subspan(m.l3_offset));
  if (heard.packet == nullptr) return lose(packet, heard.reason, m.port);
  const BfdSessions* sessions = bfd_.load(std::memory_order_acquire);
  BfdSession* const session =
      sessions != nullptr
          ? sessions->find(m.port, heard.source, heard.packet->your_discriminator.get())
          : nullptr;
  if (session == nullptr) return lose(packet, DropReason::bfd_session_unknown, m.port);
  if (session->owner() != options_.number) {
    const Handed handed{packet.mbuf(), PortId{}};
    const unsigned taken = peers_[session->owner()]->accept(options_.number, {&handed, 1});
    handed_off_.add(taken);
    if (taken == 0) lose(packet, DropReason::handoff_ring_full, m.port);
    return;
  }
  if (session->receive(*heard.packet, to_ns(now_, tsc_hz_))) {
    bfd_news_.store(true, std::memory_order_release);
    signal_control();
  }
  beat_tsc_ = std::min(beat_tsc_, to_tsc(session->due(), tsc_hz_));
  rte_pktmbuf_free(packet.mbuf());
}

/// Everything whose time has come.
void Worker::beat() {
  bfd_planned_ = bfd_version_.load(std::memory_order_seq_cst);
  const BfdSessions* sessions = bfd_.load(std::memory_order_acquire);
  beat_tsc_ = ~std::uint64_t{0};
  if (sessions == nullptr) return;
  const bfd::Time now = to_ns(now_, tsc_hz_);
  bfd::Time next = bfd::never;
  for (const auto& session : sessions->all) {
    if (session->owner() != options_.number) continue;
    if (session->ending()) session->admin_down(now);
    std::optional<wire::Bfd> send;
    if (session->due() <= now && session->tick(now, send)) {
      bfd_news_.store(true, std::memory_order_release);
      signal_control();
    }
    if (send) send_bfd(*session, *send);
    next = std::min(next, session->due());
  }
  beat_tsc_ = to_tsc(next, tsc_hz_);
}

void Worker::send_bfd(BfdSession& session, const wire::Bfd& bfd) {
  const BfdRequest& to = session.request();
  const AdjacencyEntry* adjacency = tables_.adjacencies.get(to.adjacency);
  if (adjacency == nullptr || adjacency->id != to.adjacency || !adjacency->resolved ||
      !attached(adjacency->port)) {
    return;  // nobody could hear it
  }
  rte_mbuf* mbuf = rte_pktmbuf_alloc(options_.pool);
  if (mbuf == nullptr) return counters_.drop(DropReason::buffer_exhausted);
  const auto datagram = bfd::write_datagram(to.local, to.neighbour, session.source_port(), bfd);
  Packet packet(mbuf);
  packet.metadata() = PacketMetadata{};
  auto* const l2 = reinterpret_cast<std::uint8_t*>(
      rte_pktmbuf_append(mbuf, static_cast<std::uint16_t>(sizeof(wire::Ethernet) + datagram.size)));
  adjacency->write_header(l2, to.local.is_v4());
  std::memcpy(l2 + sizeof(wire::Ethernet), datagram.room.data(), datagram.size);
  Exits::Departures& queue = exits_.tx[adjacency->port.index()];
  queue.add(packet);
  queue.bytes += packet.total_bytes();
  exits_.tx_ports |= 1U << adjacency->port.index();
  empty_exits();
}

/// The neighbours need not find out that this router is gone (RFC 5880 §6.8.16).
void Worker::bid_farewell() {
  const BfdSessions* sessions = bfd_.load(std::memory_order_acquire);
  if (sessions == nullptr) return;
  const bfd::Time now = to_ns(rte_rdtsc(), tsc_hz_);
  for (const auto& session : sessions->all) {
    if (session->owner() != options_.number) continue;
    session->admin_down(now);
    std::optional<wire::Bfd> send;
    (void)session->tick(now, send);
    if (send) send_bfd(*session, *send);
  }
}

}  // namespace weft::io
