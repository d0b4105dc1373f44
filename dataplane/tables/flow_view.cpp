#include "tables/flow_view.hpp"

#include "wire/ipv4.hpp"

namespace weft {
namespace {

/// Of the two numbers beside a key's addresses, as an operator knows them.
struct Ports {
  std::uint16_t source;
  std::uint16_t destination;
};
Ports ports_of(FlowPorts ports, std::uint8_t protocol) {
  const auto low = static_cast<std::uint16_t>(ports);
  if (wire::is_icmp(protocol)) return {low, low};
  return {__builtin_bswap16(low), __builtin_bswap16(static_cast<std::uint16_t>(ports >> 16))};
}

void set_addresses(FlowDirection& direction, const FlowKey4& key) {
  const auto address = [](std::uint64_t raw) {
    return IpAddress(Ipv4Address{__builtin_bswap32(static_cast<std::uint32_t>(raw))});
  };
  direction.source = address(key.addresses);
  direction.destination = address(key.addresses >> 32);
}
void set_addresses(FlowDirection& direction, const FlowKey6& key) {
  Ipv6Address address;
  std::memcpy(address.bytes.data(), key.addresses, sizeof address.bytes);
  direction.source = address;
  std::memcpy(address.bytes.data(), key.addresses + 2, sizeof address.bytes);
  direction.destination = address;
}

bool inside(const std::optional<IpPrefix>& prefix, const IpAddress& address) {
  return !prefix || prefix->contains(address);
}

bool matches(const FlowFilter& f, const FlowRecord& r, const FlowDirection& d) {
  const bool addresses = inside(f.source, d.source) && inside(f.destination, d.destination) &&
                         (inside(f.address, d.source) || inside(f.address, d.destination));
  const bool port = !f.port || *f.port == d.source_port || *f.port == d.destination_port;
  const bool vif = !f.vif || *f.vif == d.ingress || *f.vif == r.charged;
  return addresses && port && vif && (!f.vrf || *f.vrf == d.vrf);
}

bool matches(const FlowFilter& f, const FlowRecord& r) {
  return (!f.id || *f.id == r.id) && (!f.protocol || *f.protocol == r.protocol) &&
         (!f.state || *f.state == r.state) &&
         (matches(f, r, r.forward) || matches(f, r, r.reverse));
}

}  // namespace

template <class Key>
FlowRecord FlowView::record(FlowTable<Key>& table, std::uint32_t session, FlowTick now) const {
  FlowRecord r;
  const FlowSession& s = table.session_of(2 * session);
  r.id = s.id.get();
  r.protocol = table.entry(2 * session).key.protocol();
  r.state = table.state(session);
  r.charged = VifId::from_raw(s.charged_vif.get());
  const auto age =
      static_cast<std::int32_t>(now - s.opened.get());  // a worker's clock may be ahead
  r.age_ms = tables_.clock.ms(static_cast<FlowTick>(std::max(age, 0)));
  r.idle_ms = tables_.clock.ms(table.idle(session, now));
  for (const bool back : {false, true}) {
    const FlowEntry<Key>& entry = table.entry(2 * session + (back ? 1 : 0));
    FlowDirection& d = back ? r.reverse : r.forward;
    set_addresses(d, entry.key);
    const Ports ports = ports_of(entry.key.ports, r.protocol);
    d.source_port = ports.source;
    d.destination_port = ports.destination;
    d.vrf = VrfId(entry.key.vrf_index());
    d.ingress = VifId::from_raw(entry.ingress.get());
    d.nexthop = NexthopId::from_raw(entry.nexthop.get());
    d.packets = entry.packets.get() + s.foreign[back].packets.get();
    d.bytes = entry.bytes.get() + s.foreign[back].bytes.get();
    d.tcp_flags = entry.seen_tcp_flags();
    const std::uint8_t owner = entry.owner.load(std::memory_order_relaxed);
    if (FlowEntry<Key>::is_worker(owner)) d.owner = owner;
  }
  return r;
}

template <class Visit>
void FlowView::walk(const FlowFilter& filter, FlowCursor& cursor, std::size_t count,
                    std::uint64_t tsc, Visit&& visit) {
  hands_.begin(tsc);
  const auto step = [&](auto& table) {
    if (cursor.session >= table.frontier()) return false;
    const std::uint32_t session = ++cursor.session;
    if (!table.live(session)) return true;
    const FlowRecord r = record(table, session, hands_.now());
    if (matches(filter, r)) visit(table, session, r);
    return true;
  };
  hold([&] {
    for (std::size_t i = 0; i < count && !cursor.end; ++i) {
      if (cursor.family == IpFamily::v4) {
        if (!step(tables_.v4)) cursor = {IpFamily::v6, 0, false};
      } else if (!step(tables_.v6)) {
        cursor.end = true;
      }
    }
  });
}

std::vector<FlowRecord> FlowView::flows(const FlowFilter& filter, FlowCursor& cursor,
                                        std::size_t count, std::uint64_t tsc) {
  std::vector<FlowRecord> found;
  walk(filter, cursor, count, tsc,
       [&](auto&, std::uint32_t, const FlowRecord& r) { found.push_back(r); });
  return found;
}

std::size_t FlowView::clear(const FlowFilter& filter, FlowCursor& cursor, std::size_t count,
                            std::uint64_t tsc) {
  std::size_t cleared = 0;
  walk(filter, cursor, count, tsc,
       [&]<class Key>(FlowTable<Key>& table, std::uint32_t session, const FlowRecord&) {
         FlowWriter& writer = hands_.of<Key>();
         if (!table.close(writer, 2 * session)) return;
         writer.cleared.add(1);
         ++cleared;
       });
  return cleared;
}

FlowCounters FlowView::counters(IpFamily family, std::span<const FlowHands* const> workers) const {
  FlowCounters sum;
  const bool v4 = family == IpFamily::v4;
  std::uint64_t closed = 0;
  const auto add = [&](const FlowHands& hands) {
    const FlowWriter& w = v4 ? hands.v4() : hands.v6();
    closed += w.closings.get();
    sum.opened += w.opened.get();
    sum.expired += w.expired.get();
    sum.evicted += w.evicted.get();
    sum.cleared += w.cleared.get();
    sum.refused += w.refused.get();
  };
  add(hands_);
  for (const FlowHands* hands : workers) add(*hands);
  sum.sessions = sum.opened > closed ? sum.opened - closed : 0;
  sum.capacity = v4 ? tables_.v4.capacity() : tables_.v6.capacity();
  sum.memory_bytes = v4 ? tables_.v4.bytes() : tables_.v6.bytes();
  sum.hugepage_bytes = v4 ? tables_.v4.hugepage_bytes() : tables_.v6.hugepage_bytes();
  return sum;
}

}  // namespace weft
