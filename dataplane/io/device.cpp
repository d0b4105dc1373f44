#include "io/device.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace weft::io {
namespace {

DeviceSpec af_packet(const std::string& rest, unsigned queues, std::uint16_t mtu_bytes) {
  // A ring frame holds the kernel's header, 66 bytes of alignment and addresses, and the packet. It
  // must fit a packet buffer, and 32 of them some whole pages.
  constexpr unsigned step = 128;
  const auto frame = std::max(2048U, (mtu_bytes + 2 * step - 1) / step * step);
  return {.scheme = "af_packet",
          .driver = "net_af_packet",
          .arguments = fmt::format("iface={},blocksz={},framesz={},framecnt=2048,qpairs={}", rest,
                                   32 * frame, frame, queues),
          .interface = rest,
          .netns = {},
          .multi_queue = true,
          .may_leave_checksums = true};
}

DeviceSpec tap(const std::string& rest, const std::optional<MacAddress>& mac) {
  const auto at = rest.find('@');
  const std::string interface = rest.substr(0, at);
  return {.scheme = "tap",
          .driver = "net_tap",
          .arguments = fmt::format("iface={}{}", interface, mac ? ",mac=" + to_string(*mac) : ""),
          .interface = interface,
          .netns = at == std::string::npos ? "" : rest.substr(at + 1)};
}

DeviceSpec pcap(const std::string& rest) {
  const auto comma = rest.find(',');
  std::string arguments = "rx_pcap=" + rest.substr(0, comma);
  if (comma != std::string::npos) arguments += ",tx_pcap=" + rest.substr(comma + 1);
  return {
      .scheme = "pcap", .driver = "net_pcap", .arguments = arguments, .interface = {}, .netns = {}};
}

DeviceSpec dpdk(const std::string& rest) {
  const auto comma = rest.find(',');
  return {.scheme = "dpdk",
          .driver = rest.substr(0, comma),
          .arguments = comma == std::string::npos ? "" : rest.substr(comma + 1),
          .interface = {},
          .netns = {},
          .multi_queue = true};
}

std::uint8_t mask_length(const sockaddr* mask) {
  if (mask == nullptr) return 0;
  std::uint8_t bytes[sizeof(in6_addr)]{};
  if (mask->sa_family == AF_INET) {
    std::memcpy(bytes, &reinterpret_cast<const sockaddr_in*>(mask)->sin_addr, sizeof(in_addr));
  } else {
    std::memcpy(bytes, &reinterpret_cast<const sockaddr_in6*>(mask)->sin6_addr, sizeof bytes);
  }
  int ones = 0;
  for (const std::uint8_t byte : bytes) ones += std::popcount(byte);
  return static_cast<std::uint8_t>(ones);
}

/// Asks the kernel of an interface by an ioctl that fills in `value`; false: it does not answer.
bool ethtool(const std::string& interface, ethtool_value& value) {
  ifreq request{};
  if (interface.size() >= sizeof request.ifr_name) return false;
  interface.copy(request.ifr_name, sizeof request.ifr_name - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool told = ioctl(fd, SIOCETHTOOL, &request) == 0;
  close(fd);
  return told;
}

}  // namespace

Result<DeviceSpec> parse_device(const std::string& device, unsigned queues,
                                const std::optional<MacAddress>& mac, std::uint16_t mtu_bytes) {
  const auto colon = device.find(':');
  const std::string scheme = device.substr(0, colon);
  const std::string rest = colon == std::string::npos ? "" : device.substr(colon + 1);
  if (colon == std::string::npos || (rest.empty() && scheme != "null")) {
    return Error{fmt::format("device `{}`: SCHEME:REST is wanted, as `tap:vm1`", device)};
  }
  if (scheme == "af_packet") return af_packet(rest, queues, mtu_bytes);
  if (scheme == "tap") return tap(rest, mac);
  if (scheme == "pcap") return pcap(rest);
  if (scheme == "null") {
    return DeviceSpec{.scheme = "null",
                      .driver = "net_null",
                      .arguments = rest,
                      .interface = {},
                      .netns = {},
                      .multi_queue = true};
  }
  if (scheme == "dpdk") return dpdk(rest);
  return Error{
      fmt::format("device `{}`: there is no scheme `{}`; af_packet, tap, pcap, null and dpdk exist",
                  device, scheme)};
}

Result<std::unique_ptr<NetnsScope>> NetnsScope::enter(const std::string& name) {
  if (name.empty()) return std::unique_ptr<NetnsScope>();
  const std::string path = "/run/netns/" + name;
  const int target = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (target < 0) {
    return Error{fmt::format("network namespace `{}`: {}: {}; create it by `ip netns add {}`", name,
                             path, std::strerror(errno), name)};
  }
  const int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (home < 0 || setns(target, CLONE_NEWNET) != 0) {
    const int why = errno;
    close(target);
    if (home >= 0) close(home);
    return Error{fmt::format("network namespace `{}`: {}; run as root", name, std::strerror(why))};
  }
  close(target);
  return std::unique_ptr<NetnsScope>(new NetnsScope(home));
}

NetnsScope::~NetnsScope() {
  setns(home_, CLONE_NEWNET);
  close(home_);
}

std::optional<unsigned> interface_mtu(const std::string& interface) {
  ifreq request{};
  if (interface.size() >= sizeof request.ifr_name) return std::nullopt;
  interface.copy(request.ifr_name, sizeof request.ifr_name - 1);
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::nullopt;
  const bool found = ioctl(fd, SIOCGIFMTU, &request) == 0;
  close(fd);
  return found ? std::optional<unsigned>(static_cast<unsigned>(request.ifr_mtu)) : std::nullopt;
}

bool interface_running(const std::string& interface) {
  ifreq request{};
  if (interface.size() >= sizeof request.ifr_name) return false;
  interface.copy(request.ifr_name, sizeof request.ifr_name - 1);
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool found = ioctl(fd, SIOCGIFFLAGS, &request) == 0;
  close(fd);
  const auto flags = static_cast<unsigned>(request.ifr_flags);
  // The carrier as it is: IFF_RUNNING follows it by up to a second.
  ethtool_value link{.cmd = ETHTOOL_GLINK, .data = 0};
  const bool told = ethtool(interface, link);
  return found && (flags & IFF_UP) != 0 && (told ? link.data != 0 : (flags & IFF_RUNNING) != 0);
}

bool merges_packets(const std::string& interface) {
  ethtool_value gro{.cmd = ETHTOOL_GGRO, .data = 0};
  ethtool_value flags{.cmd = ETHTOOL_GFLAGS, .data = 0};
  return (ethtool(interface, gro) && gro.data != 0) ||
         (ethtool(interface, flags) && (flags.data & ETH_FLAG_LRO) != 0);
}

std::optional<IpPrefix> kernel_holds(const std::string& interface,
                                     const std::function<bool(const IpAddress&)>& wanted) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return std::nullopt;
  std::optional<IpPrefix> found;
  for (const ifaddrs* i = list; i != nullptr && !found; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || interface != i->ifa_name) continue;
    char text[NI_MAXHOST];
    const int family = i->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    if (getnameinfo(i->ifa_addr, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0)
      continue;
    const auto held = parse_ip(std::string_view(text).substr(0, std::string_view(text).find('%')));
    if (held && wanted(*held)) {
      found = IpPrefix{*held, mask_length(i->ifa_netmask)};
    }
  }
  freeifaddrs(list);
  return found;
}

std::vector<int> packet_sockets() {
  std::vector<int> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const int fd = std::atoi(entry.path().filename().c_str());
    int domain = 0;
    socklen_t size = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_PACKET) {
      found.push_back(fd);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace weft::io
