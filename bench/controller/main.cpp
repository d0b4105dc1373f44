// A weft-controller with many simulated nodes over real sessions, see README.md:
//   bench-controller --controller PROGRAM [--nodes 100] [--networks 4000] …
// Prints a table; fails where a bar is missed that is asked for.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "controller/fleet.hpp"
#include "controller/process.hpp"
#include "temporary_directory.hpp"

namespace {

using namespace weft;
using namespace weft::bench;
using namespace std::chrono_literals;

struct Options {
  std::string program;
  Layout layout{};
  bool growth = true;
  unsigned tries = 1000;
  std::string data;
  std::size_t most_seconds = 60;
  double most_publish_ms = 50;
  std::size_t most_route_bytes = 500;
  std::size_t patience_s = 600;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double own_cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// What one stretch of time took.
struct Cost {
  double wall_s = 0;
  double controller_s = 0;  ///< of CPU
  double nodes_s = 0;       ///< of CPU, all of them
};

class Stopwatch {
 public:
  explicit Stopwatch(const ControllerProcess& controller)
      : controller_(controller), cpu_(controller.cpu_seconds()) {}
  [[nodiscard]] Cost read() const {
    return {seconds_since(start_), controller_.cpu_seconds() - cpu_, own_cpu_seconds() - own_};
  }
  [[nodiscard]] Clock::time_point start() const { return start_; }

 private:
  const ControllerProcess& controller_;
  Clock::time_point start_ = Clock::now();
  double cpu_;
  double own_ = own_cpu_seconds();
};

struct Latency {
  std::vector<double> sorted_ms;
  [[nodiscard]] double at(double share) const {
    if (sorted_ms.empty()) return 0;
    const auto last = static_cast<double>(sorted_ms.size() - 1);
    return sorted_ms[static_cast<std::size_t>(std::lround(share * last))];
  }
};

struct Measured {
  Layout layout;
  Cost members;  ///< sessions, subscriptions and the profiles that follow, without a route
  std::size_t profiles = 0;
  Cost initial;
  Fleet::Samples samples;
  std::size_t received = 0;
  std::size_t route_bytes = 0;
  std::size_t resident_bytes = 0;
  std::size_t peak_bytes = 0;
  Latency publish;
  Latency profile;
  Cost one_back;
  Cost all_back;
};

Latency latency(unsigned tries, const std::function<double(unsigned)>& once) {
  Latency out;
  for (unsigned i = 0; i < tries; ++i) out.sorted_ms.push_back(once(i));
  std::ranges::sort(out.sorted_ms);
  return out;
}

Measured measure(const Options& options, const Layout& layout, Fleet& fleet,
                 ControllerProcess& controller) {
  Measured out;
  out.layout = layout;
  const auto patience = std::chrono::seconds(options.patience_s);
  const auto start = [&] {
    if (const auto started = controller.start(); !started) {
      throw std::runtime_error(started.error().message);
    }
  };
  const auto progress = [&](const char* what) {
    std::fprintf(stderr, "%u networks: %s\n", layout.networks, what);
  };

  progress("nodes without routes");
  start();
  {
    const Stopwatch watch(controller);
    fleet.start_all(controller.port(), false);
    fleet.run_until([&] { return fleet.all_up(); }, patience, "sessions of all nodes");
    fleet.run_until([&] { return fleet.settled() && fleet.profiles() >= layout.networks; },
                    patience, "acknowledged profiles");
    out.members = watch.read();
    out.profiles = fleet.profiles();
    fleet.expect_loss(true);
    controller.kill();
    fleet.stop_all();
  }

  progress("everything from the beginning");
  controller.forget();
  start();
  {
    const auto before = fleet.received();
    const Stopwatch watch(controller);
    fleet.begin_samples(watch.start());
    fleet.start_all(controller.port(), true);
    fleet.run_until([&] { return fleet.converged(); }, patience, "convergence");
    out.initial = watch.read();
    out.samples = fleet.end_samples();
    for (auto& sample : out.samples) sample.second -= before;
    out.received = fleet.received() - before;
    fleet.run_until([&] { return fleet.settled(); }, patience, "acknowledged profiles");
    out.peak_bytes = controller.peak_bytes();
  }

  progress("latencies");
  out.publish = latency(options.tries, [&](unsigned i) {
    return fleet.publish_latency(i * 17 % layout.networks, i % layout.routes, i + 1);
  });
  out.profile = latency(options.tries, [&](unsigned i) {
    // Never what it was: the default is 64, and a network comes again after a number of tries that
    // 191 does not divide.
    return fleet.profile_latency(controller, i * 17 % layout.networks, 65 + i % 191);
  });

  progress("a node comes back");
  {
    fleet.stop(0);
    const Stopwatch watch(controller);
    fleet.start(0, controller.port());
    fleet.run_until([&] { return fleet.converged(0); }, patience, "convergence of one node");
    out.one_back = watch.read();
  }

  progress("the controller is killed and comes back");
  {
    fleet.expect_loss(true);
    controller.kill();
    fleet.run_until([&] { return !fleet.any_up(); }, patience, "loss of all sessions");
    start();
    const auto without = controller.resident_bytes();
    const Stopwatch watch(controller);
    fleet.run_until([&] { return fleet.converged(); }, patience, "convergence of all nodes");
    out.all_back = watch.read();
    fleet.run_until([&] { return fleet.settled(); }, patience, "acknowledged profiles");
    out.resident_bytes = controller.resident_bytes();
    out.route_bytes =
        (out.resident_bytes - std::min(without, out.resident_bytes)) / layout.all_routes();
  }
  return out;
}

Measured measure(const Options& options, const Layout& layout) {
  const TemporaryDirectory directory("weft-bench-controller");
  Fleet fleet(layout, directory.path());
  ControllerProcess controller(options.program, directory.path(), layout);
  try {
    return measure(options, layout, fleet, controller);
  } catch (const std::exception& error) {
    throw std::runtime_error(std::string(error.what()) + "\nThe controller's log ends with:\n" +
                             controller.log_end());
  }
}

double ratio(double full, double tenth) { return tenth > 0 ? full / tenth : 0; }

void print(const std::vector<Measured>& all) {
  const auto row = [&](const char* what, const char* format, auto value) {
    std::printf("%-52s", what);
    for (const auto& one : all) std::printf(format, value(one));
    if (all.size() == 2) std::printf(" %9.2f", ratio(value(all[1]), value(all[0])));
    std::printf("\n");
  };
  const auto mib = [](std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  std::printf("%-52s", "");
  for (const auto& one : all) std::printf(" %5u nets", one.layout.networks);
  std::printf(all.size() == 2 ? "     ratio\n" : "\n");
  const char* const plain = " %10.0f";
  const char* const fine = " %10.2f";
  row("routes", plain,
      [](const Measured& m) { return static_cast<double>(m.layout.all_routes()); });
  row("deliveries wanted", plain,
      [](const Measured& m) { return static_cast<double>(m.layout.deliveries()); });
  row("deliveries heard", plain, [](const Measured& m) { return static_cast<double>(m.received); });
  row("sessions, members, profiles: s", fine, [](const Measured& m) { return m.members.wall_s; });
  row("  CPU of the controller: s", fine, [](const Measured& m) { return m.members.controller_s; });
  row("  profiles told", plain, [](const Measured& m) { return static_cast<double>(m.profiles); });
  row("initial convergence, all of that and routes: s", fine,
      [](const Measured& m) { return m.initial.wall_s; });
  row("  CPU of the controller: s", fine, [](const Measured& m) { return m.initial.controller_s; });
  row("  CPU of the nodes: s", fine, [](const Measured& m) { return m.initial.nodes_s; });
  row("  deliveries a second", plain,
      [](const Measured& m) { return static_cast<double>(m.received) / m.initial.wall_s; });
  row("grown since its start, a route: bytes", plain,
      [](const Measured& m) { return static_cast<double>(m.route_bytes); });
  row("  resident: MiB", plain, [&](const Measured& m) { return mib(m.resident_bytes); });
  row("  peak: MiB", plain, [&](const Measured& m) { return mib(m.peak_bytes); });
  row("publish to applied, p50: ms", fine, [](const Measured& m) { return m.publish.at(0.5); });
  row("  p99: ms", fine, [](const Measured& m) { return m.publish.at(0.99); });
  row("API to last acknowledgement, p50: ms", fine,
      [](const Measured& m) { return m.profile.at(0.5); });
  row("  p99: ms", fine, [](const Measured& m) { return m.profile.at(0.99); });
  row("one node back: s", fine, [](const Measured& m) { return m.one_back.wall_s; });
  row("controller killed, all nodes back: s", fine,
      [](const Measured& m) { return m.all_back.wall_s; });
  row("  CPU of the controller: s", fine,
      [](const Measured& m) { return m.all_back.controller_s; });
}

/// For the plot: a line a sample or try.
void write_data(const std::string& path, const Measured& measured) {
  std::ofstream out(path);
  for (const auto& [seconds, count] : measured.samples) {
    out << "delivered " << seconds << ' ' << count << '\n';
  }
  for (const double ms : measured.publish.sorted_ms) out << "publish " << ms << '\n';
  for (const double ms : measured.profile.sorted_ms) out << "profile " << ms << '\n';
}

/// Whether the largest run keeps the bars; tells which it does not.
bool keeps_bars(const Options& options, const Measured& measured) {
  bool kept = true;
  const auto check = [&](bool good, const std::string& what) {
    if (!good) std::fprintf(stderr, "missed: %s\n", what.c_str());
    kept = kept && good;
  };
  check(measured.initial.wall_s <= static_cast<double>(options.most_seconds),
        "initial convergence within " + std::to_string(options.most_seconds) + " s");
  check(measured.publish.at(0.99) <= options.most_publish_ms,
        "publish to applied p99 within " + std::to_string(options.most_publish_ms) + " ms");
  check(measured.route_bytes <= options.most_route_bytes,
        std::to_string(options.most_route_bytes) + " bytes a route");
  return kept;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("A controller with many simulated nodes");
  app.add_option("--controller", options.program, "the weft-controller")->required();
  app.add_option("--nodes", options.layout.nodes);
  app.add_option("--networks", options.layout.networks);
  app.add_option("--routes", options.layout.routes, "of a network");
  app.add_option("--subscribers", options.layout.subscribers, "of a network");
  app.add_flag("!--no-growth", options.growth, "leave the run at a tenth of the networks out");
  app.add_option("--tries", options.tries, "of each latency");
  app.add_option("--data", options.data, "a file for the plot's points");
  app.add_option("--most-seconds", options.most_seconds, "bar of the initial convergence");
  app.add_option("--most-publish-ms", options.most_publish_ms, "bar of publish to applied, p99");
  app.add_option("--most-route-bytes", options.most_route_bytes, "bar of memory a route");
  app.add_option("--patience", options.patience_s, "seconds that any one step may last");
  CLI11_PARSE(app, argc, argv);
  if (!options.layout.valid()) {
    std::fprintf(stderr,
                 "--nodes, --routes, --subscribers: a network's nodes must be different, "
                 "its routes 1 to 250\n");
    return EXIT_FAILURE;
  }
  try {
    std::vector<Measured> all;
    if (options.growth) {
      Layout tenth = options.layout;
      tenth.networks = std::max(tenth.networks / 10, 1U);
      all.push_back(measure(options, tenth));
    }
    all.push_back(measure(options, options.layout));
    print(all);
    if (!options.data.empty()) write_data(options.data, all.back());
    return keeps_bars(options, all.back()) ? EXIT_SUCCESS : EXIT_FAILURE;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench-controller: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
