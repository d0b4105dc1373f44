#include "controller/api_listen.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace weft::controller {
namespace {

constexpr const char* refusal = "API: {} is refused: {}";

/// What strangers, nodes and readers may bring about does not keep each other out of the log, whose
/// lines are limited by place.
Result<http::Handler> admit(Api& api, const X509& certificate, const std::string& place) {
  const auto who = operator_of(certificate);
  if (!who) {
    SPDLOG_WARN(refusal, place, who.error().message);
    return who.error();
  }
  return http::Handler([&api, who = *who, place](const http::Request& request) {
    auto response = api.handle(request, who.role);
    if (response.status == 403) {
      SPDLOG_WARN(refusal, place, who.name + ": " + request.method + " " + request.path);
    } else if (response.later) {  // what it changes
      SPDLOG_INFO("API: {} ({}) from {}: {} {}", who.name, to_string(who.role), place,
                  request.method, request.path);
    }
    return response;
  });
}

}  // namespace

Result<std::shared_ptr<tls::Context>> load_api_tls(const Config& config) {
  const std::string key = config.api_tls ? "api.tls" : "tls";
  const TlsFiles& files = config.api_tls ? *config.api_tls : *config.tls;
  auto tls = tls::Context::load({.ca = files.ca, .cert = files.cert, .key = files.key});
  if (!tls) return Error{key + ": " + tls.error().message};
  return tls;
}

Result<std::unique_ptr<http::TlsServer>> listen_tls(boost::asio::io_context& io, Api& api,
                                                    const Config& config, http::Limits limits) {
  auto tls = load_api_tls(config);
  if (!tls) return tls.error();
  auto server = http::TlsServer::listen(
      io, {.address = config.api_listen->address,
           .port = config.api_listen->port,
           .tls = std::move(tls.value()),
           .admit = [&api](const X509& certificate,
                           const std::string& place) { return admit(api, certificate, place); },
           .on_refused = [](const std::string& place,
                            const std::string& why) { SPDLOG_WARN(refusal, place, why); },
           .limits = limits});
  if (!server) return Error{"api.listen: " + server.error().message};
  return server;
}

}  // namespace weft::controller
