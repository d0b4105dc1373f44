#include "vpn/sources.hpp"

#include <utility>

namespace weft::vpn {

SourceId Sources::add(std::string name, bool relayed) {
  return slots_.add(Source{std::move(name), relayed});
}

void Sources::mark_stale(SourceId id) {
  Source* const source = slots_.find(id);
  if (source == nullptr) return;
  ++source->epoch;
  source->fresh = 0;
}

void Sources::path_added(SourceId id, std::uint32_t epoch_told) {
  Source& source = slots_[id];
  ++source.paths;
  if (epoch_told == source.epoch) ++source.fresh;
}

void Sources::path_removed(SourceId id, std::uint32_t epoch_told) {
  Source& source = slots_[id];
  --source.paths;
  if (epoch_told == source.epoch) --source.fresh;
}

}  // namespace weft::vpn
