// weftd: the vRouter. Reads weft.yaml, starts the data plane and the control thread, and runs until
// SIGTERM or SIGINT. The only place that sees both sides.
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>

#include "agent/agent.hpp"
#include "agent/api.hpp"
#include "agent/config_loader.hpp"
#include "agent/log_limit.hpp"
#include "agent/metrics.hpp"
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
  std::size_t frame_bytes = 0;
  for (const auto& port : config.ports)
    frame_bytes = std::max<std::size_t>(frame_bytes, port.mtu_bytes);
  for (const auto& vif : config.vifs)
    frame_bytes = std::max<std::size_t>(frame_bytes, vif.mtu_bytes);
  // A buffer takes a whole slot of an AF_PACKET ring, which io/device.cpp rounds up.
  options.eal.buffer_bytes = std::max(options.eal.buffer_bytes, frame_bytes + 256);
  options.burst = config.workers.burst;
  options.flows = config.flows;
  options.reassembly = config.reassembly;
  options.adaptive_idle = config.workers.idle == weft::agent::WorkersConfig::Idle::adaptive;
  options.handoff = config.workers.handoff;
  return options;
}

/// Where sessions lie, for the log.
std::string flow_memory(const weft::io::Router& router) {
  weft::FlowCounters flows = router.flow_counters(weft::IpFamily::v4);
  flows += router.flow_counters(weft::IpFamily::v6);
  const auto mb = [](std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; };
  if (flows.hugepage_bytes == flows.memory_bytes) return mb(flows.memory_bytes) + " on hugepages";
  const std::string as_used = "up to " + mb(flows.memory_bytes) + " as they are used";
  if (flows.hugepage_bytes == 0) return as_used + ", without hugepages";
  return as_used + ", " + mb(flows.hugepage_bytes) + " of it on hugepages";
}

int fail(const weft::Error& error) {
  spdlog::error("{}", error.message);
  return exit_startup;
}

/// Where the API's objects are kept; empty: nowhere. systemd names the directory that a unit's
/// StateDirectory= made.
std::string state_file(const weft::agent::Config& config) {
  if (!config.state_file.empty()) return config.state_file;
  const char* directory = std::getenv("STATE_DIRECTORY");
  if (directory != nullptr && *directory == '/') {
    const std::string_view all(directory);
    return std::string(all.substr(0, all.find(':'))) + "/weftd-state.json";
  }
  spdlog::info("what the API changes is lost when weftd ends; to keep it, give state.file");
  return {};
}

/// Monitoring alone: no path that changes anything or tells of tenants' routes.
weft::http::Response monitor(weft::agent::Agent& agent, const weft::http::Request& request) {
  const auto timer = agent.handler_times().time("monitor");
  if (request.method != "GET") return {405, "text/plain", "wanted GET\n"};
  if (request.path == "/metrics") return weft::agent::metrics(agent);
  if (request.path == "/healthz") return weft::agent::health(agent);
  return {404, "text/plain", "here are /metrics and /healthz\n"};
}

void notify_reloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const auto us = static_cast<unsigned long long>(now.tv_sec) * 1000000 +
                  static_cast<unsigned long long>(now.tv_nsec) / 1000;
  sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", us);
}

/// SIGHUP: the same as `weftctl reload`.
void wait_for_reload(boost::asio::signal_set& signal, weft::agent::Agent& agent) {
  signal.async_wait([&signal, &agent](const boost::system::error_code& error, int) {
    if (error) return;
    notify_reloading();
    agent.reload(false, [](const auto& done) {
      if (!done) {
        spdlog::error("nothing was reloaded:");
        std::istringstream lines(done.error().message);  // the journal takes line by line
        for (std::string line; std::getline(lines, line);) spdlog::error("{}", line);
      }
      sd_notify(0, "READY=1");
    });
    wait_for_reload(signal, agent);
  });
}

int run(const Options& options, const weft::agent::Config& config) {
  const std::chrono::duration<double> started = std::chrono::system_clock::now().time_since_epoch();
  boost::asio::io_context io(1);
  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  boost::asio::signal_set hangup(io, SIGHUP);
  std::unique_ptr<weft::agent::Api> api;

  // The socket comes first: a second weftd on it must not touch a device.
  std::error_code ignored;  // listen() says what is wrong with the directory
  std::filesystem::create_directories(std::filesystem::path(config.api_socket).parent_path(),
                                      ignored);
  auto server = weft::http::UnixServer::listen(
      io, config.api_socket, [&api](const weft::http::Request& request) {
        if (api == nullptr && request.path == "/healthz") {
          return weft::http::Response{503, "application/json",
                                      R"({"status": "failing", "reasons": ["weftd is starting"]})"};
        }
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
  spdlog::info("sessions: {}", flow_memory(**router));

  weft::agent::Agent agent(io, **router);
  agent.set_process({WEFT_VERSION, started.count()});
  agent.set_config_path(options.config);
  if (const auto status = agent.start(config, state_file(config)); !status) {
    return fail(status.error());
  }
  std::unique_ptr<weft::http::TcpServer> monitoring;
  if (const auto& [address, port] = config.metrics; !address.empty()) {
    auto listening = weft::http::TcpServer::listen(
        io, address, port, [&agent](const auto& request) { return monitor(agent, request); });
    if (!listening) return fail({"metrics.listen: " + listening.error().message});
    monitoring = std::move(*listening);
  }
  wait_for_reload(hangup, agent);
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
  spdlog::set_default_logger(std::make_shared<spdlog::logger>(
      "weftd", weft::agent::standard_error_sink(weft::agent::logs_to_journal())));
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
    return run(options, *loaded.config);
  } catch (const std::exception& error) {  // of a library: memory, a limit of this process
    spdlog::error("weftd does not start: {}", error.what());
    return exit_startup;
  }
}
