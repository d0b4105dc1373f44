#pragma once
/// How much a router with paced ports can take (RFC 2544 §26.1).

#include <string>

#include "paced_rig.hpp"

namespace weft::bench {

struct Trials {
  double seconds;
  unsigned tries;  ///< of which one has to succeed
};

/// Weights of the directions: what a load of one packet a second is made of.
Load mixture(const std::string& work);
/// Packets a second that the worker forwards when more than it can take is offered.
double saturated(PacedRouter& rig, const std::string& work);
/// The highest rate of the work, within 1 %, at which at most this share is lost.
double highest_rate(PacedRouter& rig, const std::string& work, double saturation, double share,
                    const Trials& trials);

}  // namespace weft::bench
