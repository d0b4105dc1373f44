/// POST /v1/capture: frames that match, as pcapng.

#include <chrono>
#include <limits>

#include "agent/api_stream.hpp"
#include "agent/packet_filter.hpp"
#include "agent/pcapng.hpp"

namespace weft::agent::api {

namespace {

constexpr std::uint64_t default_max_bytes = std::uint64_t{64} << 20;
/// For the blocks behind the last frame: statistics of each interface, and their comment.
constexpr std::uint64_t statistics_bytes = 8192;

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

class Capture final : public StreamedObservation {
 public:
  struct Bounds {
    std::uint64_t packets = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t bytes = default_max_bytes;
    std::optional<Duration> duration;
  };
  Capture(Agent& the_agent, std::string text, const CaptureRequest& request, const Bounds& bounds)
      : StreamedObservation(the_agent, std::move(text), bounds.duration),
        ports_(request.ports),
        snap_bytes_(request.snap_bytes),
        bounds_(bounds) {}

  void on_capture(const CapturedFrame& frame) override {
    std::string comment;
    auto direction = pcapng::Direction::inbound;
    if (frame.point == CapturePoint::out) direction = pcapng::Direction::outbound;
    if (frame.point == CapturePoint::dropped) {
      const auto& reason = describe(frame.reason);
      comment = "dropped: " + std::string(reason.name) + " (" + std::string(reason.stage) +
                "): " + std::string(reason.explanation);
      if (!frame.port.valid()) direction = pcapng::Direction::unknown;
    }
    std::string block;
    Interface& interface = interface_of(frame.port, block);
    block += pcapng::enhanced_packet(
        {interface.number, frame.time_ns, frame.frame_bytes, direction, comment, frame.bytes});
    if (written_bytes_ + block.size() + statistics_bytes > bounds_.bytes) return end("bytes");
    if (!write(block)) {
      ++lost_;
      return;
    }
    described(interface);
    ++interface.packets;
    if (++packets_ >= bounds_.packets) end("packets");
  }

 private:
  struct Interface {
    std::uint32_t number = 0;
    std::uint64_t packets = 0;
    bool described = false;
  };

  void begin() override {
    write(pcapng::section_header("weftd"));
    std::vector<PortId> ports = ports_;
    if (ports.empty()) {
      for (const auto& status : agent().plane().ports()) ports.push_back(status.id);
    }
    for (const PortId port : ports) {
      std::string block;
      Interface& interface = interface_of(port, block);
      if (write(block)) described(interface);
    }
  }

  void finish(std::string_view, const ObserverStatus& status) override {
    const std::uint64_t time = now_ns();
    for (const auto& [port, interface] : interfaces_) {
      if (!interface.described) continue;
      // The workers count what they lost of the capture, not of an interface.
      const bool first = interface.number == 0;
      write(pcapng::interface_statistics(
          interface.number, time, interface.packets, first ? status.lost + lost_ : 0,
          first ? "ifdrop: frames that the capture lost on all its interfaces" : ""));
    }
  }

  /// The frame's interface; its description goes to `blocks` when it is not written yet. Readers
  /// number interfaces in the order of their descriptions.
  Interface& interface_of(PortId port, std::string& blocks) {
    Interface& interface = interfaces_[port];
    if (!interface.described) {
      interface.number = described_;
      blocks += pcapng::interface_description(interface_name(agent().model(), port), snap_bytes_);
    }
    return interface;
  }
  void described(Interface& interface) {
    if (!interface.described) ++described_;
    interface.described = true;
  }

  bool write(const std::string& blocks) {
    if (!body().write(blocks)) return false;
    written_bytes_ += blocks.size();
    return true;
  }

  std::vector<PortId> ports_;
  std::uint32_t snap_bytes_;
  Bounds bounds_;
  std::map<PortId, Interface> interfaces_;
  std::uint32_t described_ = 0;
  std::uint64_t packets_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t written_bytes_ = 0;
};

/// `dropped`: true, or the name of one reason.
std::optional<Failure> read_dropped(const Json& dropped, CaptureRequest& request) {
  if (dropped.is_boolean()) {
    request.dropped = dropped.get<bool>();
    return std::nullopt;
  }
  if (!dropped.is_string()) return Failure{400, "dropped: wanted true or a reason"};
  const auto name = dropped.get<std::string>();
  std::vector<std::string_view> names;
  for (std::size_t i = 1; i < drop_reason_count; ++i) {
    if (drop_reasons[i].name == name) {
      request.dropped = true;
      request.reason = static_cast<DropReason>(i);
      return std::nullopt;
    }
    names.push_back(drop_reasons[i].name);
  }
  return Failure{404, "there is no drop reason " + yaml::quoted(name) +
                          yaml::did_you_mean(name, names) + "; see `weftctl show drops --all`"};
}

}  // namespace

StreamReply capture(Agent& agent, const Json& json) {
  Members body(json, "",
               {"vif", "port", "vifs", "ports", "direction", "dropped", "packets", "seconds",
                "max_bytes", "snap_bytes", "filter"});
  CaptureRequest request;
  auto ports = named_ports(agent.model(), body);
  if (const Json* dropped = body.find("dropped")) {
    if (auto failure = read_dropped(*dropped, request)) return *failure;
  }
  // What is dropped is captured alone, unless a direction is named too.
  const auto direction = body.text("direction");
  if (direction && *direction != "in" && *direction != "out" && *direction != "both") {
    body.fail("direction", "wanted in, out or both");
  }
  request.in = direction ? *direction != "out" : !request.dropped;
  request.out = direction ? *direction != "in" : !request.dropped;
  request.snap_bytes = body.number<std::uint32_t>("snap_bytes", 1, 65535).value_or(16384);
  Capture::Bounds bounds;
  constexpr auto any = std::numeric_limits<std::uint64_t>::max();
  bounds.packets = body.number<std::uint64_t>("packets", 1, any).value_or(any);
  bounds.bytes = body.number<std::uint64_t>("max_bytes", 16384, any).value_or(default_max_bytes);
  if (const auto seconds = body.number<std::uint32_t>("seconds", 1, 86400)) {
    bounds.duration = std::chrono::seconds(*seconds);
  }
  const auto expression = body.text("filter").value_or("");
  if (body.failure()) return *body.failure();
  if (const auto* failure = std::get_if<Failure>(&ports)) return *failure;
  request.ports = std::get<0>(std::move(ports));
  auto filter = compile_filter(expression);
  if (!filter) return Failure{400, filter.error().message};
  request.filter = std::move(*filter);
  auto text = describe_request(agent.model(), "capture", request.ports, expression);
  return std::make_shared<Capture>(agent, std::move(text), request, bounds)
      ->start(request, "application/x-pcapng");
}

}  // namespace weft::agent::api
