// Packets cut short at every byte, at every layer, and lengths that lie. Whatever comes in, a
// packet ends in exactly one exit (the rig sees to it), and half a packet reaches no VM.
#include <catch2/catch.hpp>

#include "support/seed.hpp"
#include "support/stage_case.hpp"

namespace weft::truncation_test {
namespace {

Bytes first(const Bytes& packet, std::size_t size) {
  return {packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(size)};
}

/// Cut at `size`, with the lengths of the outer IPv6 and UDP headers made to agree. The checksum is
/// left out, which VNI 102 allows.
Bytes cut_inside6(std::string_view packet, std::size_t size) {
  Bytes bytes = first(hex(packet), size);
  bytes = with16(std::move(bytes), at::ip + 4, size - at::ip - 40);
  if (size >= at::udp_v6 + 6) bytes = with16(std::move(bytes), at::udp_v6 + 4, size - at::udp_v6);
  return bytes;
}

struct Cut {
  PortId from;
  std::string_view packet;
};

const std::vector<Cut>& whole_packets() {
  using namespace packets;
  static const std::vector<Cut> all{
      {world::vm1, vm1_udp4},        {world::vm1, vm1_tcp6},
      {world::vm1, vm1_options4},    {world::vm1, vm1_extensions6},
      {world::vm1, vm1_fragment4},   {world::vm1, vm1_local4},
      {world::vm4, vm4_udp4},        {world::vm4, vm4_tcp6},
      {world::fabric, peer_udp4},    {world::fabric, peer_tcp6},
      {world::fabric, peer6_tcp4},   {world::fabric, peer6_udp6},
      {world::fabric, peer_deliver}, {world::fabric, peer_options},
      {world::fabric, nested_4},     {world::fabric, peer6_extension},
      {world::fabric, peer_red},     {world::fabric, underlay_transit},
      {world::fabric, nested_5},     {world::fabric, peer6_unchecked_udp4},
      {world::vm1, vm1_arp},         {world::vm1, vm1_nd},
      {world::vm1, vm1_mld},         {world::fabric, peer_arp}};
  return all;
}

}  // namespace

TEST_CASE("a frame cut short at any byte is dropped", "[truncation]") {
  Rig rig(world::batch());
  for (const auto& [from, packet] : whole_packets()) {
    const Bytes whole = hex(packet);
    const bool arp = test::get16(whole, 12) == 0x0806;
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Outcome outcome = rig.receive(from, first(whole, size));
      CAPTURE(packet.substr(0, 40), size);
      // What ARP says is for control to check, behind the Ethernet header.
      REQUIRE(outcome.exit == (arp && size >= 14 ? Exit::punted : Exit::dropped));
    }
  }
}

TEST_CASE("an encapsulated packet cut short inside is dropped for what is missing",
          "[truncation]") {
  Rig rig(world::batch());
  const std::size_t whole = hex(packets::peer_udp4).size();
  for (std::size_t size = at::udp; size < whole; ++size) {
    const Outcome outcome = rig.receive(world::fabric, test::cut_inside(packets::peer_udp4, size));
    std::string fate = "dropped: ipv4_total_length";
    if (size < at::udp + 4) {
      fate = "punted";  // without ports it is no tunnel packet, but one to the router itself
    } else if (size < at::vxlan) {
      fate = "dropped: outer_udp_length";
    } else if (size < at::inner) {
      fate = "dropped: tunnel_header_truncated";
    } else if (size < at::inner_ip + 20) {
      fate = "dropped: frame_truncated";
    }
    CAPTURE(size);
    REQUIRE(describe(outcome) == fate);
  }
  REQUIRE(describe(rig.receive(world::fabric, test::cut_inside(packets::peer_udp4, whole))) ==
          "transmitted");
}

TEST_CASE("the same over IPv6, and with IPv6 inside", "[truncation]") {
  Rig rig(world::batch());
  const std::size_t whole = hex(packets::peer6_unchecked_udp4).size();
  for (std::size_t size = at::udp_v6; size < whole; ++size) {
    const Outcome outcome =
        rig.receive(world::fabric, cut_inside6(packets::peer6_unchecked_udp4, size));
    std::string fate = "dropped: ipv4_total_length";
    if (size < at::udp_v6 + 4) {
      fate = "punted";
    } else if (size < at::udp_v6 + 8) {
      fate = "dropped: outer_udp_length";
    } else if (size < at::inner_v6) {
      fate = "dropped: tunnel_header_truncated";
    } else if (size < at::inner_ip_v6 + 20) {
      fate = "dropped: frame_truncated";
    }
    CAPTURE(size);
    REQUIRE(describe(outcome) == fate);
  }
  for (std::size_t size = at::inner; size < hex(packets::peer_tcp6).size(); ++size) {
    CAPTURE(size);
    REQUIRE(
        describe(rig.receive(world::fabric, test::cut_inside(packets::peer_tcp6, size))) ==
        (size < at::inner_ip + 40 ? "dropped: frame_truncated" : "dropped: ipv6_payload_length"));
  }
}

TEST_CASE("nested tunnels cut short inside are dropped", "[truncation]") {
  Rig rig(world::batch());
  for (std::size_t size = at::udp + 4; size < hex(packets::nested_4).size(); ++size) {
    CAPTURE(size);
    REQUIRE(rig.receive(world::fabric, test::cut_inside(packets::nested_4, size)).exit ==
            Exit::dropped);
  }
}

TEST_CASE("headers split over pieces are dropped or travel whole", "[truncation]") {
  Rig rig(world::batch());
  for (const auto& [from, packet] : whole_packets()) {
    const Bytes whole = hex(packet);
    const Outcome straight = rig.receive(from, whole);
    for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
      for (const std::vector<std::size_t>& cuts :
           {std::vector<std::size_t>{cut}, {cut, cut}, {cut, std::min(cut + 1, whole.size())}}) {
        const Outcome outcome = rig.receive(from, whole, {.cuts = cuts});
        CAPTURE(packet.substr(0, 40), cut);
        if (outcome.exit == Exit::transmitted) {
          REQUIRE(outcome.port == straight.port);
          REQUIRE(test::to_hex(outcome.frame) == test::to_hex(straight.frame));
        }
      }
    }
  }
}

TEST_CASE("lengths that lie at any layer are seen", "[truncation]") {
  Rig rig(world::batch());
  const auto dropped = [&](const char* what, PortId from, const Bytes& packet) {
    INFO(what);
    CHECK(rig.receive(from, packet).exit == Exit::dropped);
  };
  const Bytes v4 = hex(packets::peer_udp4);
  const Bytes v6 = hex(packets::peer6_unchecked_udp4);
  const auto changed = [](Bytes packet, std::size_t offset, int change) {
    const int value = test::get16(packet, offset) + change;
    return with16(std::move(packet), offset, static_cast<std::uint16_t>(value));
  };
  const auto total = [&](Bytes packet, std::size_t ip, int change) {
    return with_ipv4_checksum(changed(std::move(packet), ip + 2, change), ip);
  };
  for (const int change : {-20, -8, -1, 1, 8, 1000}) {
    dropped("outer total length", world::fabric, total(v4, at::ip, change));
    dropped("outer payload length", world::fabric, changed(v6, at::ip + 4, change));
    dropped("UDP length", world::fabric, changed(v4, at::udp + 4, change));
  }
  for (const int change : {-13, -32, 1, 8, 1000, 60000}) {
    dropped("inner total length", world::fabric, total(v4, at::inner_ip, change));
  }
  dropped("inner total length of a VM", world::vm1, total(hex(packets::vm1_udp4), at::ip, 1));
  for (const auto ihl : {"40", "41", "42", "43", "44"}) {
    dropped("outer IHL", world::fabric, with_ipv4(v4, at::ip, 0, ihl));
    dropped("inner IHL", world::fabric, with_ipv4(v4, at::inner_ip, 0, ihl));
  }
  dropped("inner IHL beyond the packet", world::fabric, with_ipv4(v4, at::inner_ip, 0, "49"));
  dropped("both too short together", world::fabric,
          with_ipv4(with16(v4, at::udp + 4, 61), at::ip, 2, "0051"));
  dropped("inner IPv6 payload length", world::fabric,
          with16(hex(packets::peer_tcp6), at::inner_ip + 4, 24));
}

TEST_CASE("an inner length that is shorter than what is there cuts, and does not lie",
          "[truncation]") {
  Rig rig(world::batch());
  Bytes in = hex(packets::peer_udp4);
  in = with_ipv4_checksum(with16(std::move(in), at::inner_ip + 2, 29), at::inner_ip);
  const Outcome outcome = rig.receive(world::fabric, in);
  REQUIRE(describe(outcome) == "transmitted");
  REQUIRE(outcome.frame.size() == 14 + 29);
}

// The rig compares what forwards with what explains, for every packet.
TEST_CASE("random damage ends in one exit, and is explained as it fares", "[truncation]") {
  Rig rig(world::batch());
  auto random = test::random_engine();
  std::size_t travelled = 0;
  for (unsigned run = 0; run < 20000; ++run) {
    const auto& [from, packet] = whole_packets()[random() % whole_packets().size()];
    Bytes bytes = hex(packet);
    for (auto edits = random() % 4; edits > 0; --edits) {
      const std::size_t limit =
          random() % 2 == 0 ? bytes.size() : std::min<std::size_t>(bytes.size(), 90);
      bytes[random() % limit] = static_cast<std::uint8_t>(random());
    }
    if (random() % 4 == 0) bytes.resize(random() % (bytes.size() + 60));
    for (const std::size_t ip : {at::inner_ip, at::ip}) {
      if (bytes.size() > ip + 20 && bytes[ip] >> 4 == 4 && random() % 4 != 0) {
        bytes = with_ipv4_checksum(std::move(bytes), ip);
      }
    }
    test::Layout layout;
    if (random() % 4 == 0) layout.headroom = random() % 200;
    if (random() % 4 == 0) layout.cuts = {random() % (bytes.size() + 1)};
    const Outcome outcome = rig.receive(from, bytes, layout);
    if (outcome.exit == Exit::transmitted) {
      ++travelled;
      // Nothing of the fabric or of blue may come out at red's VM but by red's decap.
      if (outcome.port == world::vm2 &&
          (from != world::fabric || test::get16(bytes, at::vni + 1) != 200)) {
        FAIL("run " << run);
      }
      const std::string source =
          test::to_hex({outcome.frame.begin() + 6, outcome.frame.begin() + 12});
      if (source != (outcome.port == world::fabric ? "020000000f01"
                     : outcome.port == world::vm2  ? "02005e000201"
                                                   : "02005e000101")) {
        FAIL("run " << run);
      }
    }
  }
  REQUIRE(travelled > 500);
}

}  // namespace weft::truncation_test
