#include "support/pipeline_rig.hpp"

#include <map>

#include "support/eal_session.hpp"
#include "support/hex.hpp"

namespace weft::test {
namespace {

[[noreturn]] void broken(const std::string& promise) { throw std::logic_error(promise); }

/// The bytes of one piece, and what DPDK wants to know of memory that is not its own.
struct Piece {
  explicit Piece(std::size_t bytes) : memory(new std::uint8_t[bytes]) {}
  std::unique_ptr<std::uint8_t[]> memory;
  rte_mbuf_ext_shared_info shared{};
};

rte_mbuf* make_piece(std::span<const std::uint8_t> bytes, std::size_t headroom,
                     std::size_t tailroom) {
  rte_mbuf* mbuf = rte_pktmbuf_alloc(packet_pool());
  if (mbuf == nullptr) broken("packet buffers leak");
  const std::size_t room = headroom + bytes.size() + tailroom;
  auto* piece = new Piece(room);
  std::memset(piece->memory.get(), 0xcc, headroom);
  std::copy(bytes.begin(), bytes.end(), piece->memory.get() + headroom);
  piece->shared.free_cb = [](void*, void* opaque) { delete static_cast<Piece*>(opaque); };
  piece->shared.fcb_opaque = piece;
  rte_mbuf_ext_refcnt_set(&piece->shared, 1);
  rte_pktmbuf_attach_extbuf(mbuf, piece->memory.get(), RTE_BAD_IOVA,
                            static_cast<std::uint16_t>(room), &piece->shared);
  mbuf->data_off = static_cast<std::uint16_t>(headroom);
  mbuf->data_len = static_cast<std::uint16_t>(bytes.size());
  mbuf->pkt_len = mbuf->data_len;
  return mbuf;
}

Packet make_packet(std::span<const std::uint8_t> frame, const Layout& layout) {
  std::size_t from = 0;
  rte_mbuf* first = nullptr;
  std::vector<std::size_t> ends = layout.cuts;
  ends.push_back(frame.size());
  for (const std::size_t end : ends) {
    if (end < from || end > frame.size()) continue;
    const auto bytes = frame.subspan(from, end - from);
    rte_mbuf* mbuf = first == nullptr ? make_piece(bytes, layout.headroom, layout.tailroom)
                                      : make_piece(bytes, 0, 0);
    if (first == nullptr) {
      first = mbuf;
    } else if (rte_pktmbuf_chain(first, mbuf) != 0) {
      broken("too many pieces");
    }
    from = end;
  }
  // What the buffer's last packet left behind.
  std::memset(rte_mbuf_to_priv(first), 0xa5, sizeof(PacketMetadata));
  return Packet(first);
}

Bytes bytes_of(Packet packet) {
  rte_mbuf* mbuf = packet.mbuf();
  const char* why = nullptr;
  if (rte_mbuf_check(mbuf, 1, &why) != 0) broken(std::string("a broken buffer chain: ") + why);
  Bytes bytes(mbuf->pkt_len);
  if (bytes.empty()) return bytes;
  const void* at = rte_pktmbuf_read(mbuf, 0, mbuf->pkt_len, bytes.data());
  if (at == nullptr) broken("a chain shorter than its length");
  if (at != bytes.data()) std::memcpy(bytes.data(), at, bytes.size());
  return bytes;
}

std::string describe_metadata(const Outcome& o) {
  const PacketMetadata& m = o.metadata;
  if (o.exit != Exit::punted && o.exit != Exit::held) return "";
  std::string text;
  for (const std::uint32_t raw :
       {m.vrf.raw(), m.vif.raw(), m.port.raw(), m.decap.raw(), std::uint32_t{m.mtu_bytes},
        std::uint32_t{m.l3_offset}, static_cast<std::uint32_t>(m.kind),
        static_cast<std::uint32_t>(m.reason)}) {
    text += " " + std::to_string(raw);
  }
  if (o.exit == Exit::held) {
    text += " " + std::to_string(m.adjacency.raw()) + " " + std::to_string(m.out_port.raw()) + " " +
            to_string(m.neighbour);
  }
  return text;
}

/// All that the two tracers must agree in.
std::string whole(const Outcome& o) {
  return describe(o) + " port " + std::to_string(o.port.raw()) + " place " +
         std::to_string(o.place) + describe_metadata(o) + " " +
         (o.exit == Exit::dropped ? "" : to_hex(o.frame));
}

/// What the stages have counted beside their outcomes, of the first objects of each kind.
std::string counted(const WorkerCounters& counters) {
  constexpr std::size_t objects = 128;
  std::string text;
  const auto say = [&](const char* kind, std::size_t i, const PacketCounter& counter) {
    const PacketCount count = counter.get();
    if (count.packets == 0 && count.bytes == 0) return;
    text += std::string(" ") + kind + " " + std::to_string(i) + ": " +
            std::to_string(count.packets) + "/" + std::to_string(count.bytes);
  };
  for (std::size_t i = 0; i < objects; ++i) say("next hop", i, counters.nexthops[i]);
  for (std::size_t i = 0; i < objects; ++i) say("decap", i, counters.decaps[i]);
  for (std::size_t i = 0; i < drop_reason_count; ++i) {
    if (counters.drops[i].get() != 0) {
      text += " drop " + std::to_string(i) + ": " + std::to_string(counters.drops[i].get());
    }
  }
  return text;
}

/// Of all directions: packets and bytes.
template <class Key>
void add_counts(const FlowTable<Key>& table, PacketCount& sum) {
  for (std::uint32_t session = 1; session <= table.frontier(); ++session) {
    if (!table.live(session)) continue;
    for (const std::uint32_t direction : {2 * session, 2 * session + 1}) {
      const auto& foreign = table.session_of(direction).foreign[direction % 2];
      sum.packets += table.entry(direction).packets.get() + foreign.packets.get();
      sum.bytes += table.entry(direction).bytes.get() + foreign.bytes.get();
    }
  }
}
PacketCount counted(const FlowTables& flows) {
  PacketCount sum;
  add_counts(flows.v4, sum);
  add_counts(flows.v6, sum);
  return sum;
}

}  // namespace

std::string describe(const Outcome& outcome) {
  constexpr std::string_view exits[] = {"transmitted", "dropped", "punted", "held"};
  std::string text(exits[static_cast<std::size_t>(outcome.exit)]);
  if (outcome.reason != DropReason::none) {
    text += ": " + std::string(weft::describe(outcome.reason).name);
  }
  return text;
}

Rig::Rig(const Batch& batch) { apply(batch); }

void Rig::apply(const Batch& batch) {
  Batch with_flows = batch;
  for (auto& change : with_flows.vrfs) {
    if (change.object) change.object->flows = true;
  }
  for (auto& change : with_flows.vifs) {
    if (change.object) change.object->flows = !change.object->host;
  }
  Batch without_policies = batch;
  without_policies.policies.clear();
  for (auto& change : without_policies.vifs) {
    if (change.object) change.object->policy = {};
  }
  for (const auto& applied : {node_.state.apply(without_policies), twin_.state.apply(with_flows)}) {
    if (!applied) throw std::logic_error(applied.error().message);
  }
}

void Rig::apply_to_twin(const Batch& batch) {
  const auto applied = twin_.state.apply(batch);
  if (!applied) throw std::logic_error(applied.error().message);
}

void Rig::tidy() {
  twin_.rcu.online(0);
  twin_.hands.begin(rte_rdtsc());
  twin_.hands.tidy(1);
  twin_.rcu.offline(0);
}

template <class Tracer>
std::vector<Outcome> Rig::run_once(const std::vector<Bytes>& frames, const Layout& layout,
                                   const Source& source, Node& node, Tracer tracer,
                                   FlowHands* hands) {
  const unsigned free_before = rte_mempool_avail_count(packet_pool());
  counters_ = std::make_unique<WorkerCounters>();
  const auto exits = std::make_unique<Exits>();
  const auto burst = std::make_unique<Burst>();
  std::map<rte_mbuf*, std::size_t> index;
  std::vector<Packet> packets;
  std::vector<rte_mbuf*> received;
  for (const Bytes& frame : frames) {
    packets.push_back(make_packet(frame, layout));
    index[packets.back().mbuf()] = packets.size() - 1;
    received.push_back(packets.back().mbuf());
    if (source.add) source.add(node.state.tables(), *burst, packets.back());
  }
  StageContext<Tracer> ctx{node.state.tables(), *counters_, *exits, tracer, hands};
  if (source.add) {
    run_pipeline(ctx, *burst, source.entry);
  } else {
    const Ingress ingress = ingress_of(node.state.tables(), source.port.index());
    if (ingress.vrf == nullptr) broken("the port is not ready to receive");
    run_received(ctx, *burst, ingress, received);
  }
  if (burst->count != 0) broken("packets stayed in the burst");

  std::vector<Outcome> outcomes(frames.size());
  std::vector<unsigned> seen(frames.size());
  std::array<std::uint64_t, drop_reason_count> drops{};
  const auto collect = [&](const Exits::List& list, Exit exit, PortId port) {
    for (unsigned i = 0; i < list.count; ++i) {
      const auto at = index.find(list.packets[i]);
      if (at == index.end()) broken("a packet from nowhere");
      Outcome& o = outcomes[at->second];
      ++seen[at->second];
      o.exit = exit;
      o.port = port;
      o.place = i;
      o.metadata = Packet(list.packets[i]).metadata();
      o.frame = bytes_of(Packet(list.packets[i]));
      if (exit == Exit::punted && o.metadata.kind == PuntClass::icmp_error) {
        o.reason = o.metadata.reason;
        ++drops[static_cast<std::size_t>(o.reason)];
      }
    }
  };
  collect(exits->dropped, Exit::dropped, {});
  collect(exits->punted, Exit::punted, {});
  collect(exits->held, Exit::held, {});
  for (std::uint32_t port = 0; port < max_ports; ++port) {
    if ((exits->tx[port].count != 0) != ((exits->tx_ports >> port & 1) != 0)) {
      broken("tx_ports does not say which lists are filled");
    }
    std::uint64_t bytes = 0;
    for (unsigned i = 0; i < exits->tx[port].count; ++i) {
      bytes += Packet(exits->tx[port].packets[i]).total_bytes();
    }
    if (bytes != exits->tx[port].bytes) broken("a port's bytes are not those of its packets");
    collect(exits->tx[port], Exit::transmitted, PortId(port));
  }
  for (const unsigned times : seen) {
    if (times != 1) broken("a packet in " + std::to_string(times) + " exits");
  }
  // What is counted and not told of by metadata are the reasons of the dropped list, in order
  // unknown: a lone packet's reason is the one that is left.
  std::size_t dropped = 0;
  for (std::size_t r = 0; r < drop_reason_count; ++r) {
    const std::uint64_t left = counters_->drops[r].get() - drops[r];
    dropped += left;
    if (left != 0 && frames.size() == 1) outcomes[0].reason = static_cast<DropReason>(r);
  }
  if (dropped != exits->dropped.count || counters_->drops[0].get() != 0) {
    broken("drops are not counted once each");
  }
  for (const Packet packet : packets) rte_pktmbuf_free(packet.mbuf());
  if (rte_mempool_avail_count(packet_pool()) != free_before) broken("a stage kept a buffer");
  return outcomes;
}

std::vector<Outcome> Rig::run(const std::vector<Bytes>& frames, const Layout& layout,
                              const Source& source) {
  struct Way {
    std::vector<Outcome> outcomes;
    std::string counts;
    PacketCount flows;
  };
  const auto go = [&](Node& node, auto tracer) {
    const PacketCount before = counted(*node.state.tables().flows);
    Way way{run_once(frames, layout, source, node, tracer, &node.hands), counted(*counters_), {}};
    const PacketCount after = counted(*node.state.tables().flows);
    way.flows = {after.packets - before.packets, after.bytes - before.bytes};
    return way;
  };
  std::vector<ExplainStep> steps;
  std::vector<ExplainStep> unread;
  const Way explained = go(node_, RecordTracer{&steps});
  clocks_ = std::make_unique<StageClocks>();
  const Way measured = go(node_, ClockTracer{clocks_.get(), rte_rdtsc()});
  const Way opened = go(twin_, NullTracer{});
  const Way cached = go(twin_, NullTracer{});
  const Way known = go(twin_, RecordTracer{&unread});
  auto [outcomes, counts, flows] = go(node_, NullTracer{});
  const auto compare = [&](const Way& other, const std::string& how) {
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      if (whole(other.outcomes[i]) == whole(outcomes[i])) continue;
      broken(how + " as " + whole(other.outcomes[i]) + ", fared as " + whole(outcomes[i]));
    }
    if (other.counts != counts) broken(how + " and counted" + other.counts + ", else" + counts);
  };
  compare(explained, "explained");
  compare(measured, "measured");
  compare(opened, "opened a flow");
  compare(cached, "found a flow");
  compare(known, "explained with a flow");
  if (cached.flows.packets != known.flows.packets || cached.flows.bytes != known.flows.bytes) {
    broken("flows counted " + std::to_string(cached.flows.packets) + " packets, explained " +
           std::to_string(known.flows.packets));
  }
  if (outcomes.size() == 1) outcomes[0].steps = std::move(steps);
  return outcomes;
}

std::vector<Outcome> Rig::receive(PortId port, const std::vector<Bytes>& frames,
                                  const Layout& layout) {
  return run(frames, layout, {.port = port});
}

Outcome Rig::receive(PortId port, const Bytes& frame, const Layout& layout) {
  return receive(port, std::vector<Bytes>{frame}, layout).front();
}

std::vector<Bytes> Rig::pieces(PortId port, const std::vector<Bytes>& frames,
                               const Layout& layout) {
  const unsigned free_before = rte_mempool_avail_count(packet_pool());
  counters_ = std::make_unique<WorkerCounters>();
  const auto burst = std::make_unique<Burst>();
  struct Sent {
    Exits exits;
    std::vector<Bytes> frames;
    std::uint64_t bytes = 0;
    std::uint64_t bytes_told = 0;  ///< those of packets in a row when their way ends
    void empty() {
      for (Exits::Departures& queue : exits.tx) {
        for (unsigned i = 0; i < queue.count; ++i) {
          frames.push_back(bytes_of(Packet(queue.packets[i])));
          bytes += frames.back().size();
          rte_pktmbuf_free(queue.packets[i]);
        }
        bytes_told += std::exchange(queue.bytes, 0);
        queue.count = 0;
      }
      for (Exits::List* list : {&exits.dropped, &exits.punted, &exits.held}) {
        rte_pktmbuf_free_bulk(list->packets.data(), list->count);
        list->count = 0;
      }
      exits.tx_ports = exits.more = 0;
    }
  };
  const auto sent = std::make_unique<Sent>();
  Cutting cutting{packet_pool(), Identifications(0, 1, node_.state.tables().hash_seed),
                  [](void* all) { static_cast<Sent*>(all)->empty(); }, sent.get()};
  auto reassembly = std::make_unique<Reassembly>(ReassemblySettings{}, rte_get_tsc_hz(),
                                                 tunnel::HashSeed{3, 4}, *counters_);
  StageContext<NullTracer> ctx{node_.state.tables(), *counters_, sent->exits, {}, nullptr, &cutting,
                               reassembly.get(),     &sent_};
  const Ingress ingress = ingress_of(node_.state.tables(), port.index());
  std::vector<rte_mbuf*> received;
  for (const Bytes& frame : frames) received.push_back(make_packet(frame, layout).mbuf());
  run_received(ctx, *burst, ingress, received);
  sent->empty();
  reassembly.reset();
  if (sent->bytes != sent->bytes_told) broken("the ports' bytes are not those of their packets");
  if (rte_mempool_avail_count(packet_pool()) != free_before) broken("a stage kept a buffer");
  return std::move(sent->frames);
}

Outcome Rig::receive_judged(PortId port, const Bytes& frame) {
  return run_once({frame}, {}, {.port = port}, twin_, NullTracer{}, &twin_.hands).front();
}

Outcome Rig::receive_with_flows(PortId port, const Bytes& frame) {
  std::vector<ExplainStep> steps;
  auto outcome =
      run_once({frame}, {}, {.port = port}, twin_, RecordTracer{&steps}, &twin_.hands).front();
  outcome.steps = std::move(steps);
  return outcome;
}

Outcome Rig::explain_judged(PortId port, const Bytes& frame) {
  std::vector<ExplainStep> steps;
  auto outcome =
      run_once({frame}, {}, {.port = port}, twin_, RecordTracer{&steps}, nullptr).front();
  outcome.steps = std::move(steps);
  return outcome;
}

Outcome Rig::originate(VrfId vrf, const Bytes& bytes) {
  const auto add = [&](const Tables& tables, Burst& burst, Packet packet) {
    PacketContext& p = burst.add(packet);
    p.l3 = p.packet.data();
    p.end = p.l3 + p.packet.contiguous_bytes();
    p.bytes = p.packet.total_bytes();
    p.originated = true;
    p.vrf = tables.vrfs.get(vrf);
  };
  return run({bytes}, {}, {.entry = Entry::parse, .add = add}).front();
}

Outcome Rig::inject(NexthopId tunnel, const Bytes& frame, const Layout& layout) {
  const auto add = [&](const Tables& tables, Burst& burst, Packet packet) {
    PacketContext& p = burst.add(packet);
    p.l2 = p.packet.data();
    p.end = p.l2 + p.packet.contiguous_bytes();
    p.bytes = p.packet.total_bytes();
    p.originated = true;
    p.nexthop = tables.nexthops.get(tunnel);
    p.adjacency = tables.adjacencies.get(p.nexthop->adjacency);
  };
  return run({frame}, layout, {.entry = Entry::encap, .add = add}).front();
}

Outcome Rig::resume(const Outcome& held) {
  const PacketMetadata& m = held.metadata;
  const auto add = [&](const Tables& tables, Burst& burst, Packet packet) {
    PacketContext& p = burst.add(packet);
    p.packet.metadata() = m;
    p.l3 = p.packet.data() + m.l3_offset;
    p.end = p.packet.data() + p.packet.contiguous_bytes();
    p.bytes = p.packet.total_bytes() - m.l3_offset;
    p.l3_bytes = static_cast<std::uint16_t>(p.bytes);
    p.v4 = *p.l3 >> 4 == 4;
    p.vrf = tables.vrfs.get(m.vrf);
    p.adjacency = tables.adjacencies.get(m.adjacency);
  };
  return run({held.frame}, {}, {.entry = Entry::output, .add = add}).front();
}

Outcome Rig::resume_judged(const Outcome& held) {
  const PacketMetadata& m = held.metadata;
  const Ingress from = ingress_of_held(twin_.state.tables(), m);
  const auto add = [&](const Tables& tables, Burst& burst, Packet packet) {
    PacketContext& p = burst.add(packet);
    p.l3 = p.packet.data() + m.l3_offset;
    p.end = p.packet.data() + p.packet.contiguous_bytes();
    p.bytes = p.packet.total_bytes() - m.l3_offset;
    p.vrf = tables.vrfs.get(m.vrf);
    p.in = &from;
    p.care = from.care;
  };
  return run_once({held.frame}, {}, {.entry = Entry::parse, .add = add}, twin_, NullTracer{},
                  &twin_.hands)
      .front();
}

}  // namespace weft::test
