#include "ctl_command.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <limits>
#include <vector>

#include "ctl_complete.hpp"
#include "ctl_controller.hpp"
#include "ctl_fields.hpp"
#include "ctl_flow.hpp"
#include "ctl_objects.hpp"
#include "http/percent.hpp"

namespace weft::ctl {
namespace {

using Answer = Command::Answer;

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
    objects_.add_to(app_, [this](const auto& method, const auto& path, const Json& body) {
      ask(method, path, Answer::message, body);
    });
    add_flow();
    add_reload();
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
      const auto unknown = unknown_word(app_, {argv + 1, argv + argc});
      if (e.get_exit_code() != 0 && !unknown.empty()) {
        err << "weftctl: " << unknown << "\nRun with --help for more information.\n";
        return usage_error;
      }
      return app_.exit(e, out, err) == 0 ? 0 : usage_error;
    }
    return command_;
  }

  [[nodiscard]] const CLI::App& app() const { return app_; }
  /// Where weftd is reached while the words are not complete.
  [[nodiscard]] std::string socket() const {
    const char* named = std::getenv("WEFT_SOCKET");
    return named != nullptr ? named : command_.socket;
  }

 private:
  void ask(std::string method, const std::string& path, Answer answer, const Json& body = {}) {
    command_.request = {std::move(method), path, {}, body.is_null() ? "" : body.dump()};
    command_.answer = answer;
  }

  void add_show() {
    auto* show = app_.add_subcommand("show", "Show a table");
    show->require_subcommand(1);
    show->footer(examples({"show tunnel", "show route --vrf blue", "show drops --watch",
                           "show stats --watch 5", "--json show vif | jq '.rows[].name'"}));
    const auto table = [&](const std::string& name, const std::string& help) {
      auto* sub = show->add_subcommand(name, help);
      sub->final_callback([this, name] {
        ask("GET", "/v1/" + name, Answer::table);
        command_.request.query = query_;
      });
      sub->add_option_function<double>(
             "--watch", [this](double seconds) { command_.watch_s = seconds; },
             "show it again every SECONDS (1), with changes a second")
          ->expected(0, 1)
          ->default_str("1")
          ->type_name("SECONDS")
          ->check(CLI::Range(0.1, 3600.0));
      return sub;
    };
    table("vif", "Virtual interfaces");
    table("vrf", "Routing tables");
    table("route", "Routes")
        ->add_option_function<std::string>(
            "--vrf",
            [this](const std::string& vrf) { query_ = "vrf=" + http::percent_encode(vrf); },
            "of this VRF alone");
    table("security-group", "Security groups");
    table("policy", "The rules that VIFs are under, in the order in which they are asked")
        ->add_option_function<std::string>(
            "--vif",
            [this](const std::string& vif) { query_ = "vif=" + http::percent_encode(vif); },
            "of this VIF alone");
    table("nexthop", "Next hops");
    table("tunnel", "Encapsulations");
    table("decap", "Decapsulations")
        ->add_option_function<std::string>(
            "name",
            [this](const std::string& name) { query_ = "name=" + http::percent_encode(name); },
            "what this one has let in, by the marks of the packets")
        ->type_name("TEXT");
    table("neighbour", "Neighbours on the underlay");
    table("bfd", "BFD sessions with gateways");
    table("control", "Sessions to controllers");
    table("profile", "Objects that controllers told");
    table("drops", "Dropped packets by reason")
        ->add_flag_callback(
            "--all", [this] { query_ = "all=true"; }, "also reasons that never were");
    table("stats", "Counters");
    table("workers", "Worker threads");
    table("stages", "Cycles a packet of each stage");
    table("observers", "Traces and captures that run");
    table("port", "Ports");
    auto* flow = table("flow", "Sessions: conversations, with both their directions");
    add_flow_filters(*flow, flows_);
    add_flow_order(*flow, flows_);
    flow->footer(examples({"show flow --vif vm1", "show flow --top 10 --watch",
                           "show flow --vrf blue --address 10.1.0.0/24 --protocol tcp --port 443",
                           "show flow --state opening --sort age --limit 20"}));
    flow->final_callback([this] {
      ask("GET", "/v1/flow", Answer::table);
      command_.request.query = flow_query(flows_.json());
    });
  }

  void add_flow() {
    auto* flow = app_.add_subcommand("flow", "Close sessions");
    flow->require_subcommand(1);
    auto* clear = flow->add_subcommand(
        "clear", "Close sessions; the next packet of each opens one anew, and none is lost");
    add_flow_filters(*clear, cleared_);
    cleared_.flag(*clear, "--all", "all", "every session");
    clear->footer(examples({"flow clear --vif vm1", "flow clear --source 10.1.0.11 --protocol tcp",
                            "flow clear --all"}));
    clear->final_callback([this] {
      const Json body = cleared_.json();
      if (body.empty()) throw CLI::RequiredError("a filter, such as --vif, or --all");
      ask("DELETE", "/v1/flow", Answer::message, body);
    });
  }

  void add_reload() {
    auto* reload = app_.add_subcommand(
        "reload", "Read the configuration file again and apply the differences, in one batch");
    reload->footer(examples({"reload --dry-run", "reload"}));
    fields_.flag(*reload, "--dry-run", "dry_run", "only say what would change");
    reload->final_callback([this] { ask("POST", "/v1/reload", Answer::changes, fields_.json()); });
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
    explain->footer(examples(
        {"explain --vif vm1 --dst 10.1.0.12",
         "explain --vif vm1 --dst 10.1.0.12 --proto tcp --sport 1024 --dport 80 --size 1400",
         "explain --port fab0 --hex 0200…"}));
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

  CLI::App app_{
      "weftctl: look into weftd and change what it does; with -c SOCKET a controller "
      "(weftctl -c SOCKET --help).\n\nExit codes: 0 done; 1 weftd refused; 2 "
      "the command line is wrong; 3 weftd cannot be reached.",
      "weftctl"};
  Command command_{.socket = "/run/weft/weftd.sock", .request = {}};
  std::string query_;
  ObjectCommands objects_;
  Fields fields_;
  Fields packet_;
  Fields flows_;
  Fields cleared_;
};

}  // namespace

std::variant<Command, int> parse_command(int argc, const char* const* argv, std::ostream& out,
                                         std::ostream& err) {
  if (auto parsed = parse_controller_command(argc, argv, out, err)) return *std::move(parsed);
  Parser parser;
  if (argc > 2 && std::string_view(argv[1]) == "--complete") {
    const auto live = [&](const std::string& table) { return live_names(parser.socket(), table); };
    for (const auto& word : candidates(parser.app(), {argv + 2, argv + argc}, live)) {
      out << word << '\n';
    }
    return 0;
  }
  return parser.parse(argc, argv, out, err);
}

}  // namespace weft::ctl
