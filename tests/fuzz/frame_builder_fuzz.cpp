// Frames that explain builds from what a person says of a packet.
#include "agent/frame_builder.hpp"

#include "agent/icmp_message.hpp"
#include "fuzz/fuzz.hpp"
#include "fuzz/sound.hpp"

using namespace weft;

namespace {

IpAddress address(fuzz::Input& input, bool v4) {
  Ipv6Address a;
  for (unsigned i = 0; i < (v4 ? 4 : 16); ++i) a.bytes[i] = input.byte();
  if (!v4) return a;
  return Ipv4Address{static_cast<std::uint32_t>(a.bytes[0]) << 24 |
                     static_cast<std::uint32_t>(a.bytes[1]) << 16 |
                     static_cast<std::uint32_t>(a.bytes[2]) << 8 | a.bytes[3]};
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input({data, size});
  const std::uint8_t flags = input.byte();
  agent::PacketFields fields;
  fields.dont_fragment = (flags & 4) != 0;
  fields.protocol = input.byte();
  fields.ttl = input.byte();
  fields.bytes = input.word() % 9217;  // as many as the API takes
  fields.source_port = input.word();
  fields.destination_port = input.word();
  fields.source = address(input, (flags & 1) != 0);
  fields.destination = address(input, (flags & 2) != 0);
  const auto frame = agent::build_frame(fields);
  fuzz::require(static_cast<bool>(frame) == (fields.source.family() == fields.destination.family()),
                "a frame has one family");
  if (!frame) return 0;
  const auto packet = fuzz::Bytes(*frame).subspan(14);
  fuzz::require(packet.size() >= fields.bytes, "a frame is as long as it was asked to be");
  fuzz::require_sound_ip(packet, "a frame");
  const auto read = agent::parse_ip_packet(packet);
  fuzz::require(read && read->source == fields.source && read->destination == fields.destination,
                "a frame goes where it was told");
  return 0;
}
