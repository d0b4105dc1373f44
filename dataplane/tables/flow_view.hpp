#pragma once
/// Flows as control sees them: walks through the sessions, a bounded number at a time.

#include <span>
#include <vector>

#include "tables/flow_tables.hpp"
#include "weft/flow.hpp"

namespace weft {

class FlowView {
 public:
  /// `reader`: of control alone among the readers of `rcu`. `hands`: control's own.
  FlowView(FlowTables& tables, FlowHands& hands, Rcu& rcu, unsigned reader)
      : tables_(tables), hands_(hands), rcu_(rcu), reader_(reader) {
    rcu_.register_reader(reader);
  }

  /// Calls `read()` while no session that it sees can become another.
  template <class Read>
  void hold(Read&& read) {
    rcu_.online(reader_);
    read();
    rcu_.offline(reader_);
  }

  /// As ForwardingPlane. `tsc`: now.
  std::vector<FlowRecord> flows(const FlowFilter& filter, FlowCursor& cursor, std::size_t count,
                                std::uint64_t tsc);
  std::size_t clear(const FlowFilter& filter, FlowCursor& cursor, std::size_t count,
                    std::uint64_t tsc);
  /// Of all writers, which `workers` and control's own hands are.
  [[nodiscard]] FlowCounters counters(IpFamily family,
                                      std::span<const FlowHands* const> workers) const;

 private:
  template <class Visit>
  void walk(const FlowFilter& filter, FlowCursor& cursor, std::size_t count, std::uint64_t tsc,
            Visit&& visit);
  template <class Key>
  FlowRecord record(FlowTable<Key>& table, std::uint32_t session, FlowTick now) const;

  FlowTables& tables_;
  FlowHands& hands_;
  Rcu& rcu_;
  unsigned reader_;
};

}  // namespace weft
