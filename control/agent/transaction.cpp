#include "agent/transaction.hpp"

namespace weft::agent {

namespace {

template <class Identifier, class Object>
std::vector<Change<Identifier, Object>> listed(
    const Transaction::Changes<Identifier, Object>& changes) {
  std::vector<Change<Identifier, Object>> out;
  out.reserve(changes.size());
  for (const auto& [id, object] : changes) out.push_back({id, object});
  return out;
}

}  // namespace

Transaction::~Transaction() {
  for (auto action = undo_.rbegin(); action != undo_.rend(); ++action) (*action)();
}

Batch Transaction::batch() const {
  Batch batch;
  batch.ports = listed(ports);
  batch.vrfs = listed(vrfs);
  batch.policies = listed(policies);
  batch.vifs = listed(vifs);
  batch.adjacencies = listed(adjacencies);
  batch.nexthops = listed(nexthops);
  batch.decaps = listed(decaps);
  batch.local_addresses = local_addresses;
  batch.routes.reserve(routes.size());
  for (const auto& [key, nexthop] : routes)
    batch.routes.push_back({key.first, key.second, nexthop});
  return batch;
}

void Transaction::commit() {
  undo_.clear();
  for (const auto& action : std::exchange(after_, {})) action();
}

}  // namespace weft::agent
