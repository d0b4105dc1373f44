#pragma once
/// What those do alike who tell others out of tables of routes: take turns, and put what changed
/// into words.

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "channel/route_codec.hpp"
#include "vpn/subscriptions.hpp"
#include "xmpp/pubsub.hpp"
#include "xmpp/writer.hpp"

namespace weft::controller {

/// A turn that comes soon, once however often it is asked for, and not when this is gone.
class Turns {
 public:
  Turns(boost::asio::io_context& io, std::function<void()> turn)
      : io_(io), turn_(std::move(turn)) {}
  ~Turns() { *alive_ = false; }
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  void soon() {
    if (asked_) return;
    asked_ = true;
    boost::asio::post(io_, [this, alive = alive_] {
      if (!*alive) return;
      asked_ = false;
      turn_();
    });
  }

 private:
  boost::asio::io_context& io_;
  std::function<void()> turn_;
  bool asked_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

/// The event at pubsub node `node` that tells a delivery's changes, each as an item `name(nlri)`.
template <class Name>
xmpp::Text event_text(const vpn::Delivery& delivery, std::string node, Name&& name) {
  xmpp::pubsub::Event event{.node = std::move(node)};
  for (const auto& [nlri, attributes] : delivery.changes) {
    if (attributes) {
      event.items.push_back(
          {.id = name(nlri),
           .payload = channel::entry_element({.nlri = nlri, .attributes = *attributes})});
    } else {
      event.retracted.push_back(name(nlri));
    }
  }
  return xmpp::encode(xmpp::pubsub::build(event));
}

}  // namespace weft::controller
