#pragma once
/// Who tells routes: a vRouter, a controller, a BGP peer. A source outlives its sessions, so that
/// what comes back with the next one is the same.

#include <cstddef>
#include <cstdint>
#include <string>

#include "vpn/id_slots.hpp"
#include "weft/ids.hpp"

namespace weft::vpn {

using SourceId = Id<struct SourceTag>;

/// The sources of a set of tables. Marking all that a source has told as stale costs one addition:
/// each path remembers in which epoch of its source it was last told.
class Sources {
 public:
  struct Source {
    std::string name;
    bool relayed = false;  ///< what a node said, as another controller tells it
    std::uint32_t epoch = 0;
    std::size_t paths = 0;  ///< that tables hold
    std::size_t fresh = 0;  ///< of these, told in this epoch
    [[nodiscard]] std::size_t stale() const { return paths - fresh; }
  };

  SourceId add(std::string name, bool relayed = false);
  /// Of one that has no paths any more; its id matches nobody after that.
  void remove(SourceId id) { slots_.remove(id); }
  /// The session is lost: what it told stands until it is told again or swept.
  void mark_stale(SourceId id);
  /// Null where there is none.
  [[nodiscard]] const Source* find(SourceId id) const { return slots_.find(id); }
  [[nodiscard]] std::uint32_t epoch(SourceId id) const { return slots_[id].epoch; }

  // For tables.
  void path_added(SourceId id, std::uint32_t epoch_told);
  void path_removed(SourceId id, std::uint32_t epoch_told);

 private:
  IdSlots<SourceId, Source> slots_;
};

}  // namespace weft::vpn
