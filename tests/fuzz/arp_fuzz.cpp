// ARP as control reads it; what it reads, it writes back the same.
#include "agent/neighbour_message.hpp"
#include "fuzz/fuzz.hpp"
#include "support/exact_copy.hpp"

using namespace weft;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const test::ExactCopy copy({data, size});
  const auto bytes = copy.get();
  const auto message = agent::parse_arp(bytes);
  if (!message) return 0;
  const auto frame = agent::build_arp(*message, message->target_mac);
  fuzz::require(frame.size() == 42, "an ARP frame has 42 bytes");
  fuzz::require(std::equal(frame.begin() + 14, frame.end(), bytes.begin()),
                "build_arp of parse_arp");
  fuzz::require(message->sender.is_v4() && message->target.is_v4(), "ARP is for IPv4");
  fuzz::require((message->sender_mac.bytes[0] & 1) == 0, "a sender is one host");
  fuzz::require(message->probe() == (message->sender == IpAddress{}), "probe");
  const auto reply = agent::arp_reply(*message, message->target_mac);
  const auto answer = agent::Bytes(reply).subspan(14);
  fuzz::require(agent::parse_arp(answer).has_value() ==
                    !(message->target_mac.multicast() || message->target_mac.zero()),
                "a reply is good ARP");
  return 0;
}
