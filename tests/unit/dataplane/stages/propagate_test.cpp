// What the IP headers outside and inside of a tunnel tell each other: ECN, DSCP, TTL.
#include <catch2/catch.hpp>

#include "support/eal_session.hpp"
#include "support/naive.hpp"
#include "support/tunnel_loop.hpp"

namespace weft::propagate_test {
namespace {

unsigned class_of(const Bytes& frame, std::size_t l3) {
  return frame[l3] >> 4 == 4 ? frame[l3 + 1] : test::get16(frame, l3) >> 4 & 0xff;
}
unsigned ttl_of(const Bytes& frame, std::size_t l3) {
  return frame[l3 + (frame[l3] >> 4 == 4 ? 8 : 7)];
}
Bytes with_class(Bytes frame, std::size_t l3, unsigned value) {
  if (frame[l3] >> 4 != 4) {
    const auto rest = test::get16(frame, l3) & 0xf00f;
    return with16(std::move(frame), l3, rest | value << 4);
  }
  frame[l3 + 1] = static_cast<std::uint8_t>(value);
  return with_ipv4_checksum(std::move(frame), l3);
}
bool checksum_right(const Bytes& frame, std::size_t l3) {
  return frame[l3] >> 4 != 4 || with_ipv4_checksum(frame, l3) == frame;
}

/// Where the packet inside begins, which is the end of the frame.
std::size_t inside(const Bytes& frame, const Bytes& sent) {
  return frame.size() - (sent.size() - at::ip);
}

/// The same without UDP checksums too, where they can be left out: those go the short way.
std::vector<Loop> more_loops() {
  std::vector<Loop> all = loops();
  std::erase_if(all, [](const Loop& l) { return describe(l.profile.kind).on_ethernet; });
  for (Loop loop : std::vector<Loop>(all)) {
    if (loop.profile.remote.is_v4() || loop.profile.destination_port == 0) continue;
    loop.profile.zero_udp_checksum6 = loop.decap.zero_udp_checksum6 = true;
    all.push_back(loop);
  }
  return all;
}

std::string text(const Loop& loop, const Bytes& sent) {
  return std::string(describe(loop.profile.kind).name) +
         (loop.profile.remote.is_v4() ? ", IPv4" : ", IPv6") +
         (sent[12] == 0x08 ? " of IPv4" : " of IPv6") +
         (loop.profile.payload == TunnelPayload::ip ? ", bare" : "");
}

/// For each tunnel and each family inside it.
template <class Test>
void each(
    const Test& run, const std::function<void(Loop&)>& change = [](Loop&) {}) {
  for (Loop loop : more_loops()) {
    change(loop);
    Rig rig(world::batch());
    rig.apply(batch_of(loop));
    for (const Bytes& sent : {vm1_4, vm1_6}) {
      INFO(text(loop, sent));
      run(rig, loop, sent);
    }
  }
}

/// RFC 6040 figure 4: for each inner field (Not-ECT, ECT(0), ECT(1), CE) and each outer one in the
/// same order what comes out. -1: it is dropped.
constexpr unsigned fields[] = {0b00, 0b10, 0b01, 0b11};
constexpr int figure4[4][4] = {
    {0b00, 0b00, 0b00, -1},
    {0b10, 0b10, 0b01, 0b11},
    {0b01, 0b01, 0b01, 0b11},
    {0b11, 0b11, 0b11, 0b11},
};

/// What became of a packet inside, told by the next tunnel, and what must have become of it.
void check_inside(const Outcome& again, const Bytes& sent, const Bytes& arrived,
                  unsigned expected) {
  REQUIRE(describe(again) == "transmitted");
  const std::size_t l3 = inside(again.frame, sent);
  CHECK(class_of(again.frame, l3) == expected);
  CHECK(checksum_right(again.frame, l3));
  // Nothing else has changed but TTL.
  Bytes wanted = with_class(arrived, inside(arrived, sent), expected);
  const std::size_t inner = inside(wanted, sent);
  --wanted[inner + (sent[12] == 0x08 ? 8 : 7)];
  if (sent[12] == 0x08) wanted = with_ipv4_checksum(wanted, inner);
  CHECK(Bytes(again.frame.begin() + static_cast<std::ptrdiff_t>(l3), again.frame.end()) ==
        Bytes(wanted.begin() + static_cast<std::ptrdiff_t>(inner), wanted.end()));
}

}  // namespace

TEST_CASE("the outer ECN field is the inner one", "[propagate]") {
  each([](Rig& rig, const Loop& loop, const Bytes& sent) {
    const Bytes plain = rig.receive(world::vm1, with_class(sent, at::ip, 0)).frame;
    for (const unsigned dscp : {0U, 1U, 46U, 63U}) {
      for (unsigned ecn = 0; ecn < 4; ++ecn) {
        CAPTURE(dscp, ecn);
        const Outcome out = rig.receive(world::vm1, with_class(sent, at::ip, dscp << 2 | ecn));
        REQUIRE(describe(out) == "transmitted");
        CHECK(class_of(out.frame, at::ip) == ecn);
        CHECK(class_of(out.frame, inside(out.frame, sent)) == (dscp << 2 | ecn));
        CHECK(checksum_right(out.frame, at::ip));
        CHECK(ttl_of(out.frame, at::ip) == 64);
        // All else is the same, but for a UDP checksum over what is inside.
        const Bytes same =
            with_class(with_class(plain, at::ip, ecn), inside(plain, sent), dscp << 2 | ecn);
        Bytes found = out.frame;
        if (!loop.profile.remote.is_v4() && loop.profile.destination_port != 0) {
          std::copy_n(same.begin() + at::udp_v6 + 6, 2, found.begin() + at::udp_v6 + 6);
        }
        CHECK(found == same);
      }
    }
  });
}

TEST_CASE("ECN comes out of a tunnel as RFC 6040 says", "[propagate]") {
  each([](Rig& rig, const Loop&, const Bytes& sent) {
    for (unsigned row = 0; row < 4; ++row) {
      for (unsigned column = 0; column < 4; ++column) {
        CAPTURE(row, column);
        // DSCP 10 outside, 20 inside: neither is the other's concern.
        const unsigned inner_class = 20 << 2 | fields[row];
        const Bytes sent_so = with_class(sent, at::ip, inner_class);
        const Bytes tunnelled = returned(rig.receive(world::vm1, sent_so).frame);
        const Bytes arrived = with_class(tunnelled, at::ip, 10 << 2 | fields[column]);
        const Outcome again = rig.receive(world::fabric, arrived);
        if (figure4[row][column] < 0) {
          CHECK(describe(again) == "dropped: outer_ce_inner_not_ect");
        } else {
          const unsigned expected = 20 << 2 | static_cast<unsigned>(figure4[row][column]);
          check_inside(again, sent, arrived, expected);
          CHECK(class_of(again.frame, at::ip) == (expected & 3));
        }
      }
    }
  });
}

TEST_CASE("a tunnel copies DSCP where its profile says so", "[propagate]") {
  each(
      [](Rig& rig, const Loop&, const Bytes& sent) {
        for (unsigned traffic_class = 0; traffic_class < 256; traffic_class += 5) {
          CAPTURE(traffic_class);
          const Outcome out = rig.receive(world::vm1, with_class(sent, at::ip, traffic_class));
          REQUIRE(describe(out) == "transmitted");
          CHECK(class_of(out.frame, at::ip) == traffic_class);
          CHECK(class_of(out.frame, inside(out.frame, sent)) == traffic_class);
          CHECK(checksum_right(out.frame, at::ip));
        }
      },
      [](Loop& loop) { loop.profile.copy_dscp = true; });
}

TEST_CASE("a decap copies DSCP where it says so, and ECN as ever", "[propagate]") {
  each(
      [](Rig& rig, const Loop&, const Bytes& sent) {
        for (const unsigned dscp : {0U, 46U, 63U}) {
          for (unsigned row = 1; row < 4; ++row) {
            for (unsigned column = 0; column < 4; ++column) {
              CAPTURE(dscp, row, column);
              const Bytes sent_so = with_class(sent, at::ip, 20 << 2 | fields[row]);
              const Bytes tunnelled = returned(rig.receive(world::vm1, sent_so).frame);
              const Bytes arrived = with_class(tunnelled, at::ip, dscp << 2 | fields[column]);
              check_inside(rig.receive(world::fabric, arrived), sent, arrived,
                           dscp << 2 | static_cast<unsigned>(figure4[row][column]));
            }
          }
        }
      },
      [](Loop& loop) { loop.decap.copy_dscp = true; });
}

TEST_CASE("a tunnel copies TTL where its profile says so", "[propagate]") {
  each(
      [](Rig& rig, const Loop&, const Bytes& sent) {
        for (const unsigned ttl : {2U, 3U, 64U, 255U}) {
          CAPTURE(ttl);
          Bytes sent_so = sent;
          sent_so[at::ip + (sent[12] == 0x08 ? 8 : 7)] = static_cast<std::uint8_t>(ttl);
          if (sent[12] == 0x08) sent_so = with_ipv4_checksum(std::move(sent_so));
          const Outcome out = rig.receive(world::vm1, sent_so);
          REQUIRE(describe(out) == "transmitted");
          CHECK(ttl_of(out.frame, at::ip) == ttl - 1);
          CHECK(ttl_of(out.frame, inside(out.frame, sent)) == ttl - 1);
          CHECK(class_of(out.frame, at::ip) == 46 << 2);
          CHECK(checksum_right(out.frame, at::ip));
        }
      },
      [](Loop& loop) {
        loop.profile.copy_ttl = true;
        loop.profile.dscp = 46;
      });
}

TEST_CASE("a frame of the router's own has nothing to copy", "[propagate]") {
  Loop loop = loop_of(describe(TunnelKind::vxlan), TunnelPayload::ethernet, true);
  loop.profile.copy_ttl = loop.profile.copy_dscp = true;
  Rig rig(world::batch());
  rig.apply(batch_of(loop));
  const Outcome out = rig.inject(way, with_class(vm1_4, at::ip, 0xff));
  REQUIRE(describe(out) == "transmitted");
  CHECK(class_of(out.frame, at::ip) == 0);
  CHECK(ttl_of(out.frame, at::ip) == 64);
}

TEST_CASE("congestion outside drops nothing that has no ECN field", "[propagate]") {
  const auto fate = [](std::string_view frame) {
    Rig rig(world::batch());
    return describe(rig.receive(world::fabric, with_class(hex(frame), at::ip, 0b11)));
  };
  CHECK(fate(packets::peer_arp).starts_with("punted"));
  CHECK(fate(packets::peer_udp4) == "dropped: outer_ce_inner_not_ect");
  CHECK(fate(packets::peer_deliver) == "dropped: outer_ce_inner_not_ect");
}

TEST_CASE("a header that is not all there is told nothing", "[propagate]") {
  // Whatever is cut off: the packet is dropped for that, and not for what is read beyond its end.
  for (std::size_t size = at::inner; size < at::inner_ip + 20; ++size) {
    const Bytes frame = with_class(test::cut_inside(packets::peer_udp4, size), at::ip, 0b11);
    Rig rig(world::batch());
    CAPTURE(size);
    CHECK(describe(rig.receive(world::fabric, frame)) == "dropped: frame_truncated");
  }
}

TEST_CASE("a packet that lost its checksum does not get it back", "[propagate]") {
  Bytes frame = with_class(with(packets::peer_udp4, at::inner_ip + 1, "02"), at::ip, 0b11);
  Rig rig(world::batch());
  CHECK(describe(rig.receive(world::fabric, frame)) == "dropped: ipv4_checksum");
}

TEST_CASE("explain tells what headers have from each other", "[propagate]") {
  const auto told = [](const Outcome& outcome, std::string_view stage) {
    std::string all;
    for (const ExplainStep& step : outcome.steps) {
      if (step.stage == stage) all += step.text + "\n";
    }
    return all;
  };
  Loop loop = loop_of(describe(TunnelKind::vxlan), TunnelPayload::ethernet, true);
  Rig rig(world::batch());
  rig.apply(batch_of(loop));
  const Outcome plain = rig.receive(world::vm1, vm1_4);
  CHECK(told(plain, "encap").find("inside") == std::string::npos);
  CHECK(told(rig.receive(world::fabric, returned(plain.frame)), "decap").find("outside") ==
        std::string::npos);
  const Outcome marked = rig.receive(world::vm1, with_class(vm1_4, at::ip, 46 << 2 | 2));
  CHECK_THAT(told(marked, "encap"), Catch::Contains("; from inside: ECN ECT(0)\n"));
  const Bytes congested = with_class(returned(marked.frame), at::ip, 3);
  CHECK_THAT(told(rig.receive(world::fabric, congested), "decap"),
             Catch::Contains("from outside: ECN CE; it was ECN ECT(0)\n"));
  loop.profile.copy_dscp = loop.profile.copy_ttl = loop.decap.copy_dscp = true;
  rig.apply(batch_of(loop));
  const Outcome copied = rig.receive(world::vm1, with_class(vm1_4, at::ip, 46 << 2));
  CHECK_THAT(told(copied, "encap"),
             Catch::Contains("; from inside: DSCP 46, ECN Not-ECT, TTL 63\n"));
  CHECK_THAT(
      told(rig.receive(world::fabric, with_class(returned(copied.frame), at::ip, 4)), "decap"),
      Catch::Contains("from outside: DSCP 1, ECN Not-ECT; it was DSCP 46, ECN Not-ECT\n"));
}

}  // namespace weft::propagate_test
