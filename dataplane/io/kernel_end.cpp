#include "io/kernel_end.hpp"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/route.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace weft::io {
namespace {

/// Behind what the host's own configuration makes: `ip route` 0, NetworkManager 100, others 1024.
constexpr std::uint32_t route_metric = 4096;

std::uint8_t family_of(const IpAddress& address) { return address.is_v4() ? AF_INET : AF_INET6; }

/// A request to the kernel: a header of its own kind, then attributes.
template <class Header>
class Request {
 public:
  Request(std::uint16_t type, std::uint16_t flags, const Header& header) {
    message_.nlmsg_type = type;
    message_.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    append(&header, sizeof header);
  }
  void add(std::uint16_t type, const void* value, std::size_t bytes) {
    const rtattr attribute{static_cast<std::uint16_t>(RTA_LENGTH(bytes)), type};
    append(&attribute, sizeof attribute);
    append(value, bytes);
  }
  void add(std::uint16_t type, const IpAddress& address) {
    if (address.is_v4()) {
      const std::uint32_t raw = __builtin_bswap32(address.v4().value);
      add(type, &raw, sizeof raw);
    } else {
      add(type, address.v6().bytes.data(), address.v6().bytes.size());
    }
  }
  void add(std::uint16_t type, std::uint32_t value) { add(type, &value, sizeof value); }

  /// 0, or the error number with which the kernel answers.
  [[nodiscard]] int send() {
    message_.nlmsg_len = static_cast<std::uint32_t>(sizeof message_ + used_);
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) return errno;
    struct {
      nlmsghdr header;
      nlmsgerr error;
      std::array<char, 256> rest;
    } answer{};
    std::array<iovec, 2> parts{{{&message_, sizeof message_}, {body_.data(), used_}}};
    msghdr datagram{};
    datagram.msg_iov = parts.data();
    datagram.msg_iovlen = parts.size();
    int error = 0;
    if (sendmsg(fd, &datagram, 0) < 0 || recv(fd, &answer, sizeof answer, 0) < 0) error = errno;
    close(fd);
    return error != 0 ? error : -answer.error.error;
  }

 private:
  void append(const void* from, std::size_t bytes) {
    std::memcpy(body_.data() + used_, from, bytes);
    used_ += NLMSG_ALIGN(bytes);
  }
  nlmsghdr message_{};
  std::array<char, 256> body_{};
  std::size_t used_ = 0;
};

int bring_up(int index) {
  ifinfomsg link{};
  link.ifi_index = index;
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  return Request(RTM_NEWLINK, 0, link).send();
}

int add_address(int index, const IpPrefix& prefix) {
  ifaddrmsg address{};
  address.ifa_family = family_of(prefix.address);
  address.ifa_prefixlen = prefix.length;
  address.ifa_flags = IFA_F_NODAD;  // on the fabric it is Weft that defends it
  address.ifa_index = static_cast<std::uint32_t>(index);
  Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address);
  request.add(IFA_LOCAL, prefix.address);
  request.add(IFA_ADDRESS, prefix.address);
  return request.send();
}

int add_default_route(int index, const IpAddress& gateway) {
  rtmsg route{};
  route.rtm_family = family_of(gateway);
  route.rtm_table = RT_TABLE_MAIN;
  route.rtm_protocol = RTPROT_STATIC;
  route.rtm_scope = RT_SCOPE_UNIVERSE;
  route.rtm_type = RTN_UNICAST;
  Request request(RTM_NEWROUTE, NLM_F_CREATE, route);
  request.add(RTA_GATEWAY, gateway);
  request.add(RTA_OIF, static_cast<std::uint32_t>(index));
  request.add(RTA_PRIORITY, route_metric);
  return request.send();
}

}  // namespace

Status configure_kernel_end(const std::string& interface, const std::vector<IpPrefix>& addresses,
                            const std::vector<IpAddress>& gateways) {
  const auto fail = [&](const std::string& what, int error) {
    const bool no_ipv6 = error == EACCES || error == EOPNOTSUPP;
    return Error{fmt::format("the kernel does not give `{}` {}: {}{}", interface, what,
                             std::strerror(error),
                             no_ipv6 ? "; is IPv6 off? See `sysctl net.ipv6.conf.default."
                                       "disable_ipv6`"
                                     : "")};
  };
  const auto index = static_cast<int>(if_nametoindex(interface.c_str()));
  if (index == 0) return fail("an index", errno);
  if (const int error = bring_up(index); error != 0) return fail("the state up", error);
  for (const IpPrefix& prefix : addresses) {
    if (const int error = add_address(index, prefix); error != 0) {
      return fail("the address " + to_string(prefix), error);
    }
  }
  for (const IpAddress& gateway : gateways) {
    if (const int error = add_default_route(index, gateway); error != 0) {
      return fail("a default route through " + to_string(gateway), error);
    }
  }
  return ok();
}

bool has_ipv6_gateway(const std::string& interface) {
  // Destination, its length, source, its length, next hop, metric, two counts, flags, interface.
  std::ifstream routes("/proc/thread-self/net/ipv6_route");
  for (std::string line; std::getline(routes, line);) {
    std::istringstream words(line);
    std::string skipped;
    for (int i = 0; i < 8; ++i) words >> skipped;
    unsigned long flags = 0;
    std::string where;
    words >> std::hex >> flags >> where;
    if (where == interface && (flags & RTF_GATEWAY) != 0) return true;
  }
  return false;
}

}  // namespace weft::io
