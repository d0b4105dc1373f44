#pragma once
/// Token buckets, one and many.

#include <algorithm>
#include <list>
#include <unordered_map>
#include <utility>

#include "agent/clock.hpp"

namespace weft::agent {

class TokenBucket {
 public:
  /// `burst` tokens at most, at first all of them; `per_second` come anew.
  TokenBucket(double per_second, double burst)
      : per_second_(per_second), burst_(burst), tokens_(burst) {}

  bool take(Time now) {
    if (now > last_) {
      const std::chrono::duration<double> passed = now - last_;
      tokens_ = std::min(burst_, tokens_ + passed.count() * per_second_);
      last_ = now;
    }
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  double per_second_;
  double burst_;
  double tokens_;
  Time last_{};
};

/// A bucket for each key; beyond `capacity` keys the one that was asked for longest ago starts
/// anew.
template <class Key, class Hash = std::hash<Key>>
class KeyedLimiter {
 public:
  KeyedLimiter(double per_second, double burst, std::size_t capacity)
      : fresh_(per_second, burst), capacity_(capacity) {}

  bool take(const Key& key, Time now) {
    auto found = at_.find(key);
    if (found != at_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second);
    } else {
      if (at_.size() >= capacity_) {
        at_.erase(recent_.back().first);
        recent_.pop_back();
      }
      recent_.emplace_front(key, fresh_);
      found = at_.emplace(key, recent_.begin()).first;
    }
    return found->second->second.take(now);
  }

 private:
  using Entry = std::pair<Key, TokenBucket>;
  TokenBucket fresh_;
  std::size_t capacity_;
  std::list<Entry> recent_;
  std::unordered_map<Key, typename std::list<Entry>::iterator, Hash> at_;
};

}  // namespace weft::agent
