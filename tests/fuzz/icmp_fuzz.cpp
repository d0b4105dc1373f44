// Packets to and about the router: what control reads of them, echo replies and errors.
#include "agent/icmp_message.hpp"

#include "fuzz/fuzz.hpp"
#include "fuzz/repair.hpp"
#include "fuzz/sound.hpp"
#include "support/exact_copy.hpp"

using namespace weft;

namespace {

void check_error(const agent::IpPacket& packet, std::uint8_t which, std::uint16_t mtu_bytes) {
  constexpr agent::IcmpError errors[] = {
      agent::IcmpError::ttl_expired, agent::IcmpError::no_route, agent::IcmpError::host_unreachable,
      agent::IcmpError::port_unreachable, agent::IcmpError::too_big};
  const bool v4 = packet.source.is_v4();
  const IpAddress own = *parse_ip(v4 ? "10.1.0.1" : "fd00:1::1");
  const auto error = agent::icmp_error(packet, errors[which % std::size(errors)], mtu_bytes, own);
  fuzz::require(error.size() <= (v4 ? 576 : 1280), "an error keeps to its size");
  fuzz::require_sound_ip(error, "an error");
  const auto read = agent::parse_ip_packet(error);
  fuzz::require(read && read->source == own && read->destination == packet.source,
                "an error's way");
  fuzz::require(!agent::may_report(*read), "no error about an error");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input({data, size});
  const std::uint8_t flags = input.byte();
  const std::uint16_t mtu_bytes = input.word();
  const test::ExactCopy copy(input.rest());
  if ((flags & 1) != 0) fuzz::repair_ip(copy.get());
  const auto packet = agent::parse_ip_packet(copy.get());
  if (!packet) return 0;
  fuzz::require(packet->bytes.size() <= copy.get().size(), "a packet lies inside its bytes");
  fuzz::require(!packet->upper_known || packet->upper_offset <= packet->bytes.size(),
                "the upper layer lies inside the packet");
  fuzz::require(packet->fragment || !packet->later_fragment, "a later fragment is a fragment");
  if (const auto reply = agent::echo_reply(*packet)) {
    fuzz::require_sound_ip(*reply, "a reply");
    const auto read = agent::parse_ip_packet(*reply);
    fuzz::require(
        read && read->source == packet->destination && read->destination == packet->source,
        "a reply's way");
    fuzz::require(read->upper().size() == packet->upper().size(),
                  "a reply is as long as its request");
  }
  if (agent::may_report(*packet)) check_error(*packet, flags >> 1, mtu_bytes);
  return 0;
}
