#include "vpn/attributes.hpp"

#include <span>

#include "vpn/hash.hpp"

namespace weft::vpn {
namespace {

template <class T>
void share(Shared<T>& value, std::map<Shared<T>, std::size_t>& known) {
  if (value.empty()) return;
  const auto at = known.try_emplace(value).first;
  ++at->second;
  value = at->first;
}

template <class T>
void forget(const Shared<T>& value, std::map<Shared<T>, std::size_t>& known) {
  const auto at = known.find(value);
  if (at != known.end() && --at->second == 0) known.erase(at);
}

}  // namespace

void order_encapsulations(Attributes& attributes, const EncapsulationList& order) {
  for (NextHop& hop : attributes.next_hops) {
    hop.encapsulations = hop.encapsulations.ordered_by(order);
  }
}

std::size_t AttributesHash::operator()(const Attributes& attributes) const noexcept {
  Hasher hasher;
  for (const NextHop& hop : attributes.next_hops) {
    const std::span bytes(hop.address.bytes());
    hasher.add(bytes.first<8>()).add(bytes.last<8>());
    hasher.add(hop.label.value_or(1U << 24) | static_cast<std::uint64_t>(hop.vni.value_or(1U << 24))
                                                  << 32);
    if (hop.mac) hasher.add(hop.mac->bytes);
    for (const Encapsulation encapsulation : hop.encapsulations) {
      hasher.add(static_cast<std::uint64_t>(encapsulation));
    }
  }
  hasher.add(*attributes.virtual_network).add(*attributes.origin);
  for (const RouteTarget target : *attributes.targets) hasher.add(target.raw());
  for (const std::string& group : *attributes.security_groups) hasher.add(group);
  hasher.add(static_cast<std::uint64_t>(attributes.local_preference) << 32 | attributes.med);
  hasher.add(static_cast<std::uint64_t>(attributes.sequence()) << 1 |
             (attributes.sticky() ? 1U : 0U));
  return hasher.value();
}

AttributesRef::AttributesRef(Slot* slot) : slot_(slot) { ++slot_->second.references; }

AttributesRef::AttributesRef(const AttributesRef& other) : slot_(other.slot_) {
  if (slot_ != nullptr) ++slot_->second.references;
}

AttributesRef::~AttributesRef() {
  if (slot_ == nullptr || --slot_->second.references != 0) return;
  slot_->second.pool->erase(slot_->first);
}

AttributesRef AttributePool::intern(Attributes attributes) {
  auto at = slots_.find(attributes);
  if (at == slots_.end()) {
    share(attributes.virtual_network, names_);
    share(attributes.origin, names_);
    share(attributes.targets, targets_);
    share(attributes.security_groups, lists_);
    at = slots_.try_emplace(std::move(attributes), AttributesRef::Use{this, 0}).first;
  }
  return AttributesRef(&*at);
}

void AttributePool::erase(const Attributes& attributes) {
  forget(attributes.virtual_network, names_);
  forget(attributes.origin, names_);
  forget(attributes.targets, targets_);
  forget(attributes.security_groups, lists_);
  slots_.erase(slots_.find(attributes));
}

}  // namespace weft::vpn
