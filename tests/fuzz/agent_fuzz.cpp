// What workers punt to control, in sequences: ARP and ND of the fabric and of VMs, packets to the
// router, errors to be told. Whatever control sends upon it must be sound.
#include "agent/agent.hpp"

#include <spdlog/spdlog.h>

#include "fuzz/fuzz.hpp"
#include "fuzz/repair.hpp"
#include "fuzz/sound.hpp"
#include "support/exact_copy.hpp"
#include "unit/control/agent/node.hpp"

using namespace weft;

namespace {

struct Service {
  Service() {
    spdlog::set_level(spdlog::level::off);
    const auto started = agent.start(agent::test::sample_node());
    if (!started) fuzz::broken(started.error().message);
  }

  boost::asio::io_context io;
  test::FakePlane plane;
  agent::Time now{std::chrono::hours(1)};
  agent::Agent agent{io, plane, [this] { return now; }};
};

template <class Identifier, class Names>
Identifier choose(const Names& names, unsigned which) {
  if (names.empty() || which >= names.size()) return {};
  return std::next(names.begin(), which)->first;
}

/// Where the packet came from, as the stages would say it, and also as they would not.
void place(PuntedPacket& packet, const agent::Model& model, std::uint8_t where) {
  const unsigned which = where >> 2;
  switch (where & 3) {
    case 0:
      packet.port = choose<PortId>(model.port_names, which);
      packet.vrf = underlay_vrf;
      break;
    case 1: {
      packet.vif = choose<VifId>(model.vif_names, which);
      const auto* vif = model.vif(packet.vif);
      if (vif == nullptr) break;
      packet.vrf = vif->vrf;
      packet.port = vif->port;
      break;
    }
    case 2:
      packet.vrf = VrfId(which % 4);
      packet.decap = DecapId(which / 4);
      break;
    default:
      packet.vrf = VrfId(which % 4);
  }
}

void check(const test::FakePlane::Sent& sent) {
  fuzz::Bytes frame = sent.frame;
  if (!std::holds_alternative<Injection::Routed>(sent.target)) {
    fuzz::require(frame.size() >= 14, "a frame has an Ethernet header");
    const unsigned type = fuzz::get16(frame, 12);
    frame = frame.subspan(14);
    if (type == 0x0806) {
      fuzz::require(agent::parse_arp(frame).has_value(), "control sends good ARP");
      return;
    }
    fuzz::require(type == 0x86dd, "else it sends IPv6 frames");
  }
  fuzz::require_sound_ip(frame, "what control sends");
}

void punt(Service& service, fuzz::Bytes piece) {
  fuzz::Input input(piece);
  const std::uint8_t flags = input.byte();
  PuntedPacket packet;
  packet.kind = static_cast<PuntClass>((flags >> 1) % punt_class_count);
  packet.reason = static_cast<DropReason>(input.byte() % drop_reason_count);
  place(packet, service.agent.model(), input.byte());
  const std::uint8_t offset = input.byte();
  packet.l3_offset = offset == 0 ? 14 : offset - 1U;
  packet.mtu_bytes = input.word();
  service.now += std::chrono::milliseconds(input.byte() * 10);
  const test::ExactCopy copy(input.rest());
  const auto bytes = copy.get();
  if ((flags & 1) != 0 && bytes.size() > packet.l3_offset) {
    fuzz::repair_ip(bytes.subspan(packet.l3_offset));
  }
  packet.frame = bytes;
  service.agent.on_punt(packet);
  if ((flags & 0x80) != 0 && packet.port.valid() && bytes.size() >= 16) {
    Ipv6Address address;
    std::copy_n(bytes.begin(), 16, address.bytes.begin());
    service.agent.on_neighbour_needed({packet.port, address});
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::PacketTally tally;
  Service service;
  constexpr std::size_t most = 32;
  const auto pieces = fuzz::split({data, size}, fuzz::packet_separator);
  for (std::size_t i = 0; i < std::min(pieces.size(), most); ++i) punt(service, pieces[i]);
  tally.add(std::min(pieces.size(), most));
  for (const auto& sent : service.plane.sent) check(sent);
  return 0;
}
