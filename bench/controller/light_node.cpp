#include "controller/light_node.hpp"

#include <algorithm>
#include <chrono>

#include "channel/profile_codec.hpp"
#include "channel/route_codec.hpp"

namespace weft::bench {

namespace {

using namespace std::chrono_literals;
namespace pubsub = xmpp::pubsub;

// As weftd's control/agent/channel.cpp has them.
constexpr std::size_t most_unanswered = 256;
constexpr auto coalesce = 1ms;

}  // namespace

LightNode::LightNode(boost::asio::io_context& io, const Layout& layout, unsigned number,
                     const Handlers& handlers)
    : layout_(layout), number_(number), handlers_(handlers), acknowledgement_(io) {
  for (unsigned network = 0; network < layout.networks; ++network) {
    for (unsigned nth = 0; nth < layout.subscribers; ++nth) {
      if (layout.node_of(network, nth) != number) continue;
      networks_.emplace(network, Heard{std::vector<std::uint32_t>(layout.routes)});
      for (unsigned route = nth; route < layout.routes; route += layout.subscribers) {
        own_.emplace_back(network, route);
      }
    }
  }
}

Status LightNode::start(xmpp::ClientOptions options, bool publishes) {
  publishes_ = publishes;
  loss_expected_ = false;
  auto& io = static_cast<boost::asio::io_context&>(acknowledgement_.get_executor().context());
  auto client = xmpp::Client::start(
      io, std::move(options), [this](const auto& session) { session_up(session); },
      [this](const std::string& cause) {
        // A try that comes to nothing is none: a server lets so many in at once, the others later.
        const bool lost = std::exchange(was_up_, false);
        if (lost && !loss_expected_) handlers_.wrong(Layout::node_name(number_) + ": " + cause);
      });
  if (!client) return client.error();
  client_ = std::move(*client);
  return ok();
}

void LightNode::stop() {
  loss_expected_ = true;
  client_->stop("the node leaves");
}

void LightNode::session_up(const std::shared_ptr<xmpp::Session>& session) {
  was_up_ = true;
  next_own_ = publishes_ ? 0 : own_.size();
  unanswered_ = 0;
  end_told_ = complete_ = reported_ = false;
  told_ = acknowledged_ = 0;
  missing_ = networks_.size() * layout_.routes;
  for (auto& [network, heard] : networks_) std::ranges::fill(heard.versions, 0);
  session->on_stanza = [this](const xmpp::Element& stanza) { return hear(stanza); };
  session->on_room = [this] { tell_more(); };
  request(pubsub::Subscribe{.node = std::string(channel::profile_namespace)});
  const auto name = Layout::node_name(number_);
  const channel::Profile self{.id = {"node", name},
                              .generation = 0,
                              .json = R"({"name": ")" + name + R"(", "tunnel_addresses": [")" +
                                      to_string(Layout::tunnel_address(number_)) + R"("]})"};
  pubsub::Publish introduction{.node = std::string(channel::profile_namespace)};
  introduction.items.push_back(
      {.id = channel::profile_item_id(self.id), .payload = channel::profile_element(self)});
  request(introduction);
  for (const auto& [network, heard] : networks_) {
    request(pubsub::Subscribe{.node = Layout::network_name(network)});
  }
  tell_more();
}

void LightNode::request(const pubsub::Request& request, std::function<void()> done) {
  const auto session = client_->session();
  if (!session) return;
  ++unanswered_;
  session->request(pubsub::build(request),
                   [this, asked = std::weak_ptr(session),
                    done = std::move(done)](const Result<xmpp::Element>& answer) {
                     if (client_->session() != asked.lock()) return;
                     --unanswered_;
                     if (!answer) {
                       if (loss_expected_) return;
                       handlers_.wrong(Layout::node_name(number_) +
                                       ": a request is refused: " + answer.error().message);
                     } else if (done) {
                       done();
                     }
                     tell_more();
                   });
}

/// The draft's two steps: the route as a node of its own, and that node into the VPN's collection.
void LightNode::publish(unsigned network, unsigned route, std::uint32_t version) {
  const auto collection = Layout::network_name(network);
  const auto nlri = Layout::nlri(route);
  const auto name = channel::route_name(collection, nlri);
  pubsub::Publish publish{.node = name};
  publish.items.push_back(
      {.id = name,
       .payload = channel::entry_element(
           {.nlri = nlri, .attributes = layout_.attributes(network, route, version)})});
  request(publish);
  request(pubsub::Associate{.collection = collection, .node = name});
}

void LightNode::tell_more() {
  while (up() && next_own_ < own_.size() && unanswered_ < most_unanswered &&
         client_->session()->has_room()) {
    const auto [network, route] = own_[next_own_++];
    publish(network, route, 0);
  }
  if (!up() || end_told_ || next_own_ < own_.size()) return;
  end_told_ = true;
  request(pubsub::Publish{.node = std::string(pubsub::end_of_rib)});
}

bool LightNode::hear(const xmpp::Element& stanza) {
  const auto* event = stanza.child("event");
  const auto* items = event == nullptr ? nullptr : event->child("items");
  if (items == nullptr) return false;
  const auto node = items->attribute("node").value_or("");
  if (channel::is_end_of_rib(*items)) {
    complete_ = true;
    look();
  } else if (node == channel::profile_namespace) {
    hear_profiles(*items);
  } else if (const auto network = Layout::network_of(node);
             network && networks_.contains(*network)) {
    hear_routes(*network, *items);
  } else {
    handlers_.wrong(Layout::node_name(number_) + " hears of " + std::string(node));
  }
  return true;
}

void LightNode::hear_routes(unsigned network, const xmpp::Element& items) {
  const auto name = Layout::network_name(network);
  const auto wrong = [&](const std::string& what) {
    handlers_.wrong(Layout::node_name(number_) + ", " + name + ": " + what);
  };
  auto& versions = networks_.at(network).versions;
  const auto read = channel::parse_route_items(items, name, {});
  for (const auto& error : read.errors) wrong(error);
  for (const auto& nlri : read.withdrawn) {
    const auto route = layout_.route_of(nlri);
    if (!route) {
      wrong(to_string(nlri) + " was never published");
    } else if (std::exchange(versions[*route], 0) != 0) {
      ++missing_;
    }
  }
  for (const auto& told : read.routes) {
    ++received_;
    const auto route = layout_.route_of(told.nlri);
    if (!route || told.attributes != layout_.attributes(network, *route, told.attributes.med)) {
      wrong(to_string(told.nlri) + " has not the next hop that was published");
      continue;
    }
    if (versions[*route] == 0) --missing_;
    versions[*route] = told.attributes.med + 1;
    if (handlers_.route) handlers_.route(network, *route, told.attributes.med);
  }
  look();
}

void LightNode::look() {
  if (reported_ || !converged()) return;
  reported_ = true;
  handlers_.converged(*this);
}

/// Everything is applied at once; what comes within a moment is acknowledged together.
void LightNode::hear_profiles(const xmpp::Element& items) {
  const auto read = channel::parse_profile_items(items);
  for (const auto& error : read.errors) {
    handlers_.wrong(Layout::node_name(number_) + ": " + error);
  }
  for (const auto& profile : read.profiles) {
    ++profiles_;
    told_ = std::max(told_, profile.generation);
  }
  if (std::exchange(acknowledging_, true)) return;
  acknowledgement_.expires_after(coalesce);
  acknowledgement_.async_wait([this](const boost::system::error_code& error) {
    acknowledging_ = false;
    if (!error) acknowledge();
  });
}

void LightNode::acknowledge() {
  const auto generation = told_;
  pubsub::Publish publish{.node = std::string(channel::profile_namespace)};
  publish.items.push_back(
      {.id = std::string(channel::applied_item),
       .payload = channel::applied_element({.generation = generation, .refused = {}})});
  request(publish, [this, generation] {
    acknowledged_ = std::max(acknowledged_, generation);
    if (handlers_.acknowledged) handlers_.acknowledged(*this, generation);
  });
}

}  // namespace weft::bench
