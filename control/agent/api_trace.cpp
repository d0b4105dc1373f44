/// POST /v1/trace: the next packets that match, through the stages that forward them; one JSON
/// object a line.

#include <fmt/chrono.h>

#include "agent/api_stream.hpp"
#include "agent/packet_filter.hpp"

namespace weft::agent::api {

namespace {

constexpr std::uint32_t packets_max = 10000;

std::string time_text(std::uint64_t time_ns) {
  constexpr std::uint64_t second = 1'000'000'000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z",
                     fmt::gmtime(static_cast<std::time_t>(time_ns / second)),
                     time_ns % second / 1000);
}

class Trace final : public StreamedObservation {
 public:
  Trace(Agent& the_agent, std::string text, std::uint32_t packets, std::optional<Duration> duration)
      : StreamedObservation(the_agent, std::move(text), duration), wanted_(packets) {}

  void on_trace(const TracedPacket& packet) override {
    Json line{{"time", time_text(packet.time_ns)},
              {"lcore", packet.worker},
              {"from", interface_name(agent().model(), packet.port)}};
    line.update(explanation(agent(), packet.report));
    if (write(line)) ++written_;
    if (++seen_ >= wanted_) end("packets");
  }

 private:
  void finish(std::string_view why, const ObserverStatus& status) override {
    write({{"end", why}, {"packets", written_}, {"lost", status.lost + seen_ - written_}});
  }
  bool write(const Json& line) {
    return body().write(line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  }

  std::uint32_t wanted_;
  std::uint32_t seen_ = 0;
  std::uint32_t written_ = 0;
};

}  // namespace

StreamReply trace(Agent& agent, const Json& json) {
  Members body(json, "", {"vif", "port", "vifs", "ports", "packets", "seconds", "filter"});
  TraceRequest request;
  auto ports = named_ports(agent.model(), body);
  request.packets = body.number<std::uint32_t>("packets", 1, packets_max).value_or(1);
  const auto seconds = body.number<std::uint32_t>("seconds", 1, 86400);
  const auto expression = body.text("filter").value_or("");
  if (body.failure()) return *body.failure();
  if (const auto* failure = std::get_if<Failure>(&ports)) return *failure;
  request.ports = std::get<0>(std::move(ports));
  auto filter = compile_filter(expression);
  if (!filter) return Failure{400, filter.error().message};
  request.filter = std::move(*filter);
  std::optional<Duration> duration;
  if (seconds) duration = std::chrono::seconds(*seconds);
  auto text = describe_request(agent.model(), "trace", request.ports, expression);
  return std::make_shared<Trace>(agent, std::move(text), request.packets, duration)
      ->start(request, "application/x-ndjson");
}

}  // namespace weft::agent::api
