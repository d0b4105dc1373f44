#pragma once

#include <cstdint>
#include <string>

namespace weft {

/// `192.0.2.1:80`, `[2001:db8::1]:80`, `name:80` (RFC 3986 §3.2).
inline std::string host_port(const std::string& host, std::uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace weft
