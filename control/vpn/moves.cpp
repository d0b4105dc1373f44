#include "vpn/moves.hpp"

namespace weft::vpn {

bool Moves::claim(const Key& key, const std::string& from, const std::string& to, Time now) {
  if (const auto held = damped_.find(key); held != damped_.end()) {
    held->second.last_claim = now;
    held->second.duplicate.refused = to;
    ++held->second.duplicate.claims;
    return false;
  }
  auto& moves = moves_[key];
  std::erase_if(moves, [&](Time at) { return now - at > rule_.within; });
  if (moves.size() < rule_.moves) {
    moves.push_back(now);
    return true;
  }
  moves_.erase(key);
  const DuplicateAddress duplicate{key.first, key.second, from, to, 1, now};
  damped_.emplace(key, Damped{duplicate, now});
  new_.push_back(duplicate);
  return false;
}

std::vector<Moves::Key> Moves::expire(Time now) {
  std::erase_if(moves_,
                [&](const auto& watched) { return now - watched.second.back() > rule_.within; });
  std::vector<Key> quiet;
  std::erase_if(damped_, [&](const auto& held) {
    if (now - held.second.last_claim < rule_.hold) return false;
    quiet.push_back(held.first);
    return true;
  });
  return quiet;
}

std::vector<DuplicateAddress> Moves::duplicates() const {
  std::vector<DuplicateAddress> all;
  for (const auto& [key, held] : damped_) all.push_back(held.duplicate);
  return all;
}

}  // namespace weft::vpn
