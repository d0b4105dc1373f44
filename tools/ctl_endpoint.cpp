#include "ctl_endpoint.hpp"

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace weft::ctl {
namespace {

constexpr std::uint16_t https_port = 443;

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && port != 0 ? std::optional(port) : std::nullopt;
}

}  // namespace

Result<std::optional<http::TlsEndpoint>> parse_endpoint(const std::string& text) {
  constexpr std::string_view scheme = "https://";
  const Error wrong{"\"" + text +
                    "\" is no controller: wanted the path of a socket, https://HOST:PORT or "
                    "HOST:PORT, with an IPv6 address in brackets"};
  std::string_view rest = text;
  const bool url = rest.starts_with(scheme);
  if (url) rest.remove_prefix(scheme.size());
  if (url && rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find("://") != rest.npos) return wrong;
  const std::size_t bracket = rest.starts_with('[') ? rest.find(']') : 0;
  if (bracket == rest.npos) return wrong;
  const std::size_t colon = rest.find(':', bracket);
  if (!url && (colon == rest.npos || rest.find('/') != rest.npos)) {
    return std::optional<http::TlsEndpoint>();
  }
  const auto port = colon == rest.npos ? https_port : parse_port(rest.substr(colon + 1));
  std::string_view host = rest.substr(0, colon);
  if (bracket != 0) {
    if (host.size() != bracket + 1) return wrong;
    host = host.substr(1, bracket - 1);
  }
  if (!port || host.empty() || host.find('/') != host.npos) return wrong;
  return std::optional(http::TlsEndpoint{.host = std::string(host), .port = *port, .files = {}});
}

std::string default_directory() {
  const auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  const std::string configured = variable("XDG_CONFIG_HOME");
  return (configured.empty() ? variable("HOME") + "/.config" : configured) + "/weft";
}

}  // namespace weft::ctl
