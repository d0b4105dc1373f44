#pragma once
/// A RIB: routes by RD and NLRI, their paths by who told them, the best of these, and what has
/// changed.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <list>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "vpn/attributes.hpp"
#include "vpn/id_slots.hpp"
#include "vpn/nlri.hpp"
#include "vpn/selection.hpp"
#include "vpn/sources.hpp"

namespace weft::vpn {

/// Routes whose best changed stand in a log, each once and in the order of their last change, where
/// readers have places of their own. So a reader takes changes in portions of its choice; one that
/// is slow misses what was in between and never the newest; a new one gets all. What changes
/// nothing in the best (the same told again, a source that goes stale and comes back) is not in the
/// log.
///
/// One thread. Sources and pool outlive it.
class Table {
 public:
  struct Route {
    std::vector<Path> paths;  ///< in the order in which their attributes came
    AttributesRef best;       ///< none: there is no path that may be used here
  };
  using ReaderId = Id<struct ReaderTag>;
  /// Where readers stand; grows with each change.
  using Position = std::uint64_t;
  static constexpr Position at_end = std::numeric_limits<Position>::max();

  Table(Sources& sources, AttributePool& pool) : sources_(sources), pool_(pool) {}
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table();

  /// Adds or replaces what `teller` says; a stale path loses its mark. True where the best changed,
  /// here and below.
  bool announce(const Nlri& nlri, Teller teller, const AttributesRef& attributes,
                Use use = Use::here) {
    return put(nlri, {attributes, teller, sources_.epoch(teller.source), use});
  }
  /// The same with the epoch of `path`: a stale path of another table is stale in this one, too.
  bool put(const Nlri& nlri, const Path& path);
  bool withdraw(const Nlri& nlri, Teller teller);
  bool set_use(const Nlri& nlri, Teller teller, Use use);
  /// Whether what it says is of an earlier session than the present one.
  [[nodiscard]] bool stale(const Path& path) const {
    return path.epoch != sources_.epoch(path.teller.source);
  }
  /// Withdraws what `source` told, in all VPNs or in one, and has not told again since it went
  /// stale: after an end-of-RIB, or a time. How many paths went. Looks at each route once.
  std::size_t sweep(SourceId source, std::optional<RouteDistinguisher> rd = {});

  /// Null where nobody tells of it.
  [[nodiscard]] const Route* find(const Nlri& nlri) const;
  [[nodiscard]] const Path* find(const Nlri& nlri, Teller teller) const;
  /// `see(nlri, route)` for all that somebody tells of, in no order.
  template <class See>
  void each(See see) const {
    for (const auto& [nlri, entry] : entries_) {
      if (!entry.route.paths.empty()) see(nlri, entry.route);
    }
  }
  /// How many have a best.
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return entries_.empty(); }

  /// A reader at the beginning: it gets all that there is, then changes.
  ReaderId add_reader();
  void remove_reader(ReaderId reader);
  /// `at_end` where there is nothing to read.
  [[nodiscard]] Position position(ReaderId reader) const;
  /// `see(nlri, best)` for at most `most` changes at the place where all of `readers` stand, and
  /// moves them on; without a best the route is withdrawn, and may have been unknown to the reader.
  using See = std::function<void(const Nlri&, const AttributesRef&)>;
  void read(std::span<const ReaderId> readers, std::size_t most, const See& see);
  void read(ReaderId reader, std::size_t most, const See& see) { read({&reader, 1}, most, see); }
  /// Withdrawn routes that are kept until all readers know.
  [[nodiscard]] std::size_t withdrawn() const { return entries_.size() - size_ - unlogged_; }

 private:
  struct Entry;
  using Node = std::pair<const Nlri, Entry>;
  struct Entry {
    Route route;
    Node* before = nullptr;
    Node* after = nullptr;
    Position version = 0;  ///< of its last change; 0: not in the log
  };
  struct Reader {
    Node* next = nullptr;  ///< the first that it has not read; null: it has read all
    Position added = 0;    ///< the last change before the reader was there
  };

  bool settle(Node& node);
  void append(Node& node);
  void unlink(Node& node);
  void forget_withdrawn();

  Sources& sources_;
  AttributePool& pool_;
  std::unordered_map<Nlri, Entry> entries_;
  Node* first_ = nullptr;
  Node* last_ = nullptr;
  Position version_ = 0;
  std::size_t size_ = 0;
  std::size_t unlogged_ = 0;
  std::list<std::pair<Position, Node*>> withdrawn_;  ///< by position; may have moved on since
  IdSlots<ReaderId, Reader> readers_;
};

}  // namespace weft::vpn
