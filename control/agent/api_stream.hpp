#pragma once
/// What trace and capture share: answers that grow, each fed by an observation.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/api_json.hpp"
#include "http/server.hpp"

namespace weft::agent::api {

using StreamReply = std::variant<http::Response, Failure>;

StreamReply trace(Agent& agent, const Json& body);
StreamReply capture(Agent& agent, const Json& body);
/// The table of those that run.
Reply show_observers(Agent& agent, const Query& query);

/// As an operator calls a port: "vif vm1", "port fab0"; "weftd" for no port.
std::string interface_name(const Model& model, PortId port);

/// The ports of the vifs and ports that `vif`, `vifs`, `port`, `ports` of the body name, in their
/// order; none: all.
std::variant<std::vector<PortId>, Failure> named_ports(const Model& model, Members& body);

/// What is asked of the data plane, for the operator.
std::string describe_request(const Model& model, const char* kind, const std::vector<PortId>& ports,
                             const std::string& filter);

/// An answer that an observation writes, until it has all it wanted, its time is over, or its
/// reader leaves; then the workers are told to stop looking, at once.
class StreamedObservation : public Observation,
                            public std::enable_shared_from_this<StreamedObservation> {
 public:
  StreamedObservation(Agent& agent, std::string what, std::optional<Duration> duration)
      : agent_(agent), what_(std::move(what)), duration_(duration) {}

  /// Starts it; `request`: TraceRequest or CaptureRequest.
  template <class Request>
  StreamReply start(const Request& request, std::string content_type) {
    const auto id = agent_.observations().start(request, shared_from_this());
    if (!id) return Failure{409, id.error().message};
    id_ = *id;
    started_ = agent_.now();
    body_->on_reader_left = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->end("reader");
    };
    begin();
    return http::Response{200, std::move(content_type), {}, body_};
  }
  [[nodiscard]] std::string what() const override { return what_; }
  void on_tick(Time now) override;

 protected:
  /// Writes what comes first and last. `status`: what the data plane counted.
  virtual void begin() {}
  virtual void finish(std::string_view why, const ObserverStatus& status) = 0;
  void end(std::string_view why);
  [[nodiscard]] Agent& agent() const { return agent_; }
  [[nodiscard]] http::BodyStream& body() const { return *body_; }

 private:
  Agent& agent_;
  std::string what_;
  std::optional<Duration> duration_;
  std::shared_ptr<http::BodyStream> body_ = std::make_shared<http::BodyStream>();
  ObserverId id_;
  Time started_{};
  bool ended_ = false;
};

}  // namespace weft::agent::api
