#pragma once
/// IP protocols by the words that people call them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/ipv4.hpp"

namespace weft::agent {

struct ProtocolName {
  std::string_view name;
  wire::IpProtocol protocol;
};
inline constexpr ProtocolName protocol_words[] = {{"tcp", wire::IpProtocol::tcp},
                                                  {"udp", wire::IpProtocol::udp},
                                                  {"sctp", wire::IpProtocol::sctp},
                                                  {"icmp", wire::IpProtocol::icmp},
                                                  {"icmpv6", wire::IpProtocol::icmpv6}};
inline constexpr std::string_view protocol_wanted =
    "tcp, udp, sctp, icmp, icmpv6 or a number from 0 to 255";

inline std::string protocol_text(std::uint8_t number) {
  for (const auto& [name, protocol] : protocol_words) {
    if (static_cast<std::uint8_t>(protocol) == number) return std::string(name);
  }
  return std::to_string(number);
}

inline std::optional<std::uint8_t> protocol_named(std::string_view word) {
  for (const auto& [name, protocol] : protocol_words) {
    if (name == word) return static_cast<std::uint8_t>(protocol);
  }
  return std::nullopt;
}

inline std::vector<std::string_view> protocol_names() {
  std::vector<std::string_view> names;
  for (const auto& [name, protocol] : protocol_words) names.push_back(name);
  return names;
}

}  // namespace weft::agent
