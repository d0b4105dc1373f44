#pragma once
/// What waits to be sent to a peer: in order, and of each key the newest state only.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>

#include "xmpp/writer.hpp"

namespace weft::xmpp {

class SendQueue {
 public:
  /// Behind the others, or in the place of what waits under the same key; true when it replaced.
  bool push(Text text, std::string key) {
    if (!key.empty()) {
      const auto [place, is_new] = places_.try_emplace(key, first_ + entries_.size());
      if (!is_new) {
        Text& old = entries_[place->second - first_].text;
        bytes_ = bytes_ - old->size() + text->size();
        old = std::move(text);
        return true;
      }
    }
    bytes_ += text->size();
    entries_.push_back({std::move(text), std::move(key)});
    return false;
  }

  /// Takes stanzas from the front until they have `enough` bytes or none is left; appends them to
  /// `out` and says how many they are.
  std::size_t take(std::size_t enough, std::string& out) {
    std::size_t taken = 0;
    for (; !entries_.empty() && out.size() < enough; ++taken) {
      const Entry& entry = entries_.front();
      out += *entry.text;
      bytes_ -= entry.text->size();
      if (!entry.key.empty()) places_.erase(entry.key);
      entries_.pop_front();
      ++first_;
    }
    return taken;
  }

  void clear() { *this = {}; }
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::size_t stanzas() const { return entries_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    Text text;
    std::string key;
  };

  std::deque<Entry> entries_;
  std::uint64_t first_ = 0;                                ///< number of the front entry
  std::unordered_map<std::string, std::uint64_t> places_;  ///< numbers of entries with a key
  std::size_t bytes_ = 0;
};

}  // namespace weft::xmpp
