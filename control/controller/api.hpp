#pragma once
/// The controller's HTTP API: JSON over the paths that openapi.yaml describes.

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/access.hpp"
#include "controller/controller.hpp"
#include "controller/metrics.hpp"
#include "http/server.hpp"

namespace weft::controller {

class Api {
 public:
  /// Takes the controller's on_event.
  explicit Api(Controller& controller, MetricSources sources = {});
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  /// 403 where `role` may not; over the Unix socket it is admin, since files have permissions.
  http::Response handle(const http::Request& request, Role role);

  struct Path {
    std::string_view method;
    std::string path;
  };
  /// All that is served.
  static std::vector<Path> paths();

 private:
  http::Response dispatch(const http::Request& request, Role role);
  http::Response change_object(Kind kind, const http::Request& request);
  http::Response apply(const http::Request& request, Role role);
  http::Response watch();
  http::Response health() const;
  void tell(const Json& event);

  Controller& controller_;
  MetricSources sources_;
  std::map<std::string, std::uint64_t> requests_;  ///< by method
  std::set<std::shared_ptr<http::BodyStream>> watchers_;
};

}  // namespace weft::controller
