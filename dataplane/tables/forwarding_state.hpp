#pragma once
/// The writer of all tables: takes batches from control, checks them whole and publishes them.

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "tables/tables.hpp"
#include "weft/forwarding.hpp"

namespace weft {

class ForwardingState {
 public:
  /// `flow_pages`: of the flow tables. `fib_capacity_bytes`: address space of all FIBs together.
  ForwardingState(Rcu& rcu, tunnel::HashSeed seed, const FlowSettings& flows = {},
                  std::uint64_t tsc_hz = 2'000'000'000, Pages flow_pages = Pages::transparent,
                  std::size_t fib_capacity_bytes = std::size_t{8} << 30);
  /// All readers must be gone.
  ~ForwardingState();
  ForwardingState(const ForwardingState&) = delete;
  ForwardingState& operator=(const ForwardingState&) = delete;

  [[nodiscard]] const Tables& tables() const { return tables_; }
  /// As ForwardingPlane::apply.
  Result<Generation> apply(const Batch& batch);
  [[nodiscard]] TableSizes sizes() const;

 private:
  struct Compiled;
  Status check(const Batch& batch, Compiled& compiled) const;
  [[nodiscard]] Status check_udp_ports(const Batch& batch) const;
  [[nodiscard]] bool keeps_flows(const Batch& batch, VrfId vrf) const;
  [[nodiscard]] bool has_policies(const Batch& batch, VrfId vrf) const;
  [[nodiscard]] bool present(const RouteChange& route) const;
  void publish(const Batch& batch, Compiled& compiled);
  /// One user more or less of what tells the decap's kind.
  void count_user(const DecapEntry& entry, int change);
  /// Has the ids of the marks of `entry` lead to `to`.
  void name_marks(const DecapEntry& entry, const DecapEntry* to);
  void retire(const NexthopEntry* entry);
  template <class Entry>
  void retire(const Entry* entry) {
    rcu_.retire(entry);
  }
  void retire_vrf(const VrfEntry* entry, bool with_fibs);
  void retire(const VifEntry* entry);
  void forget(const VrfEntry& vrf);
  void announce(const Batch& batch, const Compiled& compiled);
  void count_judged(const VifEntry& vif, int change);
  [[nodiscard]] bool redirects(const Batch& batch) const;
  [[nodiscard]] bool judges_anew(const Batch& batch) const;
  void expire_flows(bool routes, bool policies);

  Rcu& rcu_;
  fib::Arena arena_;
  Tables tables_;
  std::vector<std::uint32_t> udp_port_users_;
  std::array<std::uint32_t, tunnel_kinds.size() + 1> ip_kind_users_{};
  std::vector<VrfId> vrfs_;
  std::unordered_map<VrfId, std::size_t> judged_;  ///< VIFs with a policy; none stands at 0
  std::size_t routes_ = 0;
  std::size_t nexthops_ = 0;
  std::size_t vifs_ = 0;
  std::size_t policies_ = 0;
  std::size_t adjacencies_ = 0;
  std::size_t decaps_ = 0;
};

}  // namespace weft
