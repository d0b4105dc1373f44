#pragma once
/// What the paths to tunnels' remotes take, learned from ICMP of the underlay (RFC 1191, RFC 8201).
///
/// Anyone can send such an error. The first one that speaks of a tunnel of ours only has the data
/// plane tell of the large packets that it sends there from now on (nexthop::Tunnel::watch_bytes).
/// Believed is one that quotes such a packet: over IPv4 that has a number which nobody can guess,
/// over IPv6 an error quotes what is inside, too.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "agent/clock.hpp"
#include "agent/icmp_message.hpp"
#include "agent/model.hpp"
#include "agent/rate_limiter.hpp"
#include "agent/resolver.hpp"

namespace weft::agent {

class PathMtu {
 public:
  static constexpr std::chrono::minutes lifetime{10};    ///< RFC 1191 §6.3, RFC 8201 §4
  static constexpr std::chrono::seconds watch_time{10};  ///< for a second error to come
  static constexpr std::size_t remembered = 64;          ///< packets of a path
  static constexpr double watches_per_second = 5;

  /// Of all such errors since the start.
  struct Counters {
    std::uint64_t learned = 0;  ///< they quoted a packet that was sent
    std::uint64_t ignored = 0;  ///< they did not, or told nothing new
  };

  PathMtu(const Model& model, Resolver& resolver, Clock clock);

  /// A packet to the router itself; whether it is an error of this kind, which is dealt with then.
  bool receive(const PuntedPacket& packet);
  void sent(const SentPacket& packet);
  /// Forgets what is old; to be called several times a second.
  void tick();

  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  using Path = std::pair<IpAddress, IpAddress>;  ///< local, remote
  struct Seen {
    std::uint16_t bytes;
    std::vector<std::uint8_t> start;
  };
  struct State {
    std::optional<Time> watch_until;
    std::optional<Time> learned_until;
    std::deque<Seen> seen;
  };

  /// The tunnels whose packets take the path.
  [[nodiscard]] std::vector<std::string> tunnels_on(const Path& path) const;
  void set(const Path& path, const TunnelPath& what);
  [[nodiscard]] TunnelPath known(const Path& path) const;
  void watch(const Path& path, std::uint16_t mtu_bytes);
  void learn(const Path& path, std::uint16_t mtu_bytes, const IpAddress& from);

  const Model& model_;
  Resolver& resolver_;
  Clock clock_;
  std::map<Path, State> paths_;
  TokenBucket watches_;
  Counters counters_;
};

}  // namespace weft::agent
