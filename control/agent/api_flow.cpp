#include "agent/api_flow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <memory>
#include <unordered_map>

#include "agent/flow_ranking.hpp"
#include "agent/protocol_names.hpp"
#include "weft/host_port.hpp"

namespace weft::agent::api {

namespace {

constexpr std::size_t shown_by_default = 100;
constexpr std::size_t sessions_a_step = 256;
constexpr std::size_t rows_a_step = 32;
// A slice ends by whichever comes first.
constexpr unsigned steps_a_slice = 8;
constexpr std::chrono::microseconds slice_time{1000};

/// Keys of a filter; `show` and `clear` have others beside them.
constexpr std::array<std::string_view, 9> filter_keys{
    "id", "vrf", "vif", "source", "destination", "address", "protocol", "port", "state"};

std::vector<std::string_view> keys_and(std::initializer_list<std::string_view> more) {
  std::vector<std::string_view> keys(filter_keys.begin(), filter_keys.end());
  keys.insert(keys.end(), more);
  return keys;
}

template <class Integer>
std::optional<Integer> parse_decimal(std::string_view text) {
  Integer value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// A number, or text that is one: programs that read JSON's numbers as floating point would lose
/// the last digits of an id.
std::optional<std::uint64_t> read_id(Members& body) {
  const Json* value = body.find("id");
  if (value == nullptr) return std::nullopt;
  if (value->is_number_unsigned()) return value->get<std::uint64_t>();
  const auto text = body.text("id").value_or("");
  const auto id = parse_decimal<std::uint64_t>(text);
  if (!id) body.fail("id", "wanted the number of a session, as `weftctl show flow` shows it");
  return id;
}

std::optional<std::uint8_t> read_protocol(Members& body) {
  const Json* value = body.find("protocol");
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) return body.number<std::uint8_t>("protocol", 0, 255);
  const auto text = body.text("protocol").value_or("");
  if (const auto named = protocol_named(text)) return named;
  const auto number = parse_decimal<std::uint8_t>(text);
  if (!number) {
    body.fail("protocol", fmt::format("wanted {}, found {}{}", protocol_wanted, yaml::quoted(text),
                                      yaml::did_you_mean(text, protocol_names())));
  }
  return number;
}

/// One of the words that `to_string` gives for the values from `first` to `last`.
template <class Enum>
std::optional<Enum> read_word(Members& body, const char* key, Enum first, Enum last) {
  const auto text = body.text(key);
  if (!text) return std::nullopt;
  std::vector<std::string_view> words;
  std::string all;
  for (auto i = static_cast<unsigned>(first); i <= static_cast<unsigned>(last); ++i) {
    const auto value = static_cast<Enum>(i);
    words.push_back(to_string(value));
    if (words.back() == *text) return value;
    all += (all.empty() ? "" : ", ") + std::string(words.back());
  }
  body.fail(key, "wanted one of " + all + ", found " + yaml::quoted(*text) +
                     yaml::did_you_mean(*text, words));
  return std::nullopt;
}

/// A prefix, or an address alone.
std::optional<IpPrefix> read_prefix(Members& body, const char* key) {
  const auto text = body.text(key);
  if (!text) return std::nullopt;
  if (const auto address = parse_ip(*text)) return IpPrefix::host(*address);
  return body.prefix(key);
}

std::variant<FlowFilter, Failure> read_filter(const Model& model, Members& body) {
  FlowFilter filter;
  filter.id = read_id(body);
  filter.source = read_prefix(body, "source");
  filter.destination = read_prefix(body, "destination");
  filter.address = read_prefix(body, "address");
  filter.protocol = read_protocol(body);
  filter.port = body.number<std::uint16_t>("port", 0, 65535);
  filter.state = read_word(body, "state", FlowState::one_way, FlowState::closing);
  const auto vrf = body.text("vrf");
  const auto vif = body.text("vif");
  if (body.failure()) return *body.failure();
  if (vrf) {
    const auto found = model.vrfs.find(*vrf);
    if (found == model.vrfs.end()) return no_such("vrf", *vrf, model.vrfs);
    filter.vrf = VrfId(found->second.id.index());  // flows know a VRF by its index
  }
  if (vif) {
    const auto found = model.vifs.find(*vif);
    if (found == model.vifs.end()) return no_such("vif", *vif, model.vifs);
    filter.vif = found->second.id;
  }
  return filter;
}

/// The query as a body would say it.
Json body_of(const Query& query, std::size_t keys) {
  Json out = Json::object();
  for (const auto& [key, value] : query) {
    const bool number = key == "port" || key == "limit";
    const auto decimal = number ? parse_decimal<std::uint64_t>(value) : std::nullopt;
    out[key] = decimal ? Json(*decimal) : Json(value);
    if (out.size() > keys) break;  // one of them is unknown, which is enough to know
  }
  return out;
}

http::Response respond(std::string body) {
  return {200, "application/json", std::move(body) + "\n"};
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// An answer that takes longer than a handler may.
class SlicedAnswer : public std::enable_shared_from_this<SlicedAnswer> {
 public:
  explicit SlicedAnswer(Agent& agent) : agent_(agent) {}
  SlicedAnswer(const SlicedAnswer&) = delete;
  SlicedAnswer& operator=(const SlicedAnswer&) = delete;
  virtual ~SlicedAnswer() = default;

  http::Response later() {
    http::Response response;
    response.later = [self = shared_from_this()](auto done) {
      self->done_ = std::move(done);
      self->wait();
    };
    return response;
  }

 protected:
  /// Goes a little further; false at the end.
  virtual bool step() = 0;
  /// What there is to say at the end.
  virtual std::string body() = 0;
  [[nodiscard]] Agent& agent() const { return agent_; }

 private:
  void wait() {
    agent_.post([self = shared_from_this()] { self->slice(); });
  }
  void slice() {
    const auto timer = agent_.handler_times().time("flows");
    const auto until = HandlerTimes::Clock::now() + slice_time;
    bool more = step();
    for (unsigned i = 1; more && i < steps_a_slice && HandlerTimes::Clock::now() < until; ++i) {
      more = step();
    }
    if (more) return wait();
    done_(respond(body()));
  }

  Agent& agent_;
  std::function<void(http::Response)> done_;
};

class FlowClearing final : public SlicedAnswer {
 public:
  FlowClearing(Agent& the_agent, FlowFilter filter) : SlicedAnswer(the_agent), filter_(filter) {}

 private:
  bool step() override {
    const auto closed = agent().plane().clear_flows(filter_, cursor_, sessions_a_step);
    closed_ += closed;
    // Room for new ones comes as fast as old ones go.
    if (closed > 0) agent().plane().reclaim();
    return !cursor_.end;
  }
  std::string body() override {
    if (closed_ > 0) agent().reclaim_soon();
    return dump({{"message", fmt::format("{} session{} closed", closed_, closed_ == 1 ? "" : "s")},
                 {"closed", closed_}});
  }

  FlowFilter filter_;
  FlowCursor cursor_;
  std::uint64_t closed_ = 0;
};

class FlowListing final : public SlicedAnswer {
 public:
  FlowListing(Agent& the_agent, FlowFilter filter, FlowOrder order, std::size_t limit)
      : SlicedAnswer(the_agent), filter_(filter), ranking_(order, limit) {}

 private:
  bool step() override {
    if (!cursor_.end) {
      for (const auto& record : agent().plane().flows(filter_, cursor_, sessions_a_step)) {
        ranking_.add(record);
      }
      return true;
    }
    if (!ranking_.sorted()) {
      ranking_.sort();
      for (const auto& [id, name] : agent().model().vrf_names) vrfs_[id.index()] = name;
      begin();
      return true;
    }
    const std::size_t end = std::min(ranking_.size(), written_ + rows_a_step);
    for (; written_ < end; ++written_) {
      if (written_ > 0) text_ += ',';
      text_ += dump(row(ranking_[written_]));
    }
    return written_ < ranking_.size();
  }

  /// The text grows row by row: to copy it as a whole would take long.
  void begin() {
    constexpr std::size_t bytes_a_row = 300;
    const Json columns{"id",           "protocol",   "state", "vrf",     "source",
                       "destination",  "from",       "to",    "packets", "bytes",
                       "back_packets", "back_bytes", "age_s", "idle_s"};
    text_.reserve((ranking_.size() + 2) * bytes_a_row);
    text_ += R"({"title":"Sessions","columns":)" + dump(columns) + ",\"rows\":[";
  }
  std::string body() override {
    text_ += "],\"matched\":" + std::to_string(ranking_.seen());
    if (const auto more = ranking_.seen() - ranking_.size(); more > 0) {
      const Json note = fmt::format(
          "{} more match{}: narrow them down with a filter, or show more with a higher limit "
          "(--limit, up to {})",
          more, more == 1 ? "es" : "", rows_max);
      text_ += ",\"truncated\":true,\"note\":" + dump(note);
    }
    text_ += '}';
    return std::move(text_);
  }

  [[nodiscard]] Json row(const FlowRecord& r) const {
    const auto& f = r.forward;
    const bool ports = wire::has_ports(r.protocol);
    const bool identifier = wire::is_icmp(r.protocol);
    const auto seconds = [](std::uint64_t ms) {
      return std::round(static_cast<double>(ms) / 100) / 10;
    };
    return {{"id", std::to_string(r.id)},
            {"protocol", protocol_text(r.protocol)},
            {"state", to_string(r.state)},
            {"vrf", vrf_text(f.vrf)},
            {"source", end_text(f.source, f.source_port, ports || identifier)},
            {"destination", end_text(f.destination, f.destination_port, ports)},
            {"from", ingress_text(f.ingress)},
            {"to", way_text(f.nexthop)},
            {"packets", f.packets},
            {"bytes", f.bytes},
            {"back_packets", r.reverse.packets},
            {"back_bytes", r.reverse.bytes},
            {"age_s", seconds(r.age_ms)},
            {"idle_s", seconds(r.idle_ms)}};
  }

  static std::string end_text(const IpAddress& address, std::uint16_t port, bool with_port) {
    return with_port ? host_port(to_string(address), port) : to_string(address);
  }
  [[nodiscard]] std::string vrf_text(VrfId id) const {
    const auto found = vrfs_.find(id.index());
    return found == vrfs_.end() ? "gone" : found->second;
  }
  [[nodiscard]] std::string ingress_text(VifId id) const {
    if (!id.valid()) return "fabric";
    const auto& names = agent().model().vif_names;
    const auto found = names.find(id);
    return "vif " + (found == names.end() ? "gone" : found->second);
  }
  /// What was deleted stays in a session until its next packet finds another way.
  [[nodiscard]] Json way_text(NexthopId id) const {
    if (!id.valid()) return {};
    const auto& model = agent().model();
    const auto found = model.nexthops.find(id);
    return found == model.nexthops.end() ? "gone" : use_text(model, found->first);
  }

  FlowFilter filter_;
  FlowCursor cursor_;
  FlowRanking ranking_;
  std::unordered_map<std::uint32_t, std::string> vrfs_;
  std::size_t written_ = 0;
  std::string text_;
};

}  // namespace

FlowReply show_flows(Agent& agent, const Query& query) {
  const auto keys = keys_and({"sort", "limit"});
  const Json json = body_of(query, keys.size());
  Members body(json, "", keys);
  const auto order =
      read_word(body, "sort", FlowOrder::packets, FlowOrder::idle).value_or(FlowOrder::found);
  const auto limit = body.number<std::size_t>("limit", 1, rows_max).value_or(shown_by_default);
  auto filter = read_filter(agent.model(), body);
  if (auto* failure = std::get_if<Failure>(&filter)) return std::move(*failure);
  return std::make_shared<FlowListing>(agent, std::get<FlowFilter>(std::move(filter)), order, limit)
      ->later();
}

FlowReply clear_flows(Agent& agent, const Json& json) {
  Members body(json, "", keys_and({"all"}));
  const bool all = body.boolean("all").value_or(false);
  auto filter = read_filter(agent.model(), body);
  if (auto* failure = std::get_if<Failure>(&filter)) return std::move(*failure);
  const bool filtered = std::ranges::any_of(filter_keys, [&](auto key) { return body.has(key); });
  if (filtered == all) {
    return Failure{400, all ? "all: closes every session, so that there is nothing to filter; "
                              "leave either out"
                            : "say which sessions to close, by vrf, vif, source, destination, "
                              "address, protocol, port, state or id; all closes every one"};
  }
  return std::make_shared<FlowClearing>(agent, std::get<FlowFilter>(std::move(filter)))->later();
}

}  // namespace weft::agent::api
