#include "controller/config.hpp"

#include <fcntl.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace weft::controller {
namespace {

using yaml::Map;
using yaml::Value;

constexpr std::uint16_t xmpp_port = 5269;  // what the channel uses by default

std::optional<std::string> socket_path(const Value& v) {
  auto path = yaml::text(v);
  if (path && path->size() >= sizeof(sockaddr_un::sun_path)) {
    return v.wanted("a socket path of at most 107 bytes");
  }
  return path;
}

std::optional<std::string> root_path(const Value& v) {
  auto path = yaml::text(v);
  if (path && !path->starts_with('/')) return v.wanted("a path from the root");
  return path;
}

/// An address and a port, of which the second may be left out where there is a usual one.
auto endpoint(std::uint16_t usual) {
  return [usual](const Value& v) -> std::optional<Endpoint> {
    Endpoint out{"", usual};
    Map map(v);
    map.required("address", out.address, [](const Value& value) -> std::optional<std::string> {
      if (!value.scalar() || !parse_ip(value.element().text)) return value.wanted("an IP address");
      return value.element().text;
    });
    const auto port = yaml::number<std::uint16_t>(1, 65535);
    if (usual == 0) {
      map.required("port", out.port, port);
    } else {
      map.optional("port", out.port, port);
    }
    map.finish();
    return out;
  };
}

std::optional<TlsFiles> tls_files(const Value& v) {
  TlsFiles out;
  Map map(v);
  map.required("ca", out.ca, root_path);
  map.required("cert", out.cert, root_path);
  map.required("key", out.key, root_path);
  map.finish();
  return out;
}

template <class Duration>
auto seconds_between(std::uint64_t least, std::uint64_t most) {
  return [=](const Value& v) -> std::optional<Duration> {
    const auto read = yaml::whole_number(v, least, most);
    return read ? std::optional<Duration>(std::chrono::seconds(*read)) : std::nullopt;
  };
}

std::optional<bool> read_api(Config& config, const Value& v) {
  Map map(v);
  Endpoint listen;
  TlsFiles tls;
  map.optional("socket", config.api_socket, socket_path);
  if (map.optional("listen", listen, endpoint(0))) config.api_listen = listen;
  if (map.optional("tls", tls, tls_files)) config.api_tls = tls;
  map.finish();
  return true;
}

std::optional<bool> read_state(Config& config, const Value& v) {
  Map map(v);
  map.required("file", config.state_file, root_path);
  map.finish();
  return true;
}

std::optional<bool> read_timers(Config& config, const Value& v) {
  using std::chrono::milliseconds;
  constexpr std::uint64_t day = 86400;
  Map map(v);
  map.optional("hold", config.hold, seconds_between<std::chrono::seconds>(3, 3600));
  map.optional("stale", config.stale, seconds_between<std::chrono::seconds>(1, day));
  map.optional("restart", config.restart, seconds_between<std::chrono::seconds>(0, 3600));
  map.optional("grace", config.settings.timers.grace, seconds_between<milliseconds>(0, 3600));
  map.optional("silent", config.settings.timers.silent, seconds_between<milliseconds>(1, day));
  map.finish();
  return true;
}

void read(Config& config, const Value& root) {
  Map map(root);
  const auto section = [&](std::string_view key, auto reader) {
    bool good = false;
    map.optional(key, good, [&](const Value& v) { return reader(config, v); });
  };
  Endpoint listen;
  TlsFiles tls;
  std::vector<yaml::Placed<Endpoint>> peers;
  std::vector<yaml::Placed<std::string>> files;
  std::vector<yaml::Placed<IpPrefix>> underlay;
  map.required("name", config.name, yaml::name);
  map.required("domain", config.domain, yaml::name);
  if (map.optional("listen", listen, endpoint(xmpp_port))) config.listen = listen;
  if (map.optional("tls", tls, tls_files)) config.tls = tls;
  section("api", read_api);
  section("state", read_state);
  section("timers", read_timers);
  map.optional("peers", peers, yaml::placed_list(endpoint(xmpp_port)));
  map.optional("files", files, yaml::placed_list(root_path));
  map.optional("underlay", underlay, yaml::placed_list(yaml::network));
  map.optional("autonomous_system", config.settings.as_number, yaml::number(1U, 0xffffU));
  map.finish();
  if (!map.is_map()) return;
  for (const std::string key : {"listen", "peers"}) {
    if (map.has(key) && !map.has("tls")) map.missing("tls", ", since there is " + key);
  }
  if (config.api_listen && !config.api_tls && !map.has("tls")) {
    map.missing("tls", ", since there is api.listen without api.tls");
  }
  config.peers = yaml::values(std::move(peers));
  config.settings.name = config.name;
  config.settings.has_peers = !config.peers.empty();
  config.files = yaml::values(std::move(files));
  config.settings.underlay = yaml::values(std::move(underlay));
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t most_bytes) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return Error{path + ": cannot be opened: " + std::strerror(errno)};
  std::string text;
  char chunk[1 << 16];
  ssize_t got = 0;
  while (text.size() <= most_bytes && (got = ::read(file, chunk, sizeof chunk)) > 0) {
    text.append(chunk, static_cast<std::size_t>(got));
  }
  const int error = errno;
  ::close(file);
  if (got < 0) return Error{path + ": cannot be read: " + std::strerror(error)};
  if (text.size() > most_bytes) {
    return Error{path + ": larger than " + std::to_string(most_bytes >> 20) + " MiB"};
  }
  return text;
}

LoadedConfig parse_config(const std::string& text, const std::string& name) {
  yaml::Report report(name);
  Config config;
  if (const auto root = yaml::parse(text, report)) read(config, Value(*root, "", report));
  LoadedConfig loaded{std::nullopt, report.sorted()};
  if (loaded.diagnostics.empty()) loaded.config = std::move(config);
  return loaded;
}

LoadedConfig load_config(const std::string& path) {
  const auto text = read_file(path);
  if (text) return parse_config(*text, path);
  const auto& message = text.error().message;
  return {std::nullopt, {{path, 0, 0, "", message.substr(message.find(": ") + 2)}}};
}

}  // namespace weft::controller
