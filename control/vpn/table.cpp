#include "vpn/table.hpp"

#include <algorithm>

namespace weft::vpn {
namespace {

template <class Paths>
auto path_of(Paths& paths, Teller teller) {
  return std::ranges::find(paths, teller, &Path::teller);
}

}  // namespace

Table::~Table() {
  for (const auto& [nlri, entry] : entries_) {
    for (const Path& path : entry.route.paths) {
      sources_.path_removed(path.teller.source, path.epoch);
    }
  }
}

bool Table::put(const Nlri& nlri, const Path& path) {
  const auto [at, added] = entries_.try_emplace(nlri);
  if (added) ++unlogged_;
  auto& paths = at->second.route.paths;
  const auto old = path_of(paths, path.teller);
  if (old == paths.end()) {
    // Most have one, and growth by doubling costs where there are millions.
    if (paths.empty()) paths.reserve(1);
    paths.push_back(path);
    sources_.path_added(path.teller.source, path.epoch);
    return settle(*at);
  }
  sources_.path_removed(path.teller.source, old->epoch);
  sources_.path_added(path.teller.source, path.epoch);
  old->epoch = path.epoch;
  if (old->attributes == path.attributes && old->use == path.use) return false;
  old->use = path.use;
  if (old->attributes != path.attributes) {
    old->attributes = path.attributes;
    std::rotate(old, old + 1, paths.end());
  }
  return settle(*at);
}

bool Table::withdraw(const Nlri& nlri, Teller teller) {
  const auto at = entries_.find(nlri);
  if (at == entries_.end()) return false;
  auto& paths = at->second.route.paths;
  const auto old = path_of(paths, teller);
  if (old == paths.end()) return false;
  sources_.path_removed(teller.source, old->epoch);
  paths.erase(old);
  return settle(*at);
}

bool Table::set_use(const Nlri& nlri, Teller teller, Use use) {
  const auto at = entries_.find(nlri);
  if (at == entries_.end()) return false;
  auto& paths = at->second.route.paths;
  const auto old = path_of(paths, teller);
  if (old == paths.end()) return false;
  old->use = use;
  return settle(*at);
}

std::size_t Table::sweep(SourceId source, std::optional<RouteDistinguisher> rd) {
  std::vector<std::pair<Nlri, Teller>> gone;
  each([&](const Nlri& nlri, const Route& route) {
    if (rd && nlri.rd() != *rd) return;
    for (const Path& path : route.paths) {
      if (path.teller.source == source && stale(path)) gone.emplace_back(nlri, path.teller);
    }
  });
  for (const auto& [nlri, teller] : gone) withdraw(nlri, teller);
  return gone.size();
}

const Table::Route* Table::find(const Nlri& nlri) const {
  const auto at = entries_.find(nlri);
  return at == entries_.end() || at->second.route.paths.empty() ? nullptr : &at->second.route;
}

const Path* Table::find(const Nlri& nlri, Teller teller) const {
  const Route* const route = find(nlri);
  if (route == nullptr) return nullptr;
  const auto at = path_of(route->paths, teller);
  return at == route->paths.end() ? nullptr : &*at;
}

/// The node may be gone after this.
bool Table::settle(Node& node) {
  Entry& entry = node.second;
  AttributesRef best = select_best(entry.route.paths, sources_, pool_);
  if (best == entry.route.best) {
    if (entry.version == 0 && entry.route.paths.empty()) {
      --unlogged_;
      entries_.erase(node.first);
    }
    return false;
  }
  if (!entry.route.best) ++size_;
  if (!best) --size_;
  entry.route.best = std::move(best);
  unlink(node);
  append(node);
  if (!entry.route.best) {
    withdrawn_.emplace_back(entry.version, &node);
    forget_withdrawn();
  }
  return true;
}

void Table::append(Node& node) {
  Entry& entry = node.second;
  if (entry.version == 0) --unlogged_;
  entry.version = ++version_;
  entry.before = last_;
  entry.after = nullptr;
  (last_ == nullptr ? first_ : last_->second.after) = &node;
  last_ = &node;
  readers_.each([&](Reader& reader) {
    if (reader.next == nullptr) reader.next = &node;
  });
}

/// Takes it out of the log; readers that stand there stand at the next one.
void Table::unlink(Node& node) {
  Entry& entry = node.second;
  if (entry.version == 0) return;
  (entry.before == nullptr ? first_ : entry.before->second.after) = entry.after;
  (entry.after == nullptr ? last_ : entry.after->second.before) = entry.before;
  readers_.each([&](Reader& reader) {
    if (reader.next == &node) reader.next = entry.after;
  });
}

Table::ReaderId Table::add_reader() { return readers_.add({first_, version_}); }

void Table::remove_reader(ReaderId reader) {
  readers_.remove(reader);
  forget_withdrawn();
}

Table::Position Table::position(ReaderId reader) const {
  const Node* const next = readers_[reader].next;
  return next == nullptr ? at_end : next->second.version;
}

void Table::read(std::span<const ReaderId> readers, std::size_t most, const See& see) {
  if (readers.empty()) return;
  Node* at = readers_[readers.front()].next;
  // A route that was withdrawn before they all came is news to none of them.
  Position added = at_end;
  for (const ReaderId reader : readers) added = std::min(added, readers_[reader].added);
  for (std::size_t seen = 0; at != nullptr && seen < most; at = at->second.after) {
    const Entry& entry = at->second;
    if (!entry.route.best && entry.version <= added) continue;
    see(at->first, entry.route.best);
    ++seen;
  }
  for (const ReaderId reader : readers) readers_[reader].next = at;
  forget_withdrawn();
}

/// Lets withdrawn routes go that all readers know of.
void Table::forget_withdrawn() {
  if (withdrawn_.empty()) return;
  Position slowest = at_end;
  readers_.each([&](const Reader& reader) {
    if (reader.next != nullptr) slowest = std::min(slowest, reader.next->second.version);
  });
  while (!withdrawn_.empty() && withdrawn_.front().first < slowest) {
    const auto [version, node] = withdrawn_.front();
    withdrawn_.pop_front();
    Entry& entry = node->second;
    if (entry.version != version) continue;
    unlink(*node);
    entry.version = 0;
    ++unlogged_;
    if (entry.route.paths.empty()) {
      --unlogged_;
      entries_.erase(node->first);
    }
  }
}

}  // namespace weft::vpn
