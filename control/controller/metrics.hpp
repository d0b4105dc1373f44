#pragma once
/// What monitoring asks a controller for, in Prometheus' text format 0.0.4.

#include <map>
#include <string>
#include <vector>

#include "controller/controller.hpp"
#include "controller/peers.hpp"
#include "controller/route_server.hpp"
#include "store/timed.hpp"

namespace weft::controller {

/// Where metrics come from that the core does not know; what is missing is left out.
struct MetricSources {
  const RouteServer* route_server = nullptr;
  const Peers* peers = nullptr;
  std::shared_ptr<const store::CommitTimes> commits{};
};

/// `requests`: how many the API has had, by method.
std::string metrics_text(const Controller& controller, const MetricSources& sources,
                         const std::map<std::string, std::uint64_t>& requests);

}  // namespace weft::controller
