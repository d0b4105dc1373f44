// Profiles change over the channel by the thousand while packets flow, see README.md:
//   bench-channel [--seconds 60] [--rate 10000] [--offered PACKETS_A_SECOND]
// weftd's control thread and data plane in this process, between paced ports; a light controller on
// a thread of its own tells the node over a real session.
#include <fmt/format.h>
#include <rte_cycles.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

#include "agent/agent.hpp"
#include "agent/config_loader.hpp"
#include "channel_world.hpp"
#include "paced_rate.hpp"
#include "pki/pki.hpp"
#include "temporary_directory.hpp"
#include "weft/drop_reason.hpp"

namespace {

using namespace weft;
using namespace weft::bench;
using Clock = std::chrono::steady_clock;

constexpr auto domain = "bench.weft";
constexpr auto node_name = "compute-0";

void need(const Status& status) {
  if (!status) throw std::runtime_error(status.error().message);
}

std::shared_ptr<xmpp::TlsContext> certificate(const std::filesystem::path& authority,
                                              const std::string& name) {
  const auto issued = pki::issue(authority, {.name = name}, {.days = 1});
  if (!issued) throw std::runtime_error(issued.error().message);
  const auto file = [&](const std::string& base) { return (authority / base).string(); };
  auto tls = xmpp::TlsContext::load(
      {.ca = file("ca.pem"), .cert = file(name + ".pem"), .key = file(name + ".key")});
  if (!tls) throw std::runtime_error(tls.error().message);
  return *tls;
}

/// That the calling thread had the CPU.
double thread_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

class ChannelRig final : public PacedRouter {
 public:
  explicit ChannelRig(unsigned flows) : PacedRouter(FlowSettings{}) {
    const auto authority = directory_.path() / "pki";
    need(pki::init(authority, domain, {.days = 2}));
    controller_ = std::make_unique<LightController>(
        certificate(authority, "network-control"), domain, world_.world(),
        [this](unsigned count) { return world_.change(count); });
    (void)certificate(authority, node_name);
    const auto path = (directory_.path() / "weft.yaml").string();
    const std::string fabric = PacedPort::device();
    std::ofstream(path) << ChannelWorld::config(fabric, PacedPort::device(), node_name);
    auto loaded = agent::load_config(path);
    if (!loaded.config) throw std::runtime_error(to_string(loaded.diagnostics.front()));
    // Which no file may name, for a controller is another host.
    loaded.config->controllers.push_back(
        {.address = *parse_ip("127.0.0.1"),
         .port = controller_->port(),
         .tls = {.ca = "pki/ca.pem",
                 .cert = std::string("pki/") + node_name + ".pem",
                 .key = std::string("pki/") + node_name + ".key"}});
    agent_ = std::make_unique<agent::Agent>(io_, router());
    agent_->set_config_path(path);
    need(agent_->start(*loaded.config, (directory_.path() / "state.json").string()));
    attach(flows);
    run_until([this] { return settled(); }, "the profiles of the beginning");
  }
  ~ChannelRig() override {
    agent_->stop();
    end();
  }

  void pass(double seconds) override {
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(seconds));
    while (Clock::now() < end) run_one(end);
  }
  /// Whether all that was told is acknowledged.
  [[nodiscard]] bool settled() const {
    return controller_->generation() != 0 &&
           controller_->acknowledged() == controller_->generation();
  }
  void run_until(const std::function<bool()>& done, const std::string& what) {
    const auto deadline = Clock::now() + std::chrono::seconds(30);
    while (!done()) {
      if (Clock::now() > deadline) throw std::runtime_error("no end of " + what + " within 30 s");
      run_one(std::min(deadline, Clock::now() + std::chrono::milliseconds(10)));
    }
  }

  /// How long handlers had the CPU, in ms, since they were asked for last; in order.
  std::vector<float> take_handlers() {
    std::ranges::sort(handlers_);
    return std::exchange(handlers_, {});
  }
  /// Packets that the stages dropped, by reason.
  [[nodiscard]] std::vector<std::uint64_t> drops() {
    const auto counters = router().counters();
    return {counters.drops.begin(), counters.drops.end()};
  }

  [[nodiscard]] LightController& controller() { return *controller_; }
  [[nodiscard]] ChannelWorld& world() { return world_; }
  [[nodiscard]] agent::Agent& agent() { return *agent_; }
  /// That the data plane took.
  [[nodiscard]] std::uint64_t batches() { return agent_->resolver().generation(); }

 private:
  void run_one(Clock::time_point until) {
    const double before = thread_ms();
    if (io_.run_one_until(until) != 0) {
      handlers_.push_back(static_cast<float>(thread_ms() - before));
    }
  }

  void attach(unsigned flows) {
    PortStatus fabric;
    PortStatus vm;
    for (const auto& port : router().ports()) (port.name == "vm1" ? vm : fabric) = port;
    offer_from(fabric.id, vm.id);
    fabric_->set_frames(ChannelWorld::from_fabric(flows, fabric.mac));
    vm_->set_frames(ChannelWorld::from_vm(flows));
    using Frame = std::span<const std::uint8_t>;
    fabric_->look_at_sent(
        [](void* world, Frame f) { static_cast<ChannelWorld*>(world)->judge_encapsulated(f); },
        &world_);
    vm_->look_at_sent(
        [](void* world, Frame f) { static_cast<ChannelWorld*>(world)->judge_decapsulated(f); },
        &world_);
  }

  TemporaryDirectory directory_{"weft-bench-channel"};
  boost::asio::io_context io_{1};
  ChannelWorld world_;
  std::unique_ptr<LightController> controller_;
  std::vector<float> handlers_;
  std::unique_ptr<agent::Agent> agent_;
};

using Histogram = agent::HandlerTimes::Histogram;

Histogram channel_times(ChannelRig& rig) {
  const auto& all = rig.agent().handler_times().all();
  const auto found = all.find("channel");
  return found == all.end() ? Histogram{} : found->second;
}

Histogram since(Histogram now, const Histogram& before) {
  for (std::size_t i = 0; i < now.counts.size(); ++i) now.counts[i] -= before.counts[i];
  return now;
}

/// The upper bound of the bucket below which that share of the handlers lies, in ms; infinity
/// where it has none.
double share_ms(const Histogram& times, double share) {
  const auto all = std::accumulate(times.counts.begin(), times.counts.end(), std::uint64_t{0});
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < agent::HandlerTimes::bounds_s.size(); ++i) {
    below += times.counts[i];
    if (static_cast<double>(below) >= share * static_cast<double>(all)) {
      return agent::HandlerTimes::bounds_s[i] * 1e3;
    }
  }
  return std::numeric_limits<double>::infinity();
}

struct Options {
  double seconds = 60;
  double rate = 10000;
  double offered = 0;  ///< packets a second; 0: 80 % of what is not lost
  unsigned flows = 1024;
  unsigned tries = 1;
  double tolerated = 0;
};

/// One run; whether nothing was mixed, and the node is where it was told to be in the end.
bool change_under(ChannelRig& rig, const Options& options, const Load& load, Outcome& outcome) {
  auto& controller = rig.controller();
  const auto times = channel_times(rig);
  const auto told = controller.told();
  const auto batches = rig.batches();
  const auto drops = rig.drops();
  (void)rig.take_handlers();
  (void)controller.take_longest_lag_ms();
  const auto acknowledgements = controller.acknowledgements();
  double settling_ms = 0;
  double took = 0;
  outcome = rig.run(load, [&] {
    const auto start = Clock::now();
    controller.tell(options.rate);
    rig.pass(options.seconds);
    controller.tell(0);
    took = std::chrono::duration<double>(Clock::now() - start).count();
    rig.run_until([&] { return controller.idle() && rig.settled(); }, "acknowledgements");
    settling_ms = std::chrono::duration<double>(Clock::now() - start).count() * 1e3 - took * 1e3;
    rig.world().settle(true);
    rig.pass(0.2);
  });
  rig.world().settle(false);
  const auto handlers = since(channel_times(rig), times);
  const auto own = rig.take_handlers();
  const auto differences = rig.world().differences(rig.agent().manager());
  const auto row = [](const std::string& what, const std::string& value) {
    fmt::print("{:<50} {}\n", what, value);
  };
  const auto changes = controller.told() - told;
  row("changes told, a second",
      fmt::format("{}, {:.0f}", changes, static_cast<double>(changes) / took));
  row("batches that the data plane took", fmt::format("{}", rig.batches() - batches));
  row("acknowledgements, the longest wait for one",
      fmt::format("{}, {:.1f} ms", controller.acknowledgements() - acknowledgements,
                  controller.take_longest_lag_ms()));
  row("  all of them after the last change", fmt::format("{:.1f} ms", settling_ms));
  row("objects otherwise than told, refused",
      fmt::format("{}, {}", differences, controller.refused()));
  row("packets offered", fmt::format("{}, {:.3f} Mpps", outcome.count.offered, load.sum() / 1e6));
  row("  lost, dropped", fmt::format("{}, {}", outcome.count.lost, outcome.dropped));
  const auto dropped = rig.drops();
  for (std::size_t i = 0; i < dropped.size(); ++i) {
    if (dropped[i] == drops[i]) continue;
    row(fmt::format("    {}", describe(static_cast<DropReason>(i)).name),
        fmt::format("{}", dropped[i] - drops[i]));
  }
  row("  mixed, first of them",
      fmt::format("{}, {}", rig.world().verdicts().mixed(), rig.world().verdicts().first_mixed()));
  row("channel's handlers, p99 and most within",
      fmt::format("{} ms, {} ms", share_ms(handlers, 0.99), share_ms(handlers, 1)));
  row("all handlers' CPU time, p99 and most; share of a CPU",
      fmt::format("{:.2f} ms, {:.2f} ms; {:.0f} %", own.at(own.size() * 99 / 100), own.back(),
                  std::accumulate(own.begin(), own.end(), 0.0) / 10 / (took + settling_ms / 1e3)));
  row("worker's longest turn", fmt::format("{:.0f} us", outcome.disturbance.longest_gap_us));
  row("  others had its CPU",
      fmt::format("{} times, {:.1f} ms at most; {} packets more lost then",
                  outcome.disturbance.absences, outcome.disturbance.longest_absence_ms,
                  outcome.count.missed));
  std::fflush(stdout);
  return rig.world().verdicts().mixed() == 0 && differences == 0 && controller.refused() == 0 &&
         changes > 0 && outcome.dropped == 0 && outcome.sent != 0;
}

double cycles(double rate) { return static_cast<double>(rte_get_tsc_hz()) / rate; }

int run(const Options& options) {
  ChannelRig rig(options.flows);
  Load load = mixture("both") * options.offered;
  if (options.offered == 0) {
    const double saturation = saturated(rig, "both");
    const double most = highest_rate(rig, "both", saturation, 0, {5, 1});
    load = mixture("both") * (0.8 * most);
    fmt::print("without changes nothing is lost up to {:.3f} Mpps; 80 % of that are offered\n",
               most / 1e6);
    const Outcome alone = rig.run(load, options.seconds);
    fmt::print("{:<50} {} of {}; worker's longest turn {:.0f} us\n",
               "packets lost without changes, in as long", alone.count.lost, alone.count.offered,
               alone.disturbance.longest_gap_us);
  }
  for (unsigned i = 0; i < options.tries; ++i) {
    Outcome outcome;
    if (!change_under(rig, options, load, outcome)) return 1;
    if (!outcome.whole(options.tolerated)) continue;
    const double quiet = cycles(saturated(rig, "both"));
    rig.controller().tell(options.rate);
    const double changing = cycles(saturated(rig, "both"));
    rig.controller().tell(0);
    fmt::print("{:<50} {:.0f}, {:.0f} while profiles change\n",
               "worker's cycles a packet in overload", quiet, changing);
    return 0;
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Profiles change over the channel while packets flow by a schedule of the TSC");
  app.add_option("--seconds", options.seconds)->check(CLI::PositiveNumber);
  app.add_option("--rate", options.rate, "changes a second")->check(CLI::PositiveNumber);
  app.add_option("--offered", options.offered,
                 "packets a second; without: 80 % of what is not lost");
  app.add_option("--flows", options.flows);
  app.add_option("--tries", options.tries, "runs, where packets are lost");
  app.add_option("--tolerated", options.tolerated,
                 "share of the packets that the machine may lose");
  CLI11_PARSE(app, argc, argv);
  spdlog::set_level(spdlog::level::err);  // handlers that took long are counted
  try {
    return run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
