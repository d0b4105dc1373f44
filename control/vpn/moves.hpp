#pragma once
/// Addresses that move between nodes, and those that move too often.

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "vpn/nlri.hpp"
#include "vpn/selection.hpp"

namespace weft::vpn {

using Time = std::chrono::steady_clock::time_point;

/// An address that has moved `moves` times `within` such a time moves no more until it has been
/// quiet for the time `hold` (RFC 7432 §15.1).
struct DampingRule {
  unsigned moves = 5;
  std::chrono::seconds within{180};
  std::chrono::seconds hold{180};
};

/// An address that two nodes claim.
struct DuplicateAddress {
  NetworkId network;
  Nlri nlri;
  std::string kept;     ///< the node whose route stands
  std::string refused;  ///< the last one that claimed it, too
  unsigned claims = 0;  ///< that were refused
  Time since{};
};

/// Counts moves. Knows an address only while it counts, or holds it.
class Moves {
 public:
  using Key = std::pair<NetworkId, Nlri>;

  explicit Moves(const DampingRule& rule) : rule_(rule) {}

  /// `to` claims an address that `from` has: whether it may have it.
  bool claim(const Key& key, const std::string& from, const std::string& to, Time now);
  [[nodiscard]] bool damped(const Key& key) const { return damped_.contains(key); }
  /// Those that have been quiet long enough; they are damped no more.
  std::vector<Key> expire(Time now);
  void release(const Key& key) { damped_.erase(key); }
  /// All that are damped.
  [[nodiscard]] std::vector<DuplicateAddress> duplicates() const;
  /// Those of which nobody has been told yet.
  std::vector<DuplicateAddress> take_new() { return std::exchange(new_, {}); }

 private:
  struct Damped {
    DuplicateAddress duplicate;
    Time last_claim{};
  };

  DampingRule rule_;
  std::map<Key, std::vector<Time>> moves_;  ///< the latest last
  std::map<Key, Damped> damped_;
  std::vector<DuplicateAddress> new_;
};

}  // namespace weft::vpn
