#include "ctl_command.hpp"

#include <CLI/CLI.hpp>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "http/percent.hpp"

namespace weft::ctl {
namespace {

using Json = nlohmann::ordered_json;
using Answer = Command::Answer;

/// Options that go into the request's JSON, each under its key, when given.
class Fields {
 public:
  using Reader = Json (*)(const CLI::Option&);

  CLI::Option* add(CLI::App& app, const std::string& option, std::string key, Reader reader,
                   const std::string& help) {
    auto* added = app.add_option(option)->description(help)->type_name("TEXT");
    fields_.push_back({added, std::move(key), reader});
    return added;
  }
  CLI::Option* text(CLI::App& app, const std::string& option, std::string key,
                    const std::string& help) {
    return add(app, option, std::move(key), as<std::string>, help);
  }
  CLI::Option* number(CLI::App& app, const std::string& option, std::string key, std::uint32_t most,
                      const std::string& help) {
    return add(app, option, std::move(key), as<std::uint32_t>, help)
        ->type_name("NUMBER")
        ->check(CLI::Range(std::uint32_t{0}, most));
  }
  CLI::Option* list(CLI::App& app, const std::string& option, std::string key,
                    const std::string& help) {
    return add(app, option, std::move(key), as<std::vector<std::string>>, help)
        ->expected(1)
        ->take_all();
  }
  /// All words that are left, joined by blanks.
  CLI::Option* words(CLI::App& app, const std::string& option, std::string key,
                     const std::string& help) {
    return add(app, option, std::move(key), joined, help)
        ->expected(CLI::detail::expected_max_vector_size)
        ->take_all();
  }
  CLI::Option* flag(CLI::App& app, const std::string& option, std::string key,
                    const std::string& help) {
    auto* added = app.add_flag(option)->description(help);
    fields_.push_back({added, std::move(key), as<bool>});
    return added;
  }

  [[nodiscard]] Json json() const {
    Json out = Json::object();
    for (const auto& field : fields_) {
      if (field.option->count() > 0) out[field.key] = field.reader(*field.option);
    }
    return out;
  }

 private:
  template <class T>
  static Json as(const CLI::Option& option) {
    return option.as<T>();
  }

  static Json joined(const CLI::Option& option) {
    std::string text;
    for (const auto& word : option.results()) text += (text.empty() ? "" : " ") + word;
    return text;
  }

  struct Field {
    CLI::Option* option;
    std::string key;
    Reader reader;
  };
  std::vector<Field> fields_;
};

/// Bytes as hexadecimal digits, which may be set apart by blanks and colons.
Json hex_digits(const CLI::Option& option) {
  auto text = option.as<std::string>();
  std::erase_if(text, [](char c) { return c == ' ' || c == ':' || c == '\n' || c == '\t'; });
  const bool all = text.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  if (!all || text.empty() || text.size() % 2 != 0) {
    throw CLI::ValidationError("--hex", "wanted whole bytes as hexadecimal digits");
  }
  return text;
}

Json protocol(const CLI::Option& option) {
  auto word = option.as<std::string>();
  if (word == "icmp" || word == "tcp" || word == "udp") return word;
  const bool digits = word.find_first_not_of("0123456789") == std::string::npos;
  if (digits && !word.empty() && word.size() <= 3 && std::stoi(word) <= 255) {
    return std::stoi(word);
  }
  throw CLI::ValidationError("--proto", "wanted icmp, tcp, udp or a number up to 255");
}

/// With a reason, or without one for all.
Json dropped(const CLI::Option& option) {
  const auto& words = option.results();
  if (words.empty() || words.front().empty() || words.front() == "true") return true;
  return words.front();
}

class Parser {
 public:
  Parser() {
    app_.fallthrough();  // --json and --socket may stand behind the command
    app_.require_subcommand(1);
    app_.add_option("--socket", command_.socket, "weftd's socket")
        ->envname("WEFT_SOCKET")
        ->capture_default_str();
    app_.add_flag("--json", command_.json, "print JSON, for programs");
    add_show();
    add_route();
    add_tunnel();
    add_explain();
    add_trace();
    add_capture();
  }

  std::variant<Command, int> parse(int argc, const char* const* argv, std::ostream& out,
                                   std::ostream& err) {
    constexpr int usage_error = 2;
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
      return app_.exit(e, out, err) == 0 ? 0 : usage_error;
    }
    return command_;
  }

 private:
  void ask(std::string method, const std::string& path, Answer answer, const Json& body = {}) {
    command_.request = {std::move(method), path, {}, body.is_null() ? "" : body.dump()};
    command_.answer = answer;
  }

  void add_show() {
    auto* show = app_.add_subcommand("show", "Show a table");
    show->require_subcommand(1);
    const auto table = [&](const std::string& name, const std::string& help) {
      auto* sub = show->add_subcommand(name, help);
      sub->final_callback([this, name] {
        ask("GET", "/v1/" + name, Answer::table);
        command_.request.query = query_;
      });
      return sub;
    };
    table("vif", "Virtual interfaces");
    table("vrf", "Routing tables");
    table("route", "Routes")
        ->add_option_function<std::string>(
            "--vrf",
            [this](const std::string& vrf) { query_ = "vrf=" + http::percent_encode(vrf); },
            "of this VRF alone");
    table("nexthop", "Next hops");
    table("tunnel", "Encapsulations");
    table("decap", "Decapsulations");
    table("neighbour", "Neighbours on the underlay");
    table("drops", "Dropped packets by reason")
        ->add_flag_callback(
            "--all", [this] { query_ = "all=true"; }, "also reasons that never were");
    table("stats", "Counters");
    table("workers", "Worker threads");
    table("observers", "Traces and captures that run");
    table("port", "Ports");
  }

  void add_route() {
    auto* route = app_.add_subcommand("route", "Change routes");
    route->require_subcommand(1);
    const auto change = [&](const std::string& name, const std::string& help,
                            const std::string& method) {
      auto* sub = route->add_subcommand(name, help);
      fields_.text(*sub, "--vrf", "vrf", "the VRF, or underlay")->required();
      fields_.text(*sub, "prefix", "prefix", "like 10.1.0.0/24")->required();
      sub->final_callback([this, method] {
        Json body = fields_.json();
        if (const Json via = via_.json(); !via.empty()) body["via"] = via;
        ask(method, "/v1/route", Answer::message, body);
      });
      return sub;
    };
    change("del", "Remove a route", "DELETE");
    auto* set = change("set", "Add or replace a route", "PUT");
    auto* way = set->add_option_group("way out")->require_option(1);
    via_.text(*way, "--tunnel", "tunnel", "into this tunnel");
    via_.text(*way, "--vif", "vif", "to this vif");
    via_.text(*way, "--lookup", "vrf", "look up again in this VRF");
    via_.text(*way, "--gateway", "gateway", "to this neighbour (underlay)");
    via_.flag(*way, "--discard", "discard", "drop");
  }

  void add_tunnel() {
    auto* tunnel = app_.add_subcommand("tunnel", "Change tunnels");
    tunnel->require_subcommand(1);
    auto* set = tunnel->add_subcommand("set", "Add a tunnel, or change what is given");
    fields_.text(*set, "name", "name", "the tunnel's name")->required();
    fields_.text(*set, "--remote", "remote", "outer destination address");
    fields_.number(*set, "--vni", "vni", (1U << 24) - 1, "virtual network identifier");
    fields_.number(*set, "--port", "port", 65535, "UDP destination port");
    fields_.text(*set, "--source-ports", "source_ports", "UDP source ports, A-B");
    fields_.text(*set, "--inner-destination-mac", "inner_destination_mac",
                 "destination of the inner frame");
    fields_.text(*set, "--kind", "kind", "tunnel kind, like vxlan");
    set->final_callback([this] { ask("PUT", "/v1/tunnel", Answer::message, fields_.json()); });
  }

  void add_explain() {
    auto* explain = app_.add_subcommand("explain", "Say what would become of a packet; send none");
    auto* from = explain->add_option_group("where the packet arrives")->require_option(1);
    fields_.text(*from, "--vif", "vif", "from this vif");
    fields_.text(*from, "--port", "port", "from this port");
    auto* hex = fields_.add(*explain, "--hex", "hex", hex_digits,
                            "the frame's bytes, from the Ethernet header on");
    std::vector<CLI::Option*> packet;
    const auto text = [&](const std::string& option, const std::string& key,
                          const std::string& help) {
      packet.push_back(packet_.text(*explain, option, key, help));
    };
    const auto number = [&](const std::string& option, const std::string& key,
                            const std::string& help, std::uint32_t most = 65535) {
      packet.push_back(packet_.number(*explain, option, key, most, help));
    };
    text("--src-mac", "source_mac", "source MAC");
    text("--dst-mac", "destination_mac", "destination MAC");
    text("--src", "src", "source IP address (else the vif's own)");
    text("--dst", "dst", "destination IP address");
    packet.push_back(
        packet_.add(*explain, "--proto", "protocol", protocol, "icmp, tcp, udp or a number"));
    number("--sport", "source_port", "source port");
    number("--dport", "destination_port", "destination port");
    number("--ttl", "ttl", "TTL or hop limit", 255);
    number("--size", "bytes", "length of the IP packet");
    packet.push_back(
        packet_.flag(*explain, "--df", "dont_fragment", "set the bit that forbids fragments"));
    for (auto* option : packet) option->excludes(hex);
    explain->final_callback([this] {
      Json body = fields_.json();
      if (!body.contains("hex")) {
        body["fields"] = packet_.json();
        if (!body["fields"].contains("dst")) throw CLI::RequiredError("--hex or --dst");
      }
      ask("POST", "/v1/explain", Answer::explanation, body);
    });
  }

  /// Options that trace and capture share.
  void add_watch(CLI::App& app, const std::string& what, std::uint32_t most_packets) {
    fields_.list(app, "--vif", "vifs", "at this vif (may be given again)");
    fields_.list(app, "--port", "ports", "at this port (may be given again)");
    fields_.number(app, "--count", "packets", most_packets, "end after so many packets");
    fields_.number(app, "--seconds", "seconds", 86400, "end after so many seconds");
    fields_.words(app, "filter", "filter", what + ", as tcpdump is told (pcap-filter(7))");
  }

  void add_trace() {
    auto* trace = app_.add_subcommand(
        "trace", "Follow the next packets that arrive through the stages, live");
    add_watch(*trace, "which packets to follow", 10000);
    trace->final_callback([this] { ask("POST", "/v1/trace", Answer::trace, fields_.json()); });
  }

  void add_capture() {
    auto* capture = app_.add_subcommand("capture", "Write packets into a pcapng file");
    add_watch(*capture, "which packets to write", std::numeric_limits<std::uint32_t>::max());
    fields_.text(*capture, "--direction", "direction", "in (as they arrive), out or both")
        ->check(CLI::IsMember({"in", "out", "both"}));
    fields_
        .add(*capture, "--dropped", "dropped", dropped,
             "packets that were dropped, for this REASON or any; alone unless --direction is "
             "given")
        ->expected(0, 1)
        ->type_name("REASON");
    fields_.number(*capture, "--max-bytes", "max_bytes", std::numeric_limits<std::uint32_t>::max(),
                   "end before the file is larger (64 MiB)");
    fields_.number(*capture, "--snaplen", "snap_bytes", 65535, "bytes of each packet (16384)");
    capture->add_option("-w,--write", command_.output, "the file; - for standard output")
        ->required();
    capture->final_callback(
        [this] { ask("POST", "/v1/capture", Answer::capture, fields_.json()); });
  }

  CLI::App app_{"weftctl: look into weftd and change its routes and tunnels", "weftctl"};
  Command command_{.socket = "/run/weft/weftd.sock", .request = {}};
  std::string query_;
  Fields fields_;
  Fields via_;
  Fields packet_;
};

}  // namespace

std::variant<Command, int> parse_command(int argc, const char* const* argv, std::ostream& out,
                                         std::ostream& err) {
  return Parser().parse(argc, argv, out, err);
}

}  // namespace weft::ctl
