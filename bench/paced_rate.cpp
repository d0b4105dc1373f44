#include "paced_rate.hpp"

#include <stdexcept>

namespace weft::bench {

Load mixture(const std::string& work) {
  if (work == "encap") return {1, 0};
  if (work == "decap") return {0, 1};
  return {0.5, 0.5};
}

double saturated(PacedRouter& rig, const std::string& work) {
  const Outcome outcome = rig.run(mixture(work) * 1e9, 0.5);
  return static_cast<double>(outcome.count.taken) / outcome.seconds;
}

double highest_rate(PacedRouter& rig, const std::string& work, double saturation, double share,
                    const Trials& trials) {
  const auto holds = [&](double rate) {
    for (unsigned i = 0; i < trials.tries; ++i) {
      if (rig.run(mixture(work) * rate, trials.seconds).whole(share)) return true;
    }
    return false;
  };
  double good = 0;
  double bad = saturation;
  double rate = 0.95 * saturation;
  while (bad - good > 0.01 * saturation) {
    (holds(rate) ? good : bad) = rate;
    rate = good == 0 ? bad * 0.8 : (good + bad) / 2;
    if (rate < 1000) throw std::runtime_error("packets are lost at every rate");
  }
  return good;
}

}  // namespace weft::bench
