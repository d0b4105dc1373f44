#include "tables/objects.hpp"

#include <algorithm>

#include "tunnel/registry.hpp"

namespace weft {
namespace {

Ipv6Address last_of(const IpPrefix& prefix) {
  Ipv6Address a = prefix.masked().address.v6();
  for (unsigned bit = prefix.length; bit < 128; ++bit) {
    a.bytes[bit / 8] |= static_cast<std::uint8_t>(0x80 >> (bit % 8));
  }
  return a;
}

template <class Ranges, class Address>
bool holds(const Ranges& ranges, const Address& address) {
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), address,
                       [](const Address& a, const auto& range) { return a < range.first; });
  return after != ranges.begin() && address <= std::prev(after)->second;
}

struct Compiler {
  NexthopEntry& entry;

  void operator()(const nexthop::Discard&) { entry.kind = NexthopKind::discard; }
  void operator()(const nexthop::Receive& n) {
    entry.kind = NexthopKind::receive;
    entry.adjacency = n.adjacency;
  }
  void operator()(const nexthop::Interface& n) {
    entry.kind = NexthopKind::interface;
    entry.adjacency = n.adjacency;
  }
  void operator()(const nexthop::Glean& n) {
    entry.kind = NexthopKind::glean;
    entry.leads_to = n.port.raw();
  }
  void operator()(const nexthop::Lookup& n) {
    entry.kind = NexthopKind::lookup;
    entry.leads_to = n.vrf.raw();
  }
  void operator()(const nexthop::Tunnel& n) {
    entry.kind = NexthopKind::tunnel;
    entry.adjacency = n.adjacency;
    entry.source_ports = tunnel::SourcePorts(n.profile.source_ports);
    entry.mss_clamp = n.profile.mss_clamp;
    entry.path_mtu_bytes = n.path_mtu_bytes;
    entry.watch_bytes = n.watch_bytes.value_or(NexthopEntry::unwatched);
    entry.outer_fragmentation =
        n.profile.outer_fragmentation && !describe(n.profile.kind).on_ethernet;
    entry.holds_nsh = n.profile.payload == TunnelPayload::nsh;
    if (describe(n.profile.kind).on_ethernet) return;
    entry.copies_ttl = n.profile.copy_ttl;
    entry.copied_class = n.profile.copy_dscp ? 0xff : tunnel::ecn_mask;
    entry.notable = tunnel::Notable(entry.copied_class, entry.copies_ttl);
  }
  void operator()(const nexthop::Ecmp& n) {
    entry.kind = NexthopKind::ecmp;
    entry.buckets = static_cast<std::uint16_t>(n.buckets.size());
  }
};

std::size_t copy_class(std::size_t bytes) { return bytes <= 64 ? 64 : bytes <= 128 ? 128 : 384; }

/// Those in `buckets`, each once.
std::vector<NexthopId> members_of(std::vector<NexthopId> buckets) {
  std::sort(buckets.begin(), buckets.end());
  buckets.erase(std::unique(buckets.begin(), buckets.end()), buckets.end());
  return buckets;
}

}  // namespace

NexthopEntry::Owner NexthopEntry::compile(NexthopId id, const Nexthop& nexthop) {
  tunnel::HeaderTemplate made;
  std::size_t copy = 0;
  if (const auto* t = std::get_if<nexthop::Tunnel>(&nexthop)) {
    made = tunnel::build_template(t->profile);
    if (made.bytes.overflown()) return nullptr;
    copy = copy_class(made.bytes.size());
  }
  const auto* ecmp = std::get_if<nexthop::Ecmp>(&nexthop);
  const auto members = ecmp != nullptr ? members_of(ecmp->buckets) : std::vector<NexthopId>{};
  const std::size_t ids = ecmp != nullptr ? ecmp->buckets.size() + members.size() : 0;
  void* memory =
      ::operator new (sizeof(NexthopEntry) + copy + ids * sizeof(NexthopId), std::align_val_t{64});
  auto* entry = new (memory) NexthopEntry;
  entry->id = id;
  std::visit(Compiler{*entry}, nexthop);
  if (copy != 0) {
    entry->outer_v4 = made.outer_v4;
    entry->ether_type = made.ether_type;
    entry->udp_checksum = made.udp_checksum;
    entry->header_bytes = static_cast<std::uint16_t>(made.bytes.size());
    entry->copy_bytes = static_cast<std::uint16_t>(copy);
    entry->udp_offset = made.udp_offset;
    entry->inner_ethernet_offset = made.inner_ethernet_offset;
    entry->ip_checksum_sum = made.ip_checksum_sum;
    entry->version_offset = made.version_slot.offset;
    entry->version4 = made.version_slot.ipv4;
    entry->version6 = made.version_slot.ipv6;
    auto* header = static_cast<std::uint8_t*>(memory) + sizeof(NexthopEntry);
    std::memset(header, 0, copy);
    std::memcpy(header + copy - made.bytes.size(), made.bytes.bytes().data(), made.bytes.size());
  }
  entry->plain = has_adjacency(entry->kind) && !entry->udp_checksum && !entry->on_ethernet() &&
                 !entry->holds_nsh && !entry->outer_fragmentation &&
                 entry->watch_bytes == NexthopEntry::unwatched && copy <= 128;
  if (ecmp != nullptr) {
    entry->members = static_cast<std::uint16_t>(members.size());
    auto* behind = std::uninitialized_copy(ecmp->buckets.begin(), ecmp->buckets.end(),
                                           reinterpret_cast<NexthopId*>(entry + 1));
    std::uninitialized_copy(members.begin(), members.end(), behind);
  }
  return Owner(entry);
}

DecapEntry::DecapEntry(DecapId entry_id, const Decap& value)
    : DecapTraits{entry_id, tunnel::Notable(tunnel::outer_ecn_that_counts, value.copy_dscp)},
      local4(value.local.is_v4() ? __builtin_bswap32(value.local.v4().value) : 0),
      key(decap_key(value.kind, value.destination_port, value.vni)),
      asks(tunnel::asks(value)),
      decap(value) {
  for (const IpPrefix& source : value.sources) {
    const IpPrefix prefix = source.masked();
    if (prefix.address.is_v4()) {
      const std::uint32_t first = prefix.address.v4().value;
      const std::uint32_t span = prefix.length == 0 ? ~0U : ~(~0U << (32 - prefix.length));
      ranges4.emplace_back(first, first | (prefix.length == 32 ? 0 : span));
    } else {
      ranges6.emplace_back(prefix.address.v6(), last_of(prefix));
    }
  }
  // Prefixes nest or are apart; keep the outermost, so that a binary search finds the right one.
  const auto tidy = [](auto& ranges) {
    std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) {
      return a.first < b.first || (a.first == b.first && b.second < a.second);
    });
    std::decay_t<decltype(ranges)> outer;
    for (const auto& range : ranges) {
      if (outer.empty() || outer.back().second < range.second) outer.push_back(range);
    }
    ranges = std::move(outer);
  };
  tidy(ranges4);
  tidy(ranges6);
  if (!ranges4.empty()) {
    first_source4 = ranges4[0].first;
    first_span4 = ranges4[0].second - ranges4[0].first;
  }
}

DecapId DecapEntry::id_of(const std::uint8_t* header) const {
  if (decap.marks.empty()) return id;
  const std::uint64_t bits = reinterpret_cast<const be64*>(header)->get();
  for (std::size_t i = 0; i < decap.marks.size(); ++i) {
    if (decap.marks[i].is_in(bits)) return decap.mark_ids[i];
  }
  return id;
}

const DecapMark* DecapEntry::mark(DecapId by) const {
  for (std::size_t i = 0; i < decap.marks.size(); ++i) {
    if (decap.mark_ids[i] == by) return &decap.marks[i];
  }
  return nullptr;
}

bool DecapEntry::accepts_one_of(std::uint32_t source) const { return holds(ranges4, source); }
bool DecapEntry::accepts(const Ipv6Address& source) const { return holds(ranges6, source); }

}  // namespace weft
