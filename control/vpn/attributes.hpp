#pragma once
/// What routes say of their destinations, and the pool that keeps equal attributes once.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "vpn/encapsulation.hpp"
#include "vpn/route_target.hpp"
#include "vpn/shared.hpp"
#include "weft/address.hpp"

namespace weft::vpn {

inline constexpr std::uint32_t default_local_preference = 100;
/// As many members as a group of the data plane has.
inline constexpr std::size_t most_next_hops = 64;

struct NextHop {
  IpAddress address;  ///< where the tunnel ends
  std::optional<MacAddress> mac{};
  std::optional<std::uint32_t> label{};
  std::optional<std::uint32_t> vni{};
  EncapsulationList encapsulations{};
  friend auto operator<=>(const NextHop&, const NextHop&) = default;
};

/// RFC 7432 §7.7 and §15. Routes of addresses that may move have one; routes without count as
/// sequence 0 and may stand at several places at once.
struct Mobility {
  std::uint32_t sequence = 0;
  bool sticky = false;  ///< never moves
  friend auto operator<=>(const Mobility&, const Mobility&) = default;
};

/// The fields that choose among several next hops. None set: the receiver's own choice.
struct LoadBalance {
  bool source_address = false;
  bool destination_address = false;
  bool protocol = false;
  bool source_port = false;
  bool destination_port = false;
  friend auto operator<=>(const LoadBalance&, const LoadBalance&) = default;
};

struct Attributes {
  std::vector<NextHop> next_hops{};            ///< at most `most_next_hops`
  Shared<std::string> virtual_network{};       ///< where the route was published
  Shared<std::string> origin{};                ///< the node that published it; empty: not told
  Shared<std::vector<RouteTarget>> targets{};  ///< beside those of the virtual network
  Shared<std::vector<std::string>> security_groups{};
  std::uint32_t local_preference = default_local_preference;  ///< the higher wins
  std::uint32_t med = 0;                                      ///< the lower wins
  std::optional<Mobility> mobility{};
  LoadBalance load_balance{};

  [[nodiscard]] std::uint32_t sequence() const { return mobility ? mobility->sequence : 0; }
  [[nodiscard]] bool sticky() const { return mobility && mobility->sticky; }
  friend auto operator<=>(const Attributes&, const Attributes&) = default;
};

/// Brings the encapsulations of all next hops into this order; see EncapsulationList::ordered_by.
void order_encapsulations(Attributes& attributes, const EncapsulationList& order);

struct AttributesHash {
  std::size_t operator()(const Attributes& attributes) const noexcept;
};

class AttributePool;

/// Shared attributes, or none. Two of one pool are equal when their attributes are. One thread; its
/// pool outlives it.
class AttributesRef {
 public:
  AttributesRef() = default;
  AttributesRef(const AttributesRef& other);
  AttributesRef(AttributesRef&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}
  AttributesRef& operator=(AttributesRef other) noexcept {
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~AttributesRef();

  explicit operator bool() const { return slot_ != nullptr; }
  const Attributes& operator*() const { return slot_->first; }
  const Attributes* operator->() const { return &slot_->first; }
  friend bool operator==(const AttributesRef& a, const AttributesRef& b) {
    return a.slot_ == b.slot_;
  }

 private:
  friend class AttributePool;
  struct Use {
    AttributePool* pool = nullptr;
    std::size_t references = 0;
  };
  using Slot = std::pair<const Attributes, Use>;
  explicit AttributesRef(Slot* slot);

  Slot* slot_ = nullptr;
};

/// Keeps what somebody refers to, equal ones once; and equal names and lists of theirs once.
class AttributePool {
 public:
  AttributePool() = default;
  AttributePool(const AttributePool&) = delete;
  AttributePool& operator=(const AttributePool&) = delete;

  AttributesRef intern(Attributes attributes);
  [[nodiscard]] std::size_t size() const { return slots_.size(); }

 private:
  friend class AttributesRef;

  void erase(const Attributes& attributes);

  std::unordered_map<Attributes, AttributesRef::Use, AttributesHash> slots_;
  // Each with how many slots have it.
  std::map<Shared<std::string>, std::size_t> names_;
  std::map<Shared<std::vector<std::string>>, std::size_t> lists_;
  std::map<Shared<std::vector<RouteTarget>>, std::size_t> targets_;
};

}  // namespace weft::vpn
