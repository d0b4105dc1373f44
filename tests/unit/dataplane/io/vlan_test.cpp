// The ports of one device, told apart by the VLAN of their frames.
#include "io/vlan.hpp"

#include <array>
#include <catch2/catch.hpp>

#include "support/hex.hpp"
#include "support/seed.hpp"

namespace weft::io::vlan_test {
namespace {

using Bytes = std::vector<std::uint8_t>;

// Ether(dst="02:00:00:00:0f:01", src="02:00:00:00:0f:02")/Dot1Q(vlan=100, prio=5, id=1)/
// IP(src="192.0.2.2", dst="192.0.2.1", id=7)/UDP(sport=1, dport=2)/b"weft", by scapy
constexpr std::string_view in_vlan100 =
    "020000000f01020000000f028100b064080045000020000700004011f6c2c0000202c000020100010002000c9df5"
    "77656674";
/// Without the tag.
constexpr std::string_view in_none =
    "020000000f01020000000f02080045000020000700004011f6c2c0000202c000020100010002000c9df577656674";
// With Dot1Q(vlan=100) and with Dot1Q(vlan=0xabc).
constexpr std::string_view sent_in_vlan100 =
    "020000000f01020000000f0281000064080045000020000700004011f6c2c0000202c000020100010002000c9df5"
    "77656674";
constexpr std::string_view sent_in_vlan2748 =
    "020000000f01020000000f0281000abc080045000020000700004011f6c2c0000202c000020100010002000c9df5"
    "77656674";

constexpr std::array<VlanPort, 2> two_vlans{{{100, 3}, {2748, 5}}};
constexpr std::array<VlanPort, 3> with_untagged{{{100, 3}, {0, 4}, {2748, 5}}};

/// A packet in a buffer of its own.
struct Buffer {
  explicit Buffer(std::string_view packet, std::size_t headroom = 16, std::size_t tailroom = 0)
      : Buffer(test::hex(packet), headroom, tailroom) {}
  explicit Buffer(const Bytes& packet, std::size_t headroom = 16, std::size_t tailroom = 0)
      : bytes(headroom) {
    bytes.insert(bytes.end(), packet.begin(), packet.end());
    bytes.resize(bytes.size() + tailroom);
    mbuf.buf_addr = bytes.data();
    mbuf.buf_len = static_cast<std::uint16_t>(bytes.size());
    mbuf.nb_segs = 1;
    mbuf.data_off = static_cast<std::uint16_t>(headroom);
    mbuf.data_len = static_cast<std::uint16_t>(packet.size());
    mbuf.pkt_len = mbuf.data_len;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  [[nodiscard]] std::string frame() const {
    REQUIRE(mbuf.pkt_len == mbuf.data_len);
    const auto begin = bytes.begin() + mbuf.data_off;
    return test::to_hex(Bytes(begin, begin + mbuf.data_len));
  }
  /// As a driver hands over that has taken the tag off.
  void stripped(std::uint16_t control) {
    mbuf.vlan_tci = control;
    mbuf.ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
  }

  Bytes bytes;
  rte_mbuf mbuf{};
};

TEST_CASE("a frame goes to the port of its VLAN, without its tag") {
  Buffer frame(in_vlan100);
  const Sorted sorted = sort_frame(with_untagged, &frame.mbuf);
  REQUIRE(sorted.port != nullptr);
  CHECK(sorted.port->port == 3);
  CHECK(sorted.reason == DropReason::none);
  CHECK(frame.frame() == in_none);
  CHECK(is_untagged_from(&frame.mbuf));
  CHECK(frame.mbuf.vlan_tci == 0xb064);
}

TEST_CASE("the same of a frame whose tag the driver has taken off") {
  Buffer frame(in_none);
  frame.stripped(0xb064);
  const Sorted sorted = sort_frame(with_untagged, &frame.mbuf);
  REQUIRE(sorted.port != nullptr);
  CHECK(sorted.port->port == 3);
  CHECK(frame.frame() == in_none);
  CHECK(is_untagged_from(&frame.mbuf));
}

TEST_CASE("a frame of no port's VLAN is refused, as it was on the wire") {
  const bool driver = GENERATE(false, true);
  for (const std::uint16_t vlan : {1, 99, 101, 4094, 0xfff}) {
    Bytes tagged = test::hex(in_vlan100);
    tagged[14] = static_cast<std::uint8_t>(0xb0 | vlan >> 8);
    tagged[15] = static_cast<std::uint8_t>(vlan);
    Buffer frame(driver ? test::hex(in_none) : tagged);
    if (driver) frame.stripped(static_cast<std::uint16_t>(0xb000 | vlan));
    const Sorted sorted = sort_frame(with_untagged, &frame.mbuf);
    CHECK(sorted.port == nullptr);
    CHECK(sorted.reason == DropReason::vlan_unknown);
    CHECK(frame.frame() == test::to_hex(tagged));
    CHECK_FALSE(is_untagged_from(&frame.mbuf));
  }
}

TEST_CASE("a frame in no VLAN goes to the port without one, if there is such") {
  Bytes priority = test::hex(in_vlan100);
  priority[14] = 0xa0;
  priority[15] = 0;
  const Bytes bytes = GENERATE_COPY(test::hex(in_none), priority);
  Buffer taken(bytes);
  const Sorted sorted = sort_frame(with_untagged, &taken.mbuf);
  REQUIRE(sorted.port != nullptr);
  CHECK(sorted.port->port == 4);
  CHECK(taken.frame() == test::to_hex(bytes));
  Buffer refused(bytes);
  CHECK(sort_frame(two_vlans, &refused.mbuf).port == nullptr);
  CHECK(sort_frame(two_vlans, &refused.mbuf).reason == DropReason::vlan_missing);
  CHECK(refused.frame() == test::to_hex(bytes));
}

TEST_CASE("a tag that the frame ends in is none") {
  const Bytes whole = test::hex(in_vlan100);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Buffer frame(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
    const Sorted sorted = sort_frame(two_vlans, &frame.mbuf);
    CAPTURE(size);
    CHECK((sorted.port != nullptr) == (size >= 18));
    CHECK(frame.mbuf.data_len == (size >= 18 ? size - 4 : size));
  }
}

TEST_CASE("observers see the tag, priority and all, and leave the frame as it was") {
  Buffer frame(in_vlan100);
  REQUIRE(sort_frame(two_vlans, &frame.mbuf).port != nullptr);
  {
    const AsOnWire whole(&frame.mbuf);
    CHECK(frame.frame() == in_vlan100);
  }
  CHECK(frame.frame() == in_none);
  CHECK(is_untagged_from(&frame.mbuf));
  Buffer untagged(in_none);
  {
    const AsOnWire whole(&untagged.mbuf);
    CHECK(untagged.frame() == in_none);
  }
  CHECK_FALSE(is_untagged_from(&untagged.mbuf));
}

TEST_CASE("a frame leaves with the port's tag, wherever the buffer has room for it") {
  for (const auto& [vlan, wanted] : {std::pair{100, sent_in_vlan100}, {2748, sent_in_vlan2748}}) {
    for (std::size_t headroom = 0; headroom < 8; ++headroom) {
      for (std::size_t tailroom = 0; tailroom < 8; ++tailroom) {
        Buffer frame(in_none, headroom, tailroom);
        CAPTURE(headroom, tailroom);
        const bool put = put_tag(Packet(&frame.mbuf), static_cast<std::uint16_t>(vlan));
        CHECK(put == (headroom + tailroom >= 4));
        CHECK(frame.frame() == (put ? wanted : in_none));
      }
    }
  }
}

}  // namespace
}  // namespace weft::io::vlan_test
