#pragma once
/// `controller.yaml`, read strictly, as weftd reads its own.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/config_loader.hpp"
#include "controller/controller.hpp"

namespace weft::controller {

struct Endpoint {
  std::string address;
  std::uint16_t port = 0;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// PEM files.
struct TlsFiles {
  std::string ca;
  std::string cert;
  std::string key;
};

struct Config {
  std::string name;
  std::string domain;
  std::optional<Endpoint> listen{};  ///< where vRouters come in; then `tls` is there, too
  std::optional<TlsFiles> tls{};
  std::vector<Endpoint> peers;  ///< other controllers of the site
  std::string api_socket = "/run/weft/controller.sock";
  std::optional<Endpoint> api_listen{};  ///< over TLS; then `api_tls` or `tls` is there, too
  std::optional<TlsFiles> api_tls{};     ///< nothing: as `tls`
  std::string state_file = "/var/lib/weft/controller.db";
  std::vector<std::string> files;   ///< of objects, applied at the start
  std::chrono::seconds hold{90};    ///< a session that says nothing for so long is over
  std::chrono::seconds stale{120};  ///< a node that went keeps its routes so long
  /// After the start no node is told that it has heard all before the others have had this time to
  /// come back.
  std::chrono::seconds restart{30};
  ControllerSettings settings;
};

struct LoadedConfig {
  std::optional<Config> config;  ///< where there is no diagnostic
  std::vector<agent::Diagnostic> diagnostics;
};

LoadedConfig load_config(const std::string& path);
LoadedConfig parse_config(const std::string& text, const std::string& name);
/// A whole file of at most `most_bytes`; an Error says why not.
Result<std::string> read_file(const std::string& path, std::size_t most_bytes = 16 << 20);

}  // namespace weft::controller
