// Loss under load:
//   bench-paced loss      the highest rate at which nothing is lost, by bisection (RFC 2544 §26.1)
//   bench-paced changes   objects change by the thousand while packets flow; each packet that
//                         leaves must be of one version of each object
#include <fmt/format.h>
#include <rte_cycles.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <thread>

#include "paced_rate.hpp"

namespace {

using weft::bench::highest_rate;
using weft::bench::Load;
using weft::bench::mixture;
using weft::bench::Outcome;
using weft::bench::PacedRig;
using weft::bench::saturated;
using weft::bench::Trials;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int loss(const std::vector<std::string>& works, unsigned flows, double seconds) {
  PacedRig rig(flows, false);
  const auto hz = static_cast<double>(rte_get_tsc_hz());
  fmt::print("Mpps (TSC cycles a packet, I/O included), {} flows, 60-byte packets inside\n", flows);
  fmt::print("{:<6} | {:>16} | {:>16} | {:>16}\n", "work", "nothing lost", "1 in 1000 lost",
             "overload");
  // A rate is too high when three trials lose more, for an interrupt of the machine's hits one.
  const Trials trials{seconds, 3};
  for (const std::string& work : works) {
    const double saturation = saturated(rig, work);
    const double some = highest_rate(rig, work, saturation, 1e-3, trials);
    const double none = highest_rate(rig, work, some, 0, trials);
    const auto show = [hz](double rate) {
      return fmt::format("{:.2f} ({:.0f})", rate / 1e6, hz / rate);
    };
    fmt::print("{:<6} | {:>16} | {:>16} | {:>16}\n", work, show(none), show(some),
               show(saturation));
    std::fflush(stdout);
  }
  return 0;
}

/// Publishes `total` changes, `rate` a second, in batches of `batch`; answers the seconds it took.
double publish(PacedRig& rig, std::uint64_t total, double rate, unsigned batch) {
  const auto start = Clock::now();
  for (std::uint64_t done = 0; done < total; done += batch) {
    while (static_cast<double>(done + batch) > rate * seconds_since(start)) {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    const auto applied = rig.plane().apply(rig.versions().change(batch));
    if (!applied) throw std::runtime_error(applied.error().message);
  }
  return seconds_since(start);
}

/// One run of changes under load; answers what came of it.
Outcome change_under(PacedRig& rig, const Load& load, double seconds, double rate) {
  constexpr unsigned batch = 100;
  const auto total = static_cast<std::uint64_t>(seconds * rate);
  double took = 0;
  const Outcome outcome = rig.run(load, [&] { took = publish(rig, total, rate, batch); });
  fmt::print("{} object changes in {:.1f} s, {:.0f} a second, in batches of {}\n", total, took,
             static_cast<double>(total) / took, batch);
  fmt::print("{} packets offered, {:.3f} Mpps; {} forwarded, {} lost, {} dropped\n",
             outcome.count.offered, load.sum() / 1e6, outcome.sent, outcome.count.lost,
             outcome.dropped);
  fmt::print("{} packets of mixed versions, first: {}\n", rig.versions().verdicts().mixed(),
             rig.versions().verdicts().first_mixed());
  const auto& machine = outcome.disturbance;
  fmt::print(
      "The worker's longest turn took {:.0f} us. Other processes had its CPU {} times, "
      "{:.1f} ms at most, {:.1f} s together; {} packets more would have been lost then.\n",
      machine.longest_gap_us, machine.absences, machine.longest_absence_ms, machine.away_seconds,
      outcome.count.missed);
  std::fflush(stdout);
  return outcome;
}

struct Patience {
  unsigned tries = 1;    ///< runs, where too much is lost
  double tolerated = 0;  ///< share of the offered packets that the machine may lose unseen
};

/// Mixed and dropped packets are never the machine's.
int changes(unsigned flows, double seconds, double rate, double offered, Patience patience) {
  PacedRig rig(flows, true);
  Load load = mixture("both") * offered;
  if (offered == 0) {
    // Single long trials, since what follows is long.
    const double most = highest_rate(rig, "both", saturated(rig, "both"), 0, {5, 1});
    load = mixture("both") * (0.8 * most);
    fmt::print("without changes nothing is lost up to {:.3f} Mpps; 80 % of that are offered\n",
               most / 1e6);
  }
  for (; patience.tries > 0; --patience.tries) {
    const std::uint64_t judged = rig.versions().verdicts().judged();
    const Outcome outcome = change_under(rig, load, seconds, rate);
    const bool all_judged =
        rig.versions().verdicts().judged() - judged == outcome.sent && outcome.sent != 0;
    if (rig.versions().verdicts().mixed() != 0 || outcome.dropped != 0 || !all_judged) return 1;
    if (outcome.whole(patience.tolerated)) return 0;
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Loss under load, with packets by a schedule of the TSC");
  app.require_subcommand(1);
  std::vector<std::string> works{"encap", "decap", "both"};
  unsigned flows = 1024;
  double trial_s = 2;
  auto* const find = app.add_subcommand("loss", "the highest rate at which nothing is lost");
  find->add_option("--works", works, "of them")
      ->delimiter(',')
      ->check(CLI::IsMember({"encap", "decap", "both"}));
  find->add_option("--seconds", trial_s, "of one trial")->check(CLI::PositiveNumber);
  double seconds = 60;
  double rate = 100000;
  double offered = 0;
  auto* const change = app.add_subcommand("changes", "nothing lost and nothing mixed meanwhile");
  change->add_option("--seconds", seconds)->check(CLI::PositiveNumber);
  change->add_option("--rate", rate, "object changes a second")->check(CLI::PositiveNumber);
  change->add_option("--offered", offered, "packets a second; without: 80 % of what is not lost");
  Patience patience;
  change->add_option("--tries", patience.tries, "runs, where packets are lost");
  change->add_option("--tolerated", patience.tolerated,
                     "share of the packets that the machine may lose");
  for (auto* command : {find, change}) command->add_option("--flows", flows);
  CLI11_PARSE(app, argc, argv);
  try {
    return find->parsed() ? loss(works, flows, trial_s)
                          : changes(flows, seconds, rate, offered, patience);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
