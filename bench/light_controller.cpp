#include "light_controller.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

#include "xmpp/pubsub.hpp"
#include "xmpp/stanza.hpp"

namespace weft::bench {

namespace {

using namespace std::chrono_literals;
namespace pubsub = xmpp::pubsub;
using Clock = std::chrono::steady_clock;

constexpr auto period = 5ms;
constexpr double most_seconds_at_once = 0.05;

}  // namespace

LightController::LightController(std::shared_ptr<xmpp::TlsContext> tls, const std::string& domain,
                                 std::vector<Change> world, Next next)
    : world_(std::move(world)), next_(std::move(next)), timer_(io_) {
  xmpp::ServerOptions options;
  options.address = "127.0.0.1";
  options.port = 0;
  options.self = {"network-control", domain, "bgp-peer"};
  options.tls = std::move(tls);
  auto server = xmpp::Server::listen(
      io_, std::move(options), {.on_session = [this](const auto& session) { take(session); }});
  if (!server) throw std::runtime_error(server.error().message);
  server_ = std::move(*server);
  thread_ = std::thread([this] {
    wait();
    io_.run();
  });
}

LightController::~LightController() {
  io_.stop();
  thread_.join();
}

void LightController::take(const std::shared_ptr<xmpp::Session>& session) {
  session_ = session;
  session->on_stanza = [this](const xmpp::Element& stanza) { return hear(stanza); };
  session->on_end = [this](const std::string&) { session_.reset(); };
}

bool LightController::hear(const xmpp::Element& stanza) {
  if (!pubsub::is_request(stanza)) return false;
  const auto request = pubsub::parse_request(stanza);
  session_->send(xmpp::result_of(stanza));
  if (!request) return true;
  if (const auto* wanted = std::get_if<pubsub::Subscribe>(&*request)) {
    if (wanted->node != channel::profile_namespace) return true;
    send(world_);
    session_->send(pubsub::build(pubsub::Event{.node = std::string(pubsub::end_of_rib)}));
  } else if (const auto* told = std::get_if<pubsub::Publish>(&*request)) {
    for (const auto& item : told->items) {
      if (!item.payload || item.payload->name != "applied") continue;
      const auto applied = channel::parse_applied(*item.payload);
      if (!applied) continue;
      refused_ = applied->refused.size();
      ++acknowledgements_;
      acknowledged_ = applied->generation;
      while (!unacknowledged_.empty() && unacknowledged_.front().first <= applied->generation) {
        const std::chrono::duration<double, std::milli> lag =
            Clock::now() - unacknowledged_.front().second;
        longest_lag_ms_ = std::max(longest_lag_ms_.load(), lag.count());
        unacknowledged_.pop_front();
      }
    }
  }
  return true;
}

/// As weft-controller tells it: an event a change, and the mark of their generation behind them.
void LightController::send(const std::vector<Change>& changes) {
  const std::uint64_t generation = ++generation_;
  const auto put = [&](const channel::ProfileName& id, const std::string& json) {
    pubsub::Event event{.node = std::string(channel::profile_namespace)};
    event.items.push_back(
        {.id = channel::profile_item_id(id),
         .payload = channel::profile_element({.id = id, .generation = generation, .json = json})});
    return pubsub::build(event);
  };
  for (const auto& [id, json] : changes) {
    if (json) {
      session_->send(put(id, *json));
    } else {
      session_->send(pubsub::build(pubsub::Event{.node = std::string(channel::profile_namespace),
                                                 .retracted = {channel::profile_item_id(id)}}));
    }
  }
  session_->send(put({"generation", std::to_string(generation)}, "{}"));
  unacknowledged_.emplace_back(generation, Clock::now());
}

void LightController::wait() {
  timer_.expires_after(period);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    turn();
    wait();
  });
}

/// Of what the session has no room for is told later.
void LightController::turn() {
  const double rate = rate_;
  const auto now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - std::exchange(turned_, now)).count();
  if (rate == 0 || std::exchange(last_rate_, rate) == 0) {
    last_rate_ = rate;
    due_ = 0;
    idle_ = rate == 0;
    return;
  }
  due_ += rate * seconds;
  if (session_ == nullptr || !session_->has_room()) return;
  const auto count = static_cast<unsigned>(std::min(due_, rate * most_seconds_at_once));
  if (count == 0) return;
  due_ -= count;
  send(next_(count));
  told_ += count;
}

}  // namespace weft::bench
