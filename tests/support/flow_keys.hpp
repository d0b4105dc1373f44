#pragma once
/// Conversations by number, for tests of flows.

#include "tables/flow_key.hpp"

namespace weft::test {

template <class Key>
struct Conversation {
  Key there;
  Key back;
};

template <class Key>
Conversation<Key> conversation(unsigned number);

template <>
inline Conversation<FlowKey4> conversation(unsigned number) {
  const std::uint64_t source = 0x0a000000 + number % 97;
  const std::uint64_t destination = 0x0a010000 + number % 89;
  const FlowKey4 key(destination << 32 | source, number * 7 << 16 | 53, VrfId(number % 3), 17);
  return {key, key.reverse(VrfId(number % 3))};
}

template <>
inline Conversation<FlowKey6> conversation(unsigned number) {
  std::uint64_t both[4] = {0xfd, number % 97, 0xfd, 1000 + number % 89};
  const FlowKey6 key(both, number * 7 << 16 | 53, VrfId(number % 3), 17);
  return {key, key.reverse(VrfId(number % 3))};
}

}  // namespace weft::test
