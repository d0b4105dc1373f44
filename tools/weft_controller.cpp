// weft-controller: computes what nodes need from what an operator wants, and tells them.
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "agent/log_limit.hpp"
#include "controller/api.hpp"
#include "controller/api_listen.hpp"
#include "controller/config.hpp"
#include "controller/document.hpp"
#include "controller/nodes.hpp"
#include "controller_pki.hpp"
#include "http/server.hpp"
#include "store/timed.hpp"
#include "tls/expiry.hpp"

namespace {

using namespace weft;

constexpr int exit_configuration = 2;
constexpr int exit_startup = 3;

struct Options {
  std::string config = "/etc/weft/controller.yaml";
  std::string log_level = "info";
  bool check = false;
  bool rebuild = false;
};

int fail(const Error& error) {
  spdlog::error("{}", error.message);
  return exit_startup;
}

void print(const std::vector<agent::Diagnostic>& diagnostics) {
  for (const auto& diagnostic : diagnostics) {
    std::fprintf(stderr, "%s\n", agent::to_string(diagnostic).c_str());
  }
}

/// The objects of the configured files. What is wrong with them is printed.
std::optional<std::vector<controller::Edit>> read_files(const controller::Config& config) {
  std::vector<controller::Edit> out;
  bool good = true;
  for (const auto& path : config.files) {
    const auto text = controller::read_file(path);
    if (!text) {
      std::fprintf(stderr, "%s\n", text.error().message.c_str());
      good = false;
      continue;
    }
    auto document = controller::read_document(*text, path);
    print(document.diagnostics);
    good = good && document.diagnostics.empty();
    std::ranges::move(document.edits, std::back_inserter(out));
  }
  return good ? std::optional(std::move(out)) : std::nullopt;
}

/// Calls tick() whenever it is due.
void keep_ticking(boost::asio::steady_timer& timer, controller::Controller& core) {
  using namespace std::chrono_literals;
  core.tick();
  const auto soon = core.now() + 20ms;
  timer.expires_at(std::max(soon, std::min(core.due().value_or(soon + 80ms), soon + 80ms)));
  timer.async_wait([&timer, &core](const boost::system::error_code& error) {
    if (!error) keep_ticking(timer, core);
  });
}

void make_parent(const std::string& path) {
  std::error_code ignored;  // whoever uses the directory says what is wrong with it
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
}

/// Of all certificates of ours that are in use.
Status watch_certificates(tls::ExpiryWatch& expiry, const controller::Config& config) {
  const bool channel_tls = config.listen || (config.api_listen && !config.api_tls);
  for (const auto& files : {channel_tls ? config.tls : std::nullopt, config.api_tls}) {
    if (!files) continue;
    const auto context = tls::Context::load({files->ca, files->cert, files->key});
    if (!context) return Error{"tls: " + context.error().message};
    expiry.add(files->cert, (*context)->expires());
  }
  return ok();
}

/// Reads certificates again, all of them or none.
Status renew_certificates(controller::Nodes& nodes, http::TlsServer* api,
                          const controller::Config& config) {
  std::shared_ptr<tls::Context> for_api;
  if (api != nullptr) {
    auto loaded = controller::load_api_tls(config);
    if (!loaded) return loaded.error();
    for_api = std::move(loaded.value());
  }
  auto renewed = nodes.renew_certificates(config);
  if (renewed && api != nullptr) api->use(std::move(for_api));
  return renewed;
}

/// SIGHUP: certificates are read again. `api`: where it is served over TLS.
void wait_for_hangup(boost::asio::signal_set& signal, controller::Nodes& nodes,
                     http::TlsServer* api, tls::ExpiryWatch& expiry,
                     const controller::Config& config) {
  signal.async_wait([&, api](const boost::system::error_code& error, int) {
    if (error) return;
    auto renewed = renew_certificates(nodes, api, config);
    if (renewed) renewed = watch_certificates(expiry, config);
    if (renewed) {
      spdlog::info("certificates are read again; they serve connections from now on");
    } else {
      spdlog::error("{}; what was read before stays in use", renewed.error().message);
    }
    wait_for_hangup(signal, nodes, api, expiry, config);
  });
}

int run(const Options& options, const controller::Config& config) {
  auto edits = read_files(config);
  if (!edits) return exit_configuration;
  boost::asio::io_context io(1);
  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  boost::asio::signal_set hangup(io, SIGHUP);
  signals.async_wait([&](const boost::system::error_code& error, int signal) {
    if (error) return;
    spdlog::info("signal {}: stopping", signal);
    sd_notify(0, "STOPPING=1");
    io.stop();
  });

  make_parent(config.state_file);
  const auto post = [&io](std::function<void()> call) { boost::asio::post(io, std::move(call)); };
  auto opened = store::Store::open(config.state_file, post);
  if (!opened && options.rebuild) {
    spdlog::warn("{}", opened.error().message);
    if (const auto moved = store::set_aside(config.state_file); !moved) return fail(moved.error());
    opened = store::Store::open(config.state_file, post);
  }
  if (!opened) return fail(opened.error());
  const auto commits = std::make_shared<store::CommitTimes>();
  controller::Controller core(
      std::make_unique<store::TimedStore>(std::move(opened.value()), commits), config.settings);
  if (const auto started = core.start(); !started) return fail(started.error());

  controller::Peers peers(io, core);
  controller::Nodes nodes(io, core, peers, {.stale = config.stale, .restart = config.restart});
  controller::Api api(core, {.route_server = &nodes.server(), .peers = &peers, .commits = commits});
  http::Limits limits;
  limits.body_bytes = 16 << 20;
  make_parent(config.api_socket);
  auto server = http::UnixServer::listen(
      io, config.api_socket,
      [&api](const http::Request& request) { return api.handle(request, controller::Role::admin); },
      limits);
  if (!server) return fail(server.error());
  std::unique_ptr<http::TlsServer> tls_server;
  if (config.api_listen) {
    auto listening = controller::listen_tls(io, api, config, limits);
    if (!listening) return fail(listening.error());
    tls_server = std::move(listening.value());
  }

  tls::ExpiryWatch expiry(io, [](const std::string& text) { SPDLOG_WARN("{}", text); });
  if (const auto watching = watch_certificates(expiry, config); !watching) {
    return fail(watching.error());
  }
  int code = 0;
  boost::asio::steady_timer timer(io);
  const auto ready = [&] {
    if (const auto started = peers.start(config); !started) {
      code = fail(started.error());
      return io.stop();
    }
    if (config.listen) {
      if (const auto listening = nodes.listen(config); !listening) {
        code = fail(listening.error());
        return io.stop();
      }
    }
    keep_ticking(timer, core);
    wait_for_hangup(hangup, nodes, tls_server.get(), expiry, config);
    spdlog::info("ready: {} objects, API at {}", core.model().objects().size(), config.api_socket);
    if (config.api_listen) {
      spdlog::info("API over TLS at {} port {}", config.api_listen->address,
                   config.api_listen->port);
    }
    sd_notify(0, "READY=1");
  };
  core.change(std::move(*edits), [&](const Result<controller::Changes>& changed) {
    if (changed) return ready();
    code = fail({"files: " + changed.error().message});
    io.stop();
  });
  io.run();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  controller::PkiCommands pki;
  CLI::App app(
      "Weft's controller.\n\nExit codes: 0 stopped by signal, or done; 1 refused; 2 the command "
      "line or the configuration is wrong; 3 it does not start (state, socket, memory).");
  app.add_option("--config", options.config, "the configuration file")->capture_default_str();
  app.add_flag("--check", options.check, "only check the configuration");
  app.add_flag("--rebuild", options.rebuild,
               "move a state that cannot be opened aside, and begin with an empty one");
  app.add_option("--log-level", options.log_level, "trace, debug, info, warning, error or off")
      ->capture_default_str();
  app.set_version_flag("--version", WEFT_VERSION);
  app.require_subcommand(0, 1);
  pki.add_to(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : exit_configuration;
  }
  if (pki.given()) return pki.code();
  spdlog::set_default_logger(std::make_shared<spdlog::logger>(
      "weft-controller", agent::standard_error_sink(agent::logs_to_journal())));
  spdlog::set_level(spdlog::level::from_str(options.log_level));
  spdlog::flush_on(spdlog::level::info);

  const auto loaded = controller::load_config(options.config);
  print(loaded.diagnostics);
  if (!loaded.config) return exit_configuration;
  if (options.check) {
    if (!read_files(*loaded.config)) return exit_configuration;
    std::printf("%s: fine\n", options.config.c_str());
    return 0;
  }
  try {
    return run(options, *loaded.config);
  } catch (const std::exception& error) {  // of a library: memory, a limit of this process
    spdlog::error("weft-controller does not start: {}", error.what());
    return exit_startup;
  }
}
