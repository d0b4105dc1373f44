#include "controller/fleet.hpp"

#include <algorithm>
#include <stdexcept>

#include "pki/pki.hpp"

namespace weft::bench {

namespace {

using namespace std::chrono_literals;

constexpr auto sample_period = 100ms;
constexpr auto answer_within = 30s;

template <class T>
T need(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(result).value();
}
void need(const Status& status) {
  if (!status) throw std::runtime_error(status.error().message);
}

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

}  // namespace

Fleet::Fleet(const Layout& layout, const std::filesystem::path& directory)
    : layout_(layout), sampling_(io_) {
  const auto authority = directory / "pki";
  need(pki::init(authority, ControllerProcess::domain, {.days = 2}));
  const auto issue = [&](const std::string& name) {
    (void)need(pki::issue(authority, {.name = name}, {.days = 1}));
  };
  issue("network-control");
  handlers_.wrong = [this](const std::string& what) {
    ++wrongs_;
    if (wrong_.empty()) wrong_ = what;
  };
  handlers_.converged = [](LightNode&) {};
  for (unsigned node = 0; node < layout.nodes; ++node) {
    const auto name = Layout::node_name(node);
    issue(name);
    certificates_.push_back(
        need(xmpp::TlsContext::load({.ca = (authority / "ca.pem").string(),
                                     .cert = (authority / (name + ".pem")).string(),
                                     .key = (authority / (name + ".key")).string()})));
    nodes_.push_back(std::make_unique<LightNode>(io_, layout, node, handlers_));
  }
}

xmpp::ClientOptions Fleet::options(unsigned node, std::uint16_t port) const {
  xmpp::ClientOptions out;
  out.address = "127.0.0.1";
  out.port = port;
  out.self = {Layout::node_name(node), ControllerProcess::domain, "weftd"};
  out.peer = {"network-control", ControllerProcess::domain, "bgp-peer"};
  out.tls = certificates_[node];
  out.negotiation_timeout = 60s;
  out.session.request_timeout = 300s;  // it is the run that has a time limit
  out.backoff = {.first = 100ms, .most = 1s, .stable = 0ms};
  return out;
}

void Fleet::start_all(std::uint16_t port, bool publish) {
  for (unsigned node = 0; node < layout_.nodes; ++node) {
    need(nodes_[node]->start(options(node, port), publish));
  }
}

void Fleet::start(unsigned node, std::uint16_t port) {
  need(nodes_[node]->start(options(node, port), true));
}

void Fleet::stop_all() {
  for (auto& node : nodes_) node->stop();
  run_until([&] { return std::ranges::all_of(nodes_, [](auto& n) { return n->stopped(); }); }, 30s,
            "all nodes' leave");
}

void Fleet::stop(unsigned node) {
  nodes_[node]->stop();
  run_until([&] { return nodes_[node]->stopped(); }, 30s, "the node's leave");
}

void Fleet::expect_loss(bool expected) {
  for (auto& node : nodes_) node->expect_loss(expected);
}

void Fleet::run_until(const std::function<bool()>& done, std::chrono::seconds most,
                      const std::string& what) {
  const auto deadline = Clock::now() + most;
  while (!done()) {
    if (!wrong_.empty()) {
      throw std::runtime_error(std::to_string(wrongs_) + " wrong, first: " + wrong_);
    }
    if (Clock::now() >= deadline) {
      throw std::runtime_error("no " + what + " within " + std::to_string(most.count()) + " s");
    }
    io_.run_one_for(10ms);
    for (int more = 0; more < 64 && io_.poll_one() != 0; ++more) {
    }
  }
}

bool Fleet::converged() const {
  return std::ranges::all_of(nodes_, [](const auto& node) { return node->converged(); });
}
bool Fleet::all_up() const {
  return std::ranges::all_of(nodes_, [](const auto& node) { return node->up(); });
}
bool Fleet::any_up() const {
  return std::ranges::any_of(nodes_, [](const auto& node) { return node->up(); });
}
bool Fleet::settled() const {
  return std::ranges::all_of(nodes_, [](const auto& node) { return node->settled(); });
}
std::size_t Fleet::received() const {
  std::size_t all = 0;
  for (const auto& node : nodes_) all += node->received();
  return all;
}
std::size_t Fleet::profiles() const {
  std::size_t all = 0;
  for (const auto& node : nodes_) all += node->profiles();
  return all;
}

void Fleet::begin_samples(Clock::time_point since) {
  sampled_since_ = since;
  samples_.clear();
  sample();
}

void Fleet::sample() {
  samples_.emplace_back(milliseconds_since(sampled_since_) / 1e3, received());
  sampling_.expires_after(sample_period);
  sampling_.async_wait([this](const boost::system::error_code& error) {
    if (!error) sample();
  });
}

Fleet::Samples Fleet::end_samples() {
  sampling_.cancel();
  samples_.emplace_back(milliseconds_since(sampled_since_) / 1e3, received());
  return std::move(samples_);
}

double Fleet::publish_latency(unsigned network, unsigned route, std::uint32_t version) {
  unsigned left = layout_.subscribers;
  handlers_.route = [&](unsigned of, unsigned read, std::uint32_t told) {
    if (of == network && read == route && told == version) --left;
  };
  const auto start = Clock::now();
  nodes_[layout_.publisher(network, route)]->publish(network, route, version);
  run_until([&] { return left == 0; }, answer_within, "delivery of one route");
  const double took = milliseconds_since(start);
  handlers_.route = {};
  return took;
}

double Fleet::profile_latency(const ControllerProcess& controller, unsigned network, unsigned ttl) {
  std::vector<std::pair<const LightNode*, std::uint64_t>> waiting;
  for (unsigned nth = 0; nth < layout_.subscribers; ++nth) {
    const auto& node = *nodes_[layout_.node_of(network, nth)];
    waiting.emplace_back(&node, node.told());
  }
  handlers_.acknowledged = [&](LightNode& node, std::uint64_t generation) {
    std::erase_if(waiting,
                  [&](const auto& of) { return of.first == &node && generation > of.second; });
  };
  const auto start = Clock::now();
  need(controller.set_ttl(network, ttl));
  run_until([&] { return waiting.empty(); }, answer_within, "acknowledgement of a profile change");
  const double took = milliseconds_since(start);
  handlers_.acknowledged = {};
  return took;
}

}  // namespace weft::bench
