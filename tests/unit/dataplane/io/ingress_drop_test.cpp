// What the kernel takes from an interface, in a network namespace of the test's own.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "io/device.hpp"
#include "io/ingress_drop.hpp"
#include "io/kernel_end.hpp"
#include "support/hex.hpp"
#include "support/small_world.hpp"

namespace weft::io::ingress_drop_test {
namespace {

// Ether(dst="ff:ff:ff:ff:ff:ff", src="02:00:00:00:00:02")/IP(src="192.0.2.2",
// dst="255.255.255.255",
//    id=0)/UDP(sport=4000, dport=4000, chksum=0)/b"hi"
constexpr std::string_view broadcast =
    "ffffffffffff02000000000208004500001e000000004011b8cdc0000202ffffffff0fa00fa0000a00006869";

/// Runs `test` on a thread in a new network namespace with the veth pair a and b, of which a has
/// 192.0.2.1/24. Where this process may not, it says so.
void in_namespace(const std::function<void()>& test) {
  bool may = false;
  std::exception_ptr failure;
  std::thread([&] {
    may = unshare(CLONE_NEWNET) == 0;
    if (!may) return;
    try {
      REQUIRE(std::system("ip link add name a type veth peer name b && ip link set dev a up && "
                          "ip link set dev b up && ip addr add 192.0.2.1/24 dev a") == 0);
      test();
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
  if (!may) WARN("this process may make no network namespace: nothing was tried");
}

/// A socket that closes itself, and that waits 300 ms at most for what it receives.
struct Socket {
  int fd;
  Socket(int domain, int type, int protocol) : fd(socket(domain, type, protocol)) {
    const timeval patience{0, 300000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~Socket() { close(fd); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  /// Whether these bytes come among others.
  [[nodiscard]] bool hears(const std::vector<std::uint8_t>& wanted) const {
    std::vector<std::uint8_t> got(2048);
    for (;;) {
      const ssize_t bytes = recv(fd, got.data(), got.size(), 0);
      if (bytes < 0) return false;
      if (std::equal(wanted.begin(), wanted.end(), got.begin(), got.begin() + bytes)) return true;
    }
  }
};

constexpr auto both = "AF_PACKET and the kernel";
constexpr auto packet_socket_alone = "AF_PACKET alone";

/// Who hears of a datagram that arrives at a.
std::string send_to_a() {
  const int protocol = htons(ETH_P_ALL);  // others come behind tc
  const Socket tap(AF_PACKET, SOCK_RAW, 0);
  sockaddr_ll at{};
  at.sll_family = AF_PACKET;
  at.sll_protocol = static_cast<std::uint16_t>(protocol);
  at.sll_ifindex = static_cast<int>(if_nametoindex("a"));
  REQUIRE(bind(tap.fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
  const Socket inbox(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(4000);
  REQUIRE(bind(inbox.fd, reinterpret_cast<sockaddr*>(&where), sizeof where) == 0);
  const Socket out(AF_PACKET, SOCK_RAW, 0);
  at.sll_ifindex = static_cast<int>(if_nametoindex("b"));
  const auto frame = test::hex(broadcast);
  REQUIRE(sendto(out.fd, frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&at),
                 sizeof at) == static_cast<ssize_t>(frame.size()));
  const bool seen = tap.hears(frame);
  const bool heard = inbox.hears({'h', 'i'});
  return !seen ? "not AF_PACKET" : heard ? both : packet_socket_alone;
}

}  // namespace

TEST_CASE("what is dropped behind AF_PACKET, by either means", "[host]") {
  const auto means = GENERATE(IngressDrop::Means::link, IngressDrop::Means::filter);
  in_namespace([means] {
    REQUIRE(send_to_a() == both);
    {
      auto drop = IngressDrop::attach("a", means);
      if (!drop && means == IngressDrop::Means::link) {
        WARN("this kernel has no BPF links for traffic control: " << drop.error().message);
        return;
      }
      REQUIRE(drop);
      REQUIRE((*drop)->means() == means);
      REQUIRE(send_to_a() == packet_socket_alone);
    }
    REQUIRE(send_to_a() == both);
  });
}

TEST_CASE("a filter that a killed process left gives way to the next one", "[host]") {
  in_namespace([] {
    auto left = IngressDrop::attach("a", IngressDrop::Means::filter);
    REQUIRE(left);
    { REQUIRE(IngressDrop::attach("a", IngressDrop::Means::filter)); }
    REQUIRE(send_to_a() == both);
  });
}

TEST_CASE("a drop that cannot be says why", "[host]") {
  in_namespace([] {
    const auto drop = IngressDrop::attach("nowhere0");
    REQUIRE_FALSE(drop);
    REQUIRE(drop.error().message.find("nowhere0") != std::string::npos);
  });
}

TEST_CASE("the kernel's end of a tap is given addresses and routes", "[host]") {
  in_namespace([] {
    REQUIRE_FALSE(has_ipv6_gateway("b"));
    const Status status =
        configure_kernel_end("b", {test::prefix("198.51.100.1/24"), test::prefix("2001:db8::1/64")},
                             {test::ip("198.51.100.254"), test::ip("2001:db8::fe")});
    REQUIRE(status);
    REQUIRE(std::system("ip -4 addr show dev b | grep -q 'inet 198.51.100.1/24' && "
                        "ip -6 addr show dev b | grep -q 'inet6 2001:db8::1/64' && "
                        "ip route get 8.8.8.8 | grep -q 'via 198.51.100.254 dev b' && "
                        "ip route get 2001:4860::8 | grep -q 'via 2001:db8::fe dev b'") == 0);
    REQUIRE(has_ipv6_gateway("b"));
    REQUIRE_FALSE(has_ipv6_gateway("a"));
    const auto holds = [](const char* interface, const char* address) {
      return kernel_holds(interface, [=](const IpAddress& a) { return a == test::ip(address); });
    };
    REQUIRE(holds("b", "2001:db8::1") == test::prefix("2001:db8::1/64"));
    REQUIRE(holds("a", "198.51.100.1") == std::nullopt);
    const Status again = configure_kernel_end("b", {test::prefix("198.51.100.1/24")}, {});
    REQUIRE_FALSE(again);
    REQUIRE(again.error().message.find("198.51.100.1/24") != std::string::npos);
  });
}

TEST_CASE("an interface that puts segments together is known", "[host]") {
  in_namespace([] {
    REQUIRE_FALSE(merges_packets("b"));
    REQUIRE(std::system("ethtool -K b gro on") == 0);
    REQUIRE(merges_packets("b"));
  });
}

}  // namespace weft::io::ingress_drop_test
