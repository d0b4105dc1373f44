#pragma once
/// A weft-controller as a process, in a directory of its own.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "controller/layout.hpp"
#include "weft/result.hpp"

namespace weft::bench {

class ControllerProcess {
 public:
  static constexpr auto domain = "bench.weft";

  /// `directory` has a `pki` with the certificate of `network-control`. Writes the configuration
  /// and the networks of the layout, without members: nodes become that by subscribing.
  ControllerProcess(std::filesystem::path program, std::filesystem::path directory,
                    const Layout& layout);
  ControllerProcess(const ControllerProcess&) = delete;
  ControllerProcess& operator=(const ControllerProcess&) = delete;
  ~ControllerProcess();  ///< kills it

  /// Returns when it takes sessions. An Error has the end of its log.
  Status start();
  void kill();
  /// What it has kept goes; not while it runs.
  void forget();

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] double cpu_seconds() const;
  /// Of memory; and the most that it was since the start.
  [[nodiscard]] std::size_t resident_bytes() const { return status_bytes("VmRSS:"); }
  [[nodiscard]] std::size_t peak_bytes() const { return status_bytes("VmHWM:"); }

  [[nodiscard]] std::string log_end() const;

  /// Changes the TTL of a network's tunnels; returns when that is kept.
  Status set_ttl(unsigned network, unsigned ttl) const;

 private:
  [[nodiscard]] std::size_t status_bytes(const std::string& field) const;

  std::filesystem::path program_;
  std::filesystem::path directory_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace weft::bench
