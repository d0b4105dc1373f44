#include "agent/path_mtu.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "agent/bytes.hpp"
#include "agent/neighbour_message.hpp"
#include "wire/ipv6.hpp"
#include "wire/udp.hpp"

namespace weft::agent {
namespace {

constexpr std::uint16_t least_mtu4 = 576;   // below that nobody's path should be (RFC 1191 §3)
constexpr std::uint16_t least_mtu6 = 1280;  // RFC 8200 §5

/// What the next hop takes where an old router does not say (RFC 1191 §7.1).
std::uint16_t plateau_below(std::uint16_t bytes) {
  for (const std::uint16_t plateau : {32000, 17914, 8166, 4352, 2002, 1492, 1006}) {
    if (plateau < bytes) return plateau;
  }
  return least_mtu4;
}

struct Quote {
  IpAddress local;
  IpAddress remote;
  std::uint16_t bytes = 0;  ///< of the packet that is quoted
  std::size_t upper = 0;    ///< bytes before what follows the IP header
};

/// The outer header that an error quotes, with what must be quoted of the next one.
std::optional<Quote> read_quote(Bytes quote) {
  constexpr std::size_t least_upper = 8;  // RFC 792
  Quote out;
  if (quote.empty()) return std::nullopt;
  if (quote[0] == wire::Ipv4::plain) {
    wire::Ipv4 ip;
    if (quote.size() < sizeof ip + least_upper) return std::nullopt;
    std::memcpy(&ip, quote.data(), sizeof ip);
    out = {Ipv4Address{ip.source.get()}, Ipv4Address{ip.destination.get()}, ip.total_length.get(),
           sizeof ip};
  } else if (quote[0] >> 4 == 6) {
    wire::Ipv6 ip;
    if (quote.size() < sizeof ip + least_upper) return std::nullopt;
    std::memcpy(&ip, quote.data(), sizeof ip);
    const std::size_t bytes = sizeof ip + ip.payload_length.get();
    if (bytes > 0xffff) return std::nullopt;
    out = {ip.source, ip.destination, static_cast<std::uint16_t>(bytes), sizeof ip};
  } else {
    return std::nullopt;
  }
  return out;
}

/// Whether `quote` is the packet that was sent, but for what routers change on its way: traffic
/// class, TTL or hop limit, checksum.
bool same_packet(Bytes quote, Bytes sent) {
  if (sent.empty()) return false;
  const bool v4 = sent[0] >> 4 == 4;
  const auto changes = [v4](std::size_t at) {
    return v4 ? at == 1 || at == 8 || at == 10 || at == 11 : at == 1 || at == 7;
  };
  const std::size_t size = std::min(quote.size(), sent.size());
  for (std::size_t at = 0; at < size; ++at) {
    if (quote[at] != sent[at] && !changes(at)) return false;
  }
  return true;
}

/// Whether the tunnel's packets look like the one that is quoted, as far as its profile tells.
bool may_have_sent(const TunnelProfile& profile, Bytes quote, const Quote& header) {
  if (profile.local != header.local || profile.remote != header.remote) return false;
  if (profile.destination_port == 0) return true;
  wire::Udp udp;
  std::memcpy(&udp, quote.data() + header.upper, sizeof udp);
  const std::uint16_t source = udp.source_port.get();
  return udp.destination_port.get() == profile.destination_port &&
         source >= profile.source_ports.first && source <= profile.source_ports.last;
}

}  // namespace

PathMtu::PathMtu(const Model& model, Resolver& resolver, Clock clock)
    : model_(model),
      resolver_(resolver),
      clock_(std::move(clock)),
      watches_(watches_per_second, watches_per_second) {}

std::vector<std::string> PathMtu::tunnels_on(const Path& path) const {
  std::vector<std::string> names;
  auto at = model_.remotes.lower_bound({path.second, NexthopId(0)});
  for (; at != model_.remotes.end() && at->first == path.second; ++at) {
    const std::string& name = model_.nexthops.at(at->second).name;
    if (model_.tunnels.find(name)->second.profile.local == path.first) names.push_back(name);
  }
  return names;
}

void PathMtu::set(const Path& path, const TunnelPath& what) {
  (void)resolver_.put_paths(tunnels_on(path), what);
}

TunnelPath PathMtu::known(const Path& path) const {
  TunnelPath all;
  for (const auto& name : tunnels_on(path)) {
    const TunnelPath& one = model_.tunnels.find(name)->second.path;
    all.mtu_bytes = std::min(all.mtu_bytes, one.mtu_bytes);
    if (one.watch_bytes) all.watch_bytes = one.watch_bytes;
  }
  return all;
}

bool PathMtu::receive(const PuntedPacket& punted) {
  if (punted.vrf != underlay_vrf) return false;
  const auto packet = parse_ip_packet(l3_of(punted));
  const auto error = packet ? too_big_message(*packet) : std::nullopt;
  if (!error) return false;
  const auto quote = read_quote(error->quote);
  if (!quote) return false;
  const Path path{quote->local, quote->remote};
  const bool ours = std::ranges::any_of(tunnels_on(path), [&](const std::string& name) {
    return may_have_sent(model_.tunnels.find(name)->second.profile, error->quote, *quote);
  });
  if (!ours) return false;
  const bool v4 = quote->local.is_v4();
  std::uint32_t mtu = error->mtu_bytes;
  if (v4 && mtu == 0) mtu = plateau_below(quote->bytes);
  // RFC 8201 §4: what is below the least MTU is nobody's.
  if (mtu >= quote->bytes || mtu >= known(path).mtu_bytes || (!v4 && mtu < least_mtu6)) {
    ++counters_.ignored;
    return true;
  }
  const auto state = paths_.find(path);
  const bool was_sent =
      state != paths_.end() && std::ranges::any_of(state->second.seen, [&](const Seen& seen) {
        return seen.bytes == quote->bytes && same_packet(error->quote, seen.start);
      });
  const auto mtu_bytes = std::max(static_cast<std::uint16_t>(mtu), least_mtu4);
  if (was_sent) {
    ++counters_.learned;
    learn(path, mtu_bytes, packet->source);
  } else {
    ++counters_.ignored;
    watch(path, mtu_bytes);
  }
  return true;
}

/// Has the data plane tell of what is larger.
void PathMtu::watch(const Path& path, std::uint16_t mtu_bytes) {
  const auto now = clock_();
  if (const auto found = paths_.find(path);
      found != paths_.end() && found->second.watch_until.has_value()) {
    return;
  }
  if (!watches_.take(now)) return;
  paths_[path].watch_until = now + watch_time;
  set(path, {known(path).mtu_bytes, mtu_bytes});
}

void PathMtu::learn(const Path& path, std::uint16_t mtu_bytes, const IpAddress& from) {
  State& state = paths_[path];
  state.watch_until.reset();
  state.seen.clear();
  state.learned_until = clock_() + lifetime;
  set(path, {mtu_bytes, {}});
  SPDLOG_INFO("tunnels from {} to {}: the path takes packets of {} bytes, says {}",
              to_string(path.first), to_string(path.second), mtu_bytes, to_string(from));
}

void PathMtu::sent(const SentPacket& packet) {
  const auto use = model_.nexthops.find(packet.tunnel);
  if (use == model_.nexthops.end() || use->second.kind != NexthopUse::Kind::tunnel) return;
  const auto& profile = model_.tunnels.find(use->second.name)->second.profile;
  const auto state = paths_.find({profile.local, profile.remote});
  if (state == paths_.end() || !state->second.watch_until) return;
  auto& seen = state->second.seen;
  if (seen.size() == remembered) seen.pop_front();
  seen.push_back({packet.bytes, {packet.start.begin(), packet.start.end()}});
}

void PathMtu::tick() {
  const auto now = clock_();
  for (auto at = paths_.begin(); at != paths_.end();) {
    const Path path = at->first;
    State& state = at->second;
    const bool aged = state.learned_until && *state.learned_until <= now;
    const bool unconfirmed = state.watch_until && *state.watch_until <= now;
    if (aged) state.learned_until.reset();
    if (unconfirmed) {
      state.watch_until.reset();
      state.seen.clear();
    }
    if (aged || unconfirmed) {
      const TunnelPath before = known(path);
      set(path, {aged ? TunnelPath{}.mtu_bytes : before.mtu_bytes,
                 state.watch_until ? before.watch_bytes : std::nullopt});
    }
    at = state.learned_until || state.watch_until ? std::next(at) : paths_.erase(at);
  }
}

}  // namespace weft::agent
