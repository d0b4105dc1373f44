#pragma once
/// Addresses that move between nodes, and those that move too often.

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "vpn/nlri.hpp"
#include "vpn/selection.hpp"

namespace weft::vpn {

using Time = std::chrono::steady_clock::time_point;

/// RFC 7432 §15.1: an address that moves so often is told by two nodes at once.
struct DampingRule {
  unsigned moves = 5;
  std::chrono::seconds within{180};
  std::chrono::seconds hold{180};  ///< quiet for so long, and it may move again
};

struct DuplicateAddress {
  NetworkId network;
  Nlri nlri;
  std::string kept;     ///< the node whose route stands
  std::string refused;  ///< the last one that claimed it, too
  unsigned claims = 0;  ///< that were refused
  Time since{};
};

/// Counts moves. Remembers an address only while it counts or is damped.
class Moves {
 public:
  using Key = std::pair<NetworkId, Nlri>;

  explicit Moves(const DampingRule& rule) : rule_(rule) {}

  /// `to` claims an address that `from` has: whether it may have it.
  bool claim(const Key& key, const std::string& from, const std::string& to, Time now);
  [[nodiscard]] bool damped(const Key& key) const;
  /// Those that have been quiet long enough, which are damped no more.
  std::vector<Key> expire(Time now);
  void forget(NetworkId network);
  /// All that are damped.
  [[nodiscard]] std::vector<DuplicateAddress> duplicates() const;
  /// Those of which nobody has been told yet.
  std::vector<DuplicateAddress> take_new();

 private:
  struct Watched {
    std::deque<Time> moves;
    Time quiet_since{};
    bool damped = false;
    DuplicateAddress duplicate{};
  };

  DampingRule rule_;
  std::map<Key, Watched> watched_;
  std::vector<DuplicateAddress> new_;
};

}  // namespace weft::vpn
