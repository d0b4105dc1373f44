// weftd: the vRouter. Reads weft.yaml, starts the data plane and the control thread, and runs until
// SIGTERM or SIGINT. The only place that sees both sides.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "agent/agent.hpp"
#include "agent/api.hpp"
#include "agent/config_loader.hpp"
#include "http/server.hpp"
#include "io/router.hpp"

namespace {

constexpr int exit_configuration = 2;
constexpr int exit_startup = 3;

struct Options {
  std::string config = "/etc/weft/weft.yaml";
  std::string log_level = "info";
  bool check = false;
};

weft::io::RouterOptions router_options(const weft::agent::Config& config) {
  using Configured = weft::agent::DpdkConfig::Hugepages;
  weft::io::RouterOptions options;
  options.eal.hugepages = config.dpdk.hugepages == Configured::on ? weft::io::Hugepages::on
                          : config.dpdk.hugepages == Configured::off
                              ? weft::io::Hugepages::off
                              : weft::io::Hugepages::automatic;
  options.eal.memory_mb = config.dpdk.memory_mb;
  options.eal.worker_cpus = config.workers.lcores;
  for (const auto& port : config.ports) {
    options.eal.buffer_bytes =
        std::max<std::size_t>(options.eal.buffer_bytes, port.mtu_bytes + 256U);
  }
  for (const auto& vif : config.vifs) {
    options.eal.buffer_bytes =
        std::max<std::size_t>(options.eal.buffer_bytes, vif.mtu_bytes + 256U);
  }
  options.burst = config.workers.burst;
  options.adaptive_idle = config.workers.idle == weft::agent::WorkersConfig::Idle::adaptive;
  return options;
}

int fail(const weft::Error& error) {
  spdlog::error("{}", error.message);
  return exit_startup;
}

int run(const weft::agent::Config& config) {
  boost::asio::io_context io(1);
  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  std::unique_ptr<weft::agent::Api> api;

  // The socket comes first: a second weftd on it must not touch a device.
  std::error_code ignored;  // listen() says what is wrong with the directory
  std::filesystem::create_directories(std::filesystem::path(config.api_socket).parent_path(),
                                      ignored);
  auto server = weft::http::UnixServer::listen(
      io, config.api_socket, [&api](const weft::http::Request& request) {
        if (api == nullptr) {
          return weft::http::Response{503, "application/json", R"({"error": "weftd is starting"})"};
        }
        return api->handle(request);
      });
  if (!server) return fail(server.error());

  auto router = weft::io::Router::start(router_options(config));
  if (!router) return fail(router.error());
  spdlog::info("node {}: {} workers, {} MiB {}", config.node.name, config.workers.lcores.size(),
               config.dpdk.memory_mb,
               (*router)->with_hugepages() ? "on hugepages" : "without hugepages");

  weft::agent::Agent agent(io, **router);
  if (const weft::Status started = agent.start(config); !started) return fail(started.error());
  api = std::make_unique<weft::agent::Api>(agent);
  signals.async_wait([&](const boost::system::error_code& error, int signal) {
    if (error) return;
    spdlog::info("signal {}: stopping", signal);
    sd_notify(0, "STOPPING=1");
    agent.stop();
    io.stop();
  });
  spdlog::info("ready: {} ports, {} vifs, API at {}", config.ports.size(), config.vifs.size(),
               config.api_socket);
  sd_notify(0, "READY=1");
  io.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Weft's virtual router.\n\nExit codes: 0 stopped by signal; 2 the configuration is wrong; "
      "3 it does not start (device, permission, memory, socket).");
  app.add_option("--config", options.config, "the configuration file")->capture_default_str();
  app.add_flag("--check", options.check, "only check the configuration");
  app.add_option("--log-level", options.log_level, "trace, debug, info, warning, error or off")
      ->capture_default_str();
  app.set_version_flag("--version", WEFT_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : exit_configuration;
  }
  spdlog::set_default_logger(spdlog::stderr_logger_st("weftd"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  spdlog::set_level(spdlog::level::from_str(options.log_level));
  spdlog::flush_on(spdlog::level::info);

  const weft::agent::LoadedConfig loaded = weft::agent::load_config(options.config);
  for (const auto& diagnostic : loaded.diagnostics) {
    std::fprintf(stderr, "%s\n", to_string(diagnostic).c_str());
  }
  if (!loaded.config) return exit_configuration;
  if (options.check) {
    std::printf("%s: fine\n", options.config.c_str());
    return 0;
  }
  try {
    return run(*loaded.config);
  } catch (const std::exception& error) {  // of a library: memory, a limit of this process
    spdlog::error("weftd does not start: {}", error.what());
    return exit_startup;
  }
}
