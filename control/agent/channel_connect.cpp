/// How the channel comes to its controllers, and by which certificates.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "agent/channel.hpp"

namespace weft::agent {

namespace {

/// As addresses of XMPP write a node's name.
std::string local_part(std::string name) {
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

}  // namespace

Result<std::shared_ptr<xmpp::TlsContext>> Channel::certificate_of(
    const Controller& controller) const {
  const auto& files = controller.config.tls;
  auto tls = xmpp::TlsContext::load({.ca = (directory_ / files.ca).string(),
                                     .cert = (directory_ / files.cert).string(),
                                     .key = (directory_ / files.key).string()},
                                    xmpp::Dates::unchecked);
  if (!tls) return tls;
  const auto& names = (*tls)->addresses();
  if (std::ranges::find(names, local_part(node_.name), &xmpp::Jid::local) != names.end()) {
    return tls;
  }
  return Error{
      fmt::format("{} is not the certificate of node {}: it names {}; make one with "
                  "`weft-controller pki issue`, or mend node.name",
                  files.cert, node_.name, names.front().str())};
}

void Channel::note_expiry(Controller& controller, const xmpp::TlsContext& tls) {
  controller.expires = tls.expires();
  expiry_.add((directory_ / controller.config.tls.cert).string(), controller.expires);
}

/// The data plane has to start whatever the date is: a certificate that is not valid is only said.
Status Channel::connect(std::size_t number) {
  auto& controller = controllers_[number];
  const auto tls = certificate_of(controller);
  if (!tls) return tls.error();
  if (const auto valid = (*tls)->valid_now(); !valid) {
    if (std::exchange(controller.unable, valid.error().message) != valid.error().message) {
      SPDLOG_ERROR("controller {}: {}", controller.address, controller.unable);
    }
    return ok();
  }
  controller.unable.clear();
  const auto& names = (*tls)->addresses();
  const auto own = std::ranges::find(names, local_part(node_.name), &xmpp::Jid::local);
  xmpp::ClientOptions options;
  options.address = to_string(controller.config.address);
  options.port = controller.config.port;
  options.self = {own->local, own->domain, "weftd"};
  options.peer = {"network-control", own->domain, "bgp-peer"};
  options.tls = *tls;
  note_expiry(controller, **tls);
  options.session.hold = std::chrono::seconds(config_.hold_s);
  auto client = xmpp::Client::start(
      io_, std::move(options), [this, number](const auto& session) { up(number, session); },
      [this, number](const std::string& cause) { down(number, cause); });
  if (!client) return client.error();
  controller.client = std::move(*client);
  return ok();
}

void Channel::renew_certificates() {
  for (std::size_t i = 0; i < controllers_.size(); ++i) {
    auto& controller = controllers_[i];
    const auto renewed = [&]() -> Status {
      if (!controller.client) return connect(i);
      const auto tls = certificate_of(controller);
      if (!tls) return tls.error();
      if (auto valid = (*tls)->valid_now(); !valid) return valid;
      note_expiry(controller, **tls);
      return controller.client->use(*tls);
    }();
    if (renewed) continue;
    SPDLOG_ERROR("controller {}: {}; what was read before stays in use", controller.address,
                 renewed.error().message);
  }
}

}  // namespace weft::agent
