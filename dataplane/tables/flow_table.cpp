#include "tables/flow_table.hpp"

namespace weft {

template <class Key>
void FlowTable<Key>::fill(std::uint32_t direction, const Key& key,
                          const FlowOpening<Key>& opening) {
  Entry& entry = entries_[direction];
  entry.key = key;
  entry.packets.set(0);
  entry.bytes.set(0);
  entry.last_seen.set(opening.now);
  entry.extension.set(0);
  entry.tcp_flags.store(0, std::memory_order_relaxed);
  entry.tcp_syn.store(false, std::memory_order_relaxed);
  entry.owner.store(Entry::nobody, std::memory_order_relaxed);
  const bool forward = is_forward(direction);
  entry.nexthop.set(forward ? opening.nexthop.raw() : NexthopId{}.raw());
  entry.ingress.set(forward ? opening.ingress.raw() : VifId{}.raw());
  entry.vrf.set(opening.vrf.raw());
  // Of the way back nothing is known until a packet comes; that it may come is.
  entry.stamp.store(forward ? opening.stamp : opening.stamp & ~std::uint64_t{0xffffffff},
                    std::memory_order_relaxed);
}

template <class Key>
FlowIndex::PutResult FlowTable<Key>::put(std::uint32_t direction, std::uint64_t hash) {
  const Key& key = entries_[direction].key;
  return index_.put(hash, direction, [&](std::uint32_t d) { return entries_[d].key == key; });
}

template <class Key>
void FlowTable<Key>::prefetch(const FlowWriter& writer, const Key& reverse) const {
  index_.searcher().prefetch(hash(reverse));
  if (writer.hand.empty()) return;
  const std::uint32_t session = writer.hand.back();
  __builtin_prefetch(&sessions_[session], 1);
  __builtin_prefetch(&entries_[2 * session], 1);
  __builtin_prefetch(&entries_[2 * session + 1], 1);
}

template <class Key>
std::uint32_t FlowTable<Key>::open(FlowWriter& writer, const FlowOpening<Key>& opening) {
  const std::uint64_t reverse_hash = hash(opening.reverse);
  if (sessions_.shared() < reserve()) make_room(writer, opening.now);
  writer.refusal = DropReason::flow_vif_limit;
  if (!charge(writer, opening.charged, opening.now)) return refuse(writer);
  writer.refusal = DropReason::flow_table_full;
  const std::uint32_t session = sessions_.take(writer.hand);
  if (session == 0) {
    discharge(opening.charged);
    return refuse(writer);
  }
  const std::uint32_t forward = 2 * session;
  const std::uint32_t reverse = forward + 1;
  fill(forward, opening.forward, opening);
  fill(reverse, opening.reverse, opening);
  entries_[forward].owner.store(writer.worker, std::memory_order_relaxed);
  FlowSession& s = sessions_[session];
  s.id.set(++writer.next_id);
  for (auto& foreign : s.foreign) {
    foreign.packets.set(0);
    foreign.bytes.set(0);
  }
  s.opened.set(opening.now);
  s.charged_vif.set(opening.charged.raw());
  if (opening.charged.valid()) {
    VifSessions& vif = vifs_[opening.charged.index()];
    const std::uint32_t place = vif.next.fetch_add(1, std::memory_order_relaxed);
    vif.recent[place % std::size(vif.recent)].store(session, std::memory_order_relaxed);
  }
  // Nobody closes it until both keys stand.
  s.state.store(FlowSession::opening, std::memory_order_relaxed);

  // Both keys in an order that all threads keep: whoever has the first one has the conversation.
  const bool one_way = opening.forward == opening.reverse;
  const bool forward_first = one_way || opening.forward < opening.reverse;
  auto placed = forward_first ? put(forward, opening.forward_hash) : put(reverse, reverse_hash);
  if (placed.how == FlowIndex::Put::done) {
    if (!forward_first) {
      placed = put(forward, opening.forward_hash);
    } else if (!one_way) {
      put(reverse, reverse_hash);
    }
  } else if (placed.how == FlowIndex::Put::exists && !forward_first) {
    const std::uint32_t ours = other(placed.entry);
    if (entries_[ours].key != opening.forward) {
      // The other session's ways do not mirror ours: this one knows its own direction only.
      placed = put(forward, opening.forward_hash);
    } else {
      placed.entry = ours;
    }
  }
  if (placed.how == FlowIndex::Put::done) {
    s.state.store(FlowSession::live, std::memory_order_release);
    writer.opened.add(1);
    return forward;
  }
  if (placed.how == FlowIndex::Put::full) writer.refused.add(1);
  unlink(writer, session);
  return placed.how == FlowIndex::Put::exists ? placed.entry : 0;
}

template <class Key>
bool FlowTable<Key>::close(FlowWriter& writer, std::uint32_t direction) {
  std::uint32_t live = FlowSession::live;
  if (!session_of(direction).state.compare_exchange_strong(live, FlowSession::closing,
                                                           std::memory_order_acq_rel)) {
    return false;
  }
  unlink(writer, direction / 2);
  writer.closings.add(1);
  return true;
}

template <class Key>
void FlowTable<Key>::unlink(FlowWriter& writer, std::uint32_t session) {
  // The key that open() puts first goes last: who can put it there can put the other, too.
  const std::uint32_t first =
      entries_[2 * session].key < entries_[2 * session + 1].key ? 2 * session : 2 * session + 1;
  for (const std::uint32_t d : {other(first), first}) index_.remove(hash(entries_[d].key), d);
  discharge(VifId::from_raw(sessions_[session].charged_vif.get()));
  writer.closed.push_back({writer.grace->begin_grace(), session});
}

template <class Key>
void FlowTable<Key>::reclaim(FlowWriter& writer, std::size_t at_once) {
  for (std::size_t i = 0; i < at_once && !writer.closed.empty(); ++i) {
    const auto [token, session] = writer.closed.front();
    if (!writer.grace->grace_over(token)) return;
    writer.closed.pop_front();
    for (const std::uint32_t d : {2 * session, 2 * session + 1}) {
      index_.release(hash(entries_[d].key), d);
    }
    sessions_[session].state.store(FlowSession::free, std::memory_order_release);
    sessions_.give(writer.hand, session);
    writer.freed.add(1);
  }
}

template <class Key>
void FlowTable<Key>::count_foreign(FlowWriter& writer, std::uint32_t direction,
                                   std::uint32_t bytes) {
  auto& foreign = session_of(direction).foreign[direction % 2];
  foreign.bytes.add_shared(bytes);
  const std::uint64_t before = foreign.packets.add_shared(1);
  if (before % foreign_packets_a_move == foreign_packets_a_move - 1) ask_for(writer, direction);
}

/// The owner may be counting at this moment, and does so to the end of its burst.
template <class Key>
void FlowTable<Key>::ask_for(FlowWriter& writer, std::uint32_t direction) {
  if (writer.moves.full()) return;  // the next time
  auto& owner = entries_[direction].owner;
  std::uint8_t old = owner.load(std::memory_order_relaxed);
  if (!Entry::is_worker(old) || old == writer.worker ||
      !owner.compare_exchange_strong(old, Entry::moving_to(writer.worker),
                                     std::memory_order_relaxed)) {
    return;
  }
  writer.moves.push_back({writer.grace->begin_grace(), session_of(direction).id.get(), direction});
}

/// If the session's number has been used again meanwhile, by this worker even, which has asked for
/// it again, then the id tells; by another, then the entry moves to this worker no more.
template <class Key>
void FlowTable<Key>::take_over(FlowWriter& writer) {
  while (!writer.moves.empty()) {
    const auto [token, id, direction] = writer.moves.front();
    if (!writer.grace->grace_over(token)) return;
    writer.moves.pop_front();
    if (session_of(direction).id.get() != id) continue;
    std::uint8_t moving = Entry::moving_to(writer.worker);
    entries_[direction].owner.compare_exchange_strong(moving, writer.worker,
                                                      std::memory_order_relaxed);
  }
}

template <class Key>
FlowState FlowTable<Key>::state(std::uint32_t session) const {
  const Entry& forward = entries_[2 * session];
  const Entry& reverse = entries_[2 * session + 1];
  const bool answered =
      reverse.packets.get() != 0 || sessions_[session].foreign[1].packets.get() != 0;
  if (forward.key.protocol() != static_cast<std::uint8_t>(wire::IpProtocol::tcp)) {
    return answered ? FlowState::answered : FlowState::one_way;
  }
  const std::uint8_t there = forward.tcp_flags.load(std::memory_order_relaxed);
  const std::uint8_t back = reverse.tcp_flags.load(std::memory_order_relaxed);
  if (((there | back) & wire::tcp_flag::rst) != 0 || (there & back & wire::tcp_flag::fin) != 0) {
    return FlowState::closing;
  }
  return (there & back & wire::tcp_flag::ack) != 0 ? FlowState::established : FlowState::opening;
}

template <class Key>
FlowTick FlowTable<Key>::idle(std::uint32_t session, FlowTick now) const {
  const auto since = [&](std::uint32_t direction) {
    const auto ticks = static_cast<std::int32_t>(now - entries_[direction].last_seen.get());
    return static_cast<FlowTick>(std::max(ticks, 0));  // another worker's clock may be ahead
  };
  return std::min(since(2 * session), since(2 * session + 1));
}

template <class Key>
FlowTick FlowTable<Key>::timeout(std::uint32_t session) const {
  const FlowState s = state(session);
  switch (static_cast<wire::IpProtocol>(entries_[2 * session].key.protocol())) {
    case wire::IpProtocol::tcp:
      return s == FlowState::established ? rules_.tcp_established.get()
             : s == FlowState::closing   ? rules_.tcp_closing.get()
                                         : rules_.tcp_opening.get();
    case wire::IpProtocol::udp:
      return s == FlowState::answered ? rules_.udp_answered.get() : rules_.udp_one_way.get();
    case wire::IpProtocol::icmp:
    case wire::IpProtocol::icmpv6:
      return rules_.icmp.get();
    case wire::IpProtocol::sctp:
      break;
  }
  return rules_.other.get();
}

template <class Key>
void FlowTable<Key>::age(FlowWriter& writer, FlowTick now, std::uint32_t count, unsigned writers) {
  // Chunks fall to the writers in turn.
  constexpr std::uint32_t chunk = FlowPool<FlowSession>::chunk;
  const std::uint32_t chunks = frontier() / chunk;
  for (std::uint32_t done = 0; done < std::min(count, frontier()); done += chunk) {
    if (writer.scan >= chunks) writer.scan = writer.worker;
    if (writer.scan >= chunks) return;
    const std::uint32_t first = writer.scan * chunk + 1;
    writer.scan += writers;
    for (std::uint32_t s = first; s < first + chunk; ++s) {
      if (live(s) && idle(s, now) >= timeout(s) && close(writer, 2 * s)) writer.expired.add(1);
    }
  }
}

/// What is over goes first, then what was never answered, then what is idle. Established sessions
/// stay while they are used, so that a flood of new ones cannot drive them out.
template <class Key>
std::uint64_t FlowTable<Key>::expendable(std::uint32_t session, FlowTick now) const {
  if (!live(session)) return 0;
  const FlowTick quiet = idle(session, now);
  switch (state(session)) {
    case FlowState::closing:
      return 3ULL << 32 | quiet;
    case FlowState::opening:
    case FlowState::one_way:
      return 2ULL << 32 | quiet;
    case FlowState::answered:
    case FlowState::established:
      break;
  }
  return quiet < timeout(session) / 4 ? 0 : 1ULL << 32 | quiet;
}

/// Closes the two of some sessions that can best be done without.
template <class Key>
void FlowTable<Key>::make_room(FlowWriter& writer, FlowTick now) {
  constexpr unsigned looks = 16;
  if (frontier() == 0) return;
  for (unsigned closed = 0; closed < 2; ++closed) {
    std::uint32_t best = 0;
    std::uint64_t best_score = 0;
    std::uint32_t session = static_cast<std::uint32_t>(writer.random() % frontier());
    for (unsigned i = 0; i < looks; ++i) {
      session = session % frontier() + 1;
      if (const std::uint64_t score = expendable(session, now); score > best_score) {
        best_score = score;
        best = session;
      }
    }
    if (best == 0) return;
    if (close(writer, 2 * best)) writer.evicted.add(1);
  }
}

template <class Key>
void FlowTable<Key>::discharge(VifId vif) {
  if (vif.valid()) vifs_[vif.index()].remove(vif);
}

template <class Key>
std::uint32_t FlowTable<Key>::refuse(FlowWriter& writer) {
  writer.refused.add(1);
  return 0;
}

/// Counts one more session of the VIF; false: it has as many as it may. Another worker may take the
/// room that was made.
template <class Key>
bool FlowTable<Key>::charge(FlowWriter& writer, VifId vif, FlowTick now) {
  if (!vif.valid()) return true;
  while (!vifs_[vif.index()].add(vif, rules_.sessions_a_vif.get())) {
    if (!close_recent(writer, vif, now)) return false;
  }
  return true;
}

/// Closes the session, of the last of a VIF, that can best be done without. False: none can.
template <class Key>
bool FlowTable<Key>::close_recent(FlowWriter& writer, VifId vif, FlowTick now) {
  std::uint32_t best = 0;
  std::uint64_t best_score = 0;
  for (const auto& recent : vifs_[vif.index()].recent) {
    const std::uint32_t session = recent.load(std::memory_order_relaxed);
    if (session == 0 || sessions_[session].charged_vif.get() != vif.raw()) continue;
    if (const std::uint64_t score = expendable(session, now); score > best_score) {
      best_score = score;
      best = session;
    }
  }
  if (best == 0) return false;
  if (close(writer, 2 * best)) writer.evicted.add(1);  // else another worker has
  return true;
}

template class FlowTable<FlowKey4>;
template class FlowTable<FlowKey6>;

}  // namespace weft
