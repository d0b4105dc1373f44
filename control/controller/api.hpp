#pragma once
/// The controller's HTTP API: JSON over the paths that openapi.yaml describes.

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/controller.hpp"
#include "controller/peers.hpp"
#include "http/server.hpp"

namespace weft::controller {

class Api {
 public:
  /// Takes the controller's on_event.
  explicit Api(Controller& controller, const Peers* peers = nullptr);
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  http::Response handle(const http::Request& request);

  struct Path {
    std::string_view method;
    std::string path;
  };
  /// All that is served.
  static std::vector<Path> paths();

 private:
  http::Response dispatch(const http::Request& request);
  http::Response change_object(Kind kind, const http::Request& request);
  http::Response apply(const http::Request& request);
  http::Response watch();
  http::Response health() const;
  void tell(const Json& event);

  Controller& controller_;
  const Peers* peers_;
  std::set<std::shared_ptr<http::BodyStream>> watchers_;
};

}  // namespace weft::controller
