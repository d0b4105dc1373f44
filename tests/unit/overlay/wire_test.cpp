// Header layouts, checksums and the walks over options and extension headers.
#include <catch2/catch.hpp>

#include "support/exact_copy.hpp"
#include "support/hex.hpp"
#include "support/naive.hpp"
#include "support/seed.hpp"
#include "wire/arp.hpp"
#include "wire/checksum.hpp"
#include "wire/frame_pattern.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/nd.hpp"
#include "wire/tcp.hpp"
#include "wire/udp.hpp"
#include "wire/vlan.hpp"
#include "wire/vxlan.hpp"

namespace weft::wire::wire_test {
namespace {

using test::ExactCopy;
using test::hex;

std::vector<std::uint8_t> random_bytes(std::mt19937_64& random, std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  for (auto& b : bytes) b = static_cast<std::uint8_t>(random());
  return bytes;
}

/// The sum as the wire has it.
std::uint16_t wire_sum(std::uint64_t sum) { return __builtin_bswap16(checksum_fold(sum)); }

template <class Header>
Header& overlay_on(std::span<std::uint8_t> bytes) {
  return *reinterpret_cast<Header*>(bytes.data());
}

}  // namespace

TEST_CASE("the checksum of RFC 1071 section 3", "[checksum]") {
  const auto bytes = hex("0001 f203 f4f5 f6f7");
  REQUIRE(wire_sum(checksum_add(bytes.data(), bytes.size())) == 0xddf2);
  REQUIRE(checksum_finish(checksum_add(bytes.data(), bytes.size())).get() == 0x220d);
}

TEST_CASE("a VLAN tag comes and goes between the addresses and the rest", "[vlan]") {
  // Ether(dst="02:00:00:00:0f:01", src="02:00:00:00:0f:02")/Dot1Q(vlan=100, prio=5, id=1)/b"weft"
  const auto tagged = hex("020000000f01 020000000f02 8100 b064 9000 77656674");
  const auto untagged = hex("020000000f01 020000000f02 9000 77656674");
  ExactCopy copy(tagged);
  const auto frame = copy.get();
  const VlanTag* tag = vlan_tag_of(frame.data());
  REQUIRE(tag != nullptr);
  CHECK(tag->control.get() == 0xb064);
  CHECK(VlanTag::identifier_in(tag->control.get()) == 100);
  CHECK(VlanTag::identifier_in(0xffff) == 0xfff);
  CHECK(take_vlan_tag(frame.data()) == frame.data() + 4);
  CHECK(std::vector<std::uint8_t>(frame.begin() + 4, frame.end()) == untagged);
  CHECK(put_vlan_tag(frame.data() + 4, 0xb064) == frame.data());
  CHECK(std::vector<std::uint8_t>(frame.begin(), frame.end()) == tagged);
  const ExactCopy none(hex("020000000f01 020000000f02 88a8 0064 0800"));
  CHECK(vlan_tag_of(none.get().data()) == nullptr);
}

TEST_CASE("the sum agrees with RFC 1071 word by word, for every length and alignment",
          "[checksum]") {
  auto random = test::random_engine();
  for (std::size_t size = 0; size < 160; ++size) {
    for (std::size_t shift = 0; shift < 8; ++shift) {
      const ExactCopy copy(random_bytes(random, size + shift));
      const auto part = copy.get().subspan(shift);
      CAPTURE(size, shift);
      REQUIRE(wire_sum(checksum_add(part.data(), part.size())) == test::naive_sum(part));
    }
  }
  for (const std::size_t size : {1499U, 9000U, 65534U, 65535U}) {
    const std::vector<std::uint8_t> ones(size, 0xff);
    REQUIRE(wire_sum(checksum_add(ones.data(), size)) == test::naive_sum(ones));
  }
}

TEST_CASE("a sum can be taken in pieces of even length", "[checksum]") {
  auto random = test::random_engine();
  const auto bytes = random_bytes(random, 301);
  for (std::size_t cut = 0; cut <= bytes.size(); cut += 2) {
    const std::uint64_t first = checksum_add(bytes.data(), cut);
    REQUIRE(wire_sum(checksum_add(bytes.data() + cut, bytes.size() - cut, first)) ==
            test::naive_sum(bytes));
  }
}

TEST_CASE("folding keeps the one's complement value of any 64 bits", "[checksum]") {
  auto random = test::random_engine();
  REQUIRE(checksum_fold(0) == 0);
  std::vector<std::uint64_t> sums{1, 0xffff, 0x10000, 0xffffffff, 0x1fffe0001, ~std::uint64_t{0}};
  for (unsigned i = 0; i < 10000; ++i) sums.push_back(random() >> random() % 64);
  for (const std::uint64_t sum : sums) {
    CAPTURE(sum);
    REQUIRE(checksum_fold(sum) % 0xffff == sum % 0xffff);
    REQUIRE((checksum_fold(sum) == 0) == (sum == 0));
  }
}

TEST_CASE("twenty bytes are right where the naive sum says so, whatever carries", "[checksum]") {
  auto random = test::random_engine();
  const std::uint8_t few[] = {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff};
  std::size_t right = 0;
  for (int i = 0; i < 200000; ++i) {
    std::vector<std::uint8_t> bytes = random_bytes(random, 20);
    if (i % 2 == 0) {  // words full of ones make the sums overflow
      for (auto& b : bytes) b = few[b % std::size(few)];
    }
    bytes[0] = 0x45;
    if (i % 4 < 2) {  // complete it
      bytes[10] = bytes[11] = 0;
      const std::uint16_t sum = static_cast<std::uint16_t>(~test::naive_sum(bytes));
      bytes[10] = static_cast<std::uint8_t>(sum >> 8);
      bytes[11] = static_cast<std::uint8_t>(sum);
    }
    const bool expected = test::naive_sum(bytes) == 0xffff;
    right += expected ? 1 : 0;
    REQUIRE(checksum20_valid(ExactCopy(bytes).get().data()) == expected);
  }
  REQUIRE(right >= 100000);
}

TEST_CASE("a checksum is kept right where 16 bits change, wherever they lie", "[checksum]") {
  auto random = test::random_engine();
  for (int i = 0; i < 20000; ++i) {
    std::vector<std::uint8_t> bytes = random_bytes(random, 24);
    if (i % 4 == 0) std::fill(bytes.begin() + 2, bytes.end(), std::uint8_t(i % 8 == 0 ? 0 : 0xff));
    bytes[0] = bytes[1] = 0;
    const auto sum = static_cast<std::uint16_t>(~test::naive_sum(bytes));
    bytes[0] = static_cast<std::uint8_t>(sum >> 8);
    bytes[1] = static_cast<std::uint8_t>(sum);
    const std::size_t at = 2 + random() % 21;
    be16 checksum;
    be16 before;
    std::memcpy(&checksum, bytes.data(), 2);
    std::memcpy(&before, bytes.data() + at, 2);
    const be16 after(static_cast<std::uint16_t>(random()));
    checksum = checksum_update(checksum, before, after, at % 2 != 0);
    std::memcpy(bytes.data(), &checksum, 2);
    std::memcpy(bytes.data() + at, &after, 2);
    // Zeros alone have two checksums, and RFC 1624 §3 finds the other one; no header is such.
    if (std::count(bytes.begin() + 2, bytes.end(), 0) == 22) continue;
    CAPTURE(at);
    REQUIRE(test::naive_sum(bytes) == 0xffff);
  }
}

TEST_CASE("a frame pattern takes ordinary frames and no others", "[ethernet]") {
  const MacAddress to{{2, 0, 0x5e, 0, 1, 1}};
  const MacAddress from{{2, 0, 0, 0, 1, 0x11}};
  const std::uint32_t address = 0x0b00010a;  // 10.1.0.11
  struct Wanted {
    bool v4;
    const MacAddress* source;
    const std::uint32_t* address;
  };
  for (const auto& wanted :
       {Wanted{true, nullptr, nullptr}, Wanted{true, &from, nullptr}, Wanted{true, &from, &address},
        Wanted{false, nullptr, nullptr}, Wanted{false, &from, nullptr}}) {
    const auto pattern = wanted.v4 ? FramePattern::ipv4(to, wanted.source, wanted.address)
                                   : FramePattern::ipv6(to, wanted.source);
    auto frame =
        hex(wanted.v4 ? "02005e000101020000000111080045ff00548000c0003f11beef0a01000b0a01"
                      : "02005e00010102000000011186dd6fff12340010113ffd000000000000000000");
    REQUIRE(frame.size() == FramePattern::bytes);
    REQUIRE(pattern.matches(ExactCopy(frame).get().data()));
    const auto matters = [&](std::size_t byte, std::size_t bit) {
      if (byte < 6 || byte == 12 || byte == 13) return true;
      if (byte < 12) return wanted.source != nullptr;
      if (!wanted.v4) return byte == 14 && bit >= 4;  // the version
      if (byte == 14) return true;
      if (byte == 20) return bit < 6;  // more fragments, and where in the datagram
      if (byte == 21) return true;
      return byte >= 26 && byte < 30 && wanted.address != nullptr;
    };
    for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
      const std::size_t byte = bit / 8;
      frame[byte] ^= static_cast<std::uint8_t>(1U << bit % 8);
      CAPTURE(wanted.v4, wanted.source != nullptr, wanted.address != nullptr, bit);
      REQUIRE(pattern.matches(ExactCopy(frame).get().data()) == !matters(byte, bit % 8));
      frame[byte] ^= static_cast<std::uint8_t>(1U << bit % 8);
    }
  }
}

TEST_CASE("transport checksums stand over the pseudo header", "[checksum]") {
  // raw(IP(src="192.0.2.1",dst="198.51.100.7")/UDP(sport=1000,dport=2000)/b"odd")[20:]
  auto udp4 = hex("03e8 07d0 000b 347f 6f6464");
  // raw(IPv6(src="2001:db8::1",dst="2001:db8::2")/TCP(sport=80,dport=4242,seq=7,ack=9)/b"weft!")
  auto tcp6 = hex("0050 1092 00000007 00000009 5002 2000 249d 0000 7765667421");
  const IpAddress a4 = *parse_ip("192.0.2.1");
  const IpAddress b4 = *parse_ip("198.51.100.7");
  const IpAddress a6 = *parse_ip("2001:db8::1");
  const IpAddress b6 = *parse_ip("2001:db8::2");

  REQUIRE(l4_checksum(a4.bytes().data(), b4.bytes().data(), 4, 17, udp4).get() == 0);
  REQUIRE(l4_checksum(a6.bytes().data(), b6.bytes().data(), 16, 6, tcp6).get() == 0);
  udp4[6] = udp4[7] = 0;
  tcp6[16] = tcp6[17] = 0;
  REQUIRE(l4_checksum(a4.bytes().data(), b4.bytes().data(), 4, 17, udp4).get() == 0x347f);
  REQUIRE(l4_checksum(a6.bytes().data(), b6.bytes().data(), 16, 6, tcp6).get() == 0x249d);
  for (const std::uint32_t length : {0U, 1U, 0xffffU, 0x10000U, 0xffffffffU}) {
    REQUIRE(wire_sum(pseudo_header_sum(a6.bytes().data(), b6.bytes().data(), 16, 58, length)) ==
            test::naive_pseudo_sum(a6, b6, 58, length));
  }
}

TEST_CASE("an IPv4 header's checksum covers its options", "[ipv4]") {
  // raw(IP(src="10.0.0.1",dst="10.0.0.2",id=1,options=[IPOption_RR()]))
  const auto bytes = hex("46000018 00010000 40005ae0 0a000001 0a000002 07030400");
  const ExactCopy copy(bytes);
  auto& ip = overlay_on<Ipv4>(copy.get());
  REQUIRE(ip.header_bytes() == 24);
  REQUIRE(ip.version() == 4);
  REQUIRE(ip.checksum_valid());
  for (std::size_t bit = 8; bit < bytes.size() * 8; ++bit) {  // IHL itself apart
    copy.get()[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    REQUIRE_FALSE(ip.checksum_valid());
    copy.get()[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
  }
  ip.checksum = 0x1234;
  ip.complete_checksum();
  REQUIRE(ip.checksum.get() == 0x5ae0);
}

TEST_CASE("a TTL that falls by one leaves a valid checksum, for all checksums and TTLs", "[ipv4]") {
  Ipv4 ip;
  ip.protocol = 17;
  ip.source = 0xc0000201;
  ip.destination = 0xc0000202;
  std::size_t broken = 0;
  std::size_t wrong_ttl = 0;
  for (unsigned ttl = 1; ttl < 256; ++ttl) {
    for (unsigned id = 0; id < 0x10000; ++id) {  // the checksum takes all its values
      ip.ttl = static_cast<std::uint8_t>(ttl);
      ip.identification = static_cast<std::uint16_t>(id);
      ip.complete_checksum();
      ip.decrement_ttl();
      wrong_ttl += ip.ttl != ttl - 1 ? 1 : 0;
      broken += ip.checksum_valid() ? 0 : 1;
    }
  }
  REQUIRE(wrong_ttl == 0);
  REQUIRE(broken == 0);
}

// RFC 1624 §3: minus zero must not come out, since a receiver that computes the checksum afresh and
// compares finds 0 where the packet says 0xffff.
TEST_CASE("a TTL that falls by one leaves the checksum that a fresh computation gives", "[ipv4]") {
  Ipv4 ip;
  ip.ttl = 64;
  ip.protocol = 17;
  ip.source = 0xc0000201;
  ip.destination = 0xc0000202;
  std::vector<std::string> wrong;
  for (unsigned id = 0; id < 0x10000; ++id) {
    ip.ttl = 64;
    ip.identification = static_cast<std::uint16_t>(id);
    ip.complete_checksum();
    const std::uint16_t before = ip.checksum.get();
    ip.decrement_ttl();
    Ipv4 fresh = ip;
    fresh.complete_checksum();
    if (fresh.checksum != ip.checksum) {
      wrong.push_back("checksum " + std::to_string(before) + " became " +
                      std::to_string(ip.checksum.get()) + " instead of " +
                      std::to_string(fresh.checksum.get()));
    }
  }
  REQUIRE(wrong.empty());
}

TEST_CASE("fragments are told by MF and offset, not by DF or the reserved bit", "[ipv4]") {
  Ipv4 ip;
  for (unsigned word = 0; word < 0x10000; ++word) {
    ip.flags_fragment = static_cast<std::uint16_t>(word);
    const bool fragment = (word & 0x2000) != 0 || (word & 0x1fff) != 0;
    if (ip.fragment() != fragment || ip.may_fragment() != ((word & 0x4000) == 0)) {
      FAIL("flags and offset " << word);
    }
  }
}

TEST_CASE("an ARP message lies as RFC 826 draws it", "[arp]") {
  // raw(ARP(op=2,hwsrc="02:00:00:00:00:01",psrc="10.0.0.1",hwdst="02:00:00:00:00:02",
  //         pdst="10.0.0.2"))
  auto bytes = hex("0001 0800 06 04 0002 020000000001 0a000001 020000000002 0a000002");
  const ExactCopy copy(bytes);
  const auto& arp = overlay_on<Arp>(copy.get());
  REQUIRE(arp.well_formed());
  REQUIRE(arp.operation.get() == Arp::reply);
  REQUIRE(to_string(arp.sender_mac) == "02:00:00:00:00:01");
  REQUIRE(arp.sender_ip.get() == 0x0a000001);
  REQUIRE(to_string(arp.target_mac) == "02:00:00:00:00:02");
  REQUIRE(arp.target_ip.get() == 0x0a000002);
  copy.get()[7] = 1;
  REQUIRE(arp.well_formed());
  for (const std::size_t at : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U}) {
    const std::uint8_t was = copy.get()[at];
    copy.get()[at] = static_cast<std::uint8_t>(was + 7);
    CAPTURE(at);
    REQUIRE_FALSE(arp.well_formed());
    copy.get()[at] = was;
  }
  for (const std::uint8_t operation : {0, 3, 4, 8, 255}) {
    copy.get()[7] = operation;
    REQUIRE_FALSE(arp.well_formed());
  }
}

TEST_CASE("an option with a link-layer address is found", "[nd]") {
  bool valid = false;
  const auto find = [&](std::string_view text, std::uint8_t type) {
    return find_link_layer_option(ExactCopy(hex(text)).get(), type, valid);
  };
  REQUIRE_FALSE(find("", 1));
  REQUIRE(valid);
  REQUIRE(find("0101 020000000001", 1) == MacAddress{{2, 0, 0, 0, 0, 1}});
  REQUIRE(valid);
  REQUIRE_FALSE(find("0101 020000000001", 2));
  REQUIRE(valid);
  // Behind a nonce of 16 bytes (RFC 3971 §5.3.2); the first of two counts.
  REQUIRE(find("0e02 000102030405060708090a0b0c0d 0201 020000000002 0201 020000000003", 2) ==
          MacAddress{{2, 0, 0, 0, 0, 2}});
  REQUIRE(valid);
}

TEST_CASE("options of length zero or beyond the end make a message invalid", "[nd]") {
  const auto invalid = [](std::string_view text) {
    bool valid = true;
    const auto found = find_link_layer_option(ExactCopy(hex(text)).get(), 1, valid);
    return !valid && !found;
  };
  REQUIRE(invalid("01"));
  REQUIRE(invalid("0100"));
  REQUIRE(invalid("0100 020000000001"));
  REQUIRE(invalid("0101 0200000000"));
  REQUIRE(invalid("0102 020000000001"));
  REQUIRE(invalid("01ff 020000000001"));
  REQUIRE(invalid("0101 020000000001 00"));
  REQUIRE(invalid("0101 020000000001 0e00 000000000000"));
  REQUIRE(invalid("0101 020000000001 0e02 000000000000"));
}

TEST_CASE("any bytes may stand where neighbour options should", "[nd]") {
  auto random = test::random_engine();
  for (unsigned run = 0; run < 20000; ++run) {
    auto bytes = random_bytes(random, random() % 64);
    for (auto& b : bytes) b = random() % 2 == 0 ? static_cast<std::uint8_t>(b % 4) : b;
    const ExactCopy copy(bytes);
    bool valid = false;
    const auto found = find_link_layer_option(copy.get(), 1, valid);
    if (found && !valid) FAIL("an address from an invalid message");
  }
}

TEST_CASE("multicast addresses of neighbour discovery", "[nd]") {
  // RFC 4291 §2.7.1, RFC 2464 §7.
  const Ipv6Address group = solicited_node(parse_ip("4037::1:800:200e:8c6c")->v6());
  REQUIRE(to_string(IpAddress(group)) == "ff02::1:ff0e:8c6c");
  REQUIRE(to_string(multicast_mac(group)) == "33:33:ff:0e:8c:6c");
}

}  // namespace weft::wire::wire_test
