// A controller's tables of routes at scale, without sessions, as a line a case:
//   routes [NETWORKS [MOST_BYTES]]
// Each network has 50 routes on 5 of 100 nodes, and these 5 subscribe. All is announced, then
// delivered from nothing; one route in ten moves; then all nodes lose their sessions and come back.
// Fails where a route takes more than MOST_BYTES of memory.
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "channel/route_codec.hpp"
#include "vpn/vpn_tables.hpp"

namespace {

std::size_t held_bytes = 0;

void* take(std::size_t size) {
  void* const at = std::malloc(size);
  if (at == nullptr) throw std::bad_alloc();
  // With what malloc itself needs.
  held_bytes += malloc_usable_size(at) + sizeof(std::size_t);
  return at;
}
void give_back(void* at) {
  if (at == nullptr) return;
  held_bytes -= malloc_usable_size(at) + sizeof(std::size_t);
  std::free(at);
}

}  // namespace

void* operator new(std::size_t size) { return take(size); }
void operator delete(void* at) noexcept { give_back(at); }
void operator delete(void* at, std::size_t) noexcept { give_back(at); }

namespace {

using namespace weft;
using namespace weft::vpn;

constexpr unsigned nodes = 100;
constexpr unsigned nodes_a_network = 5;
constexpr unsigned routes_a_network = 50;

class Clock {
 public:
  /// Of this thread's own time, since the last call.
  double seconds() {
    const double now = read();
    return now - std::exchange(last_, now);
  }

 private:
  static double read() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }
  double last_ = read();
};

/// Whether nodes give each address a label of its own, and tell its MAC.
enum class Labels { a_network, a_route };

struct Site {
  VpnTables tables;
  Labels labels;
  unsigned networks;
  std::vector<NetworkId> network_ids;
  std::vector<SourceId> sources;
  std::vector<SubscriberId> subscribers;

  static unsigned node_of(unsigned network, unsigned nth) {
    return (network * 7 + nth * 13) % nodes;
  }
  void announce(unsigned network, unsigned route, unsigned nth_node, std::uint32_t sequence) {
    const unsigned node = node_of(network, nth_node);
    NextHop hop{IpAddress(Ipv4Address{0xc6336400 + node}),
                {},
                1000 + network,
                1 + network,
                {Encapsulation::vxlan, Encapsulation::udp, Encapsulation::gre}};
    if (labels == Labels::a_route) {
      hop.label = 1000 + network * routes_a_network + route;
      hop.mac =
          MacAddress{{2, 0, static_cast<std::uint8_t>(network >> 8),
                      static_cast<std::uint8_t>(network), 0, static_cast<std::uint8_t>(route)}};
    }
    Attributes attributes;
    attributes.next_hops = {hop};
    attributes.security_groups = {"default"};
    attributes.mobility = Mobility{sequence, false};
    const Ipv4Address address{0x0a000000 + route};
    tables.announce(sources[node], network_ids[network], Nlri::unicast({}, IpPrefix::host(address)),
                    attributes, {});
  }
  void announce_all() {
    for (unsigned network = 0; network < networks; ++network) {
      for (unsigned route = 0; route < routes_a_network; ++route) {
        announce(network, route, route % nodes_a_network, 0);
      }
    }
  }
  struct Delivered {
    std::size_t changes = 0;
    std::size_t encoded = 0;
  };
  /// As a controller does, each change made an element once.
  Delivered deliver() {
    Delivered count;
    Delivery delivery;
    while (tables.next(delivery, 64)) {
      const NetworkConfig* const network = tables.network(delivery.network);
      for (const Change& change : delivery.changes) {
        const auto item = change.attributes ? channel::route_item(network->name,
                                                                  {change.nlri, *change.attributes})
                                            : channel::route_retract(network->name, change.nlri);
        count.encoded += item.name.empty() ? 0 : 1;
      }
      count.changes += delivery.changes.size() * delivery.to.size();
    }
    return count;
  }
};

bool run(Labels labels, unsigned networks, std::size_t most_bytes) {
  const std::size_t before = held_bytes;
  Site site{{}, labels, networks, {}, {}, {}};
  for (unsigned i = 0; i < nodes; ++i) {
    site.sources.push_back(site.tables.add_source("compute-" + std::to_string(i) + ".example"));
    site.subscribers.push_back(site.tables.add_subscriber());
  }
  const std::size_t routes = std::size_t{networks} * routes_a_network;
  for (unsigned i = 0; i < networks; ++i) {
    const Administered number{AdministratorType::as2, 64512, i};
    site.network_ids.push_back(site.tables
                                   .set_network({"tenant-" + std::to_string(i),
                                                 RouteDistinguisher(number),
                                                 {RouteTarget(number)},
                                                 {RouteTarget(number)}})
                                   .value());
    for (unsigned nth = 0; nth < nodes_a_network; ++nth) {
      site.tables.subscribe(site.subscribers[Site::node_of(i, nth)], site.network_ids.back());
    }
  }
  Clock clock;
  site.announce_all();
  const double announced = clock.seconds();
  const auto all = site.deliver();
  const double delivered = clock.seconds();
  const std::size_t bytes = (held_bytes - before) / routes;

  clock.seconds();
  for (unsigned network = 0; network < networks; ++network) {
    for (unsigned route = 0; route < routes_a_network; route += 10) {
      site.announce(network, route, (route + 1) % nodes_a_network, 1);
    }
  }
  const auto moved = site.deliver();
  const double moving = clock.seconds();

  for (const SourceId source : site.sources) site.tables.mark_stale(source);
  site.announce_all();
  const auto churn = site.deliver();
  const double back = clock.seconds();
  for (const SourceId source : site.sources) site.tables.sweep(source);
  std::size_t portions = 0;
  double longest = 0;
  double swept = 0;
  clock.seconds();
  for (bool more = true; more; ++portions) {
    more = site.tables.work(1000);
    const double portion = clock.seconds();
    longest = std::max(longest, portion);
    swept += portion;
  }
  std::printf(
      "labels=%-9s networks=%u routes=%zu bytes_a_route=%zu attribute_sets=%zu "
      "announce_s=%.2f deliveries=%zu encoded=%zu deliver_s=%.2f moved=%zu move_s=%.2f "
      "flap_deliveries=%zu flap_s=%.2f sweep_s=%.2f sweep_portions=%zu longest_ms=%.2f\n",
      labels == Labels::a_route ? "a_route" : "a_network", networks, routes, bytes,
      site.tables.attribute_sets(), announced, all.changes, all.encoded, delivered, moved.changes,
      moving, churn.changes, back, swept, portions, longest * 1e3);
  return bytes <= most_bytes && all.changes == routes * nodes_a_network && all.encoded == routes &&
         churn.changes == 0;
}

}  // namespace

int main(int count, char** arguments) {
  const unsigned networks = count > 1 ? static_cast<unsigned>(std::atoi(arguments[1])) : 4000;
  const std::size_t most_bytes =
      count > 2 ? static_cast<std::size_t>(std::atoll(arguments[2])) : 500;
  const bool shared = run(Labels::a_network, networks, most_bytes);
  const bool own = run(Labels::a_route, networks, most_bytes);
  return shared && own ? EXIT_SUCCESS : EXIT_FAILURE;
}
