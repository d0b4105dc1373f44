#include "ctl_controller.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>
#include <vector>

#include "ctl_complete.hpp"
#include "ctl_endpoint.hpp"
#include "ctl_fields.hpp"
#include "ctl_objects.hpp"
#include "ctl_rule.hpp"
#include "http/client.hpp"
#include "http/percent.hpp"

namespace weft::ctl {
namespace {

using Answer = Command::Answer;

class ControllerParser {
 public:
  ControllerParser() {
    app_.fallthrough();
    app_.require_subcommand(1);
    app_.add_option("-c,--controller", command_.socket,
                    "the controller's socket, or https://HOST:PORT")
        ->required();
    add_file("--ca", "WEFT_CA", files_.ca, "the certificate of the authority");
    add_file("--cert", "WEFT_CERT", files_.cert, "your certificate");
    add_file("--key", "WEFT_KEY", files_.key, "its key");
    app_.add_flag("--json", command_.json, "print JSON, for programs");
    add_inventory();
    add_network();
    add_route();
    object("security-group", "security groups: who may open sessions to whom",
           {"security-group add web --ingress \"tcp port 80,443\"",
            "security-group set web --member 10.1.0.0/24", "security-group del web"},
           [](CLI::App& command, Fields& fields) {
             fields.texts(command, "--member", "members",
                          "addresses or prefixes in the group; all of them");
             add_rules(command, fields);
           });
    add_shows();
    add_apply();
    add_watch();
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
    const auto named = parse_endpoint(command_.socket);
    if (!named) {
      err << "weftctl: " << named.error().message << '\n';
      return usage_error;
    }
    command_.tls = *named;
    if (command_.tls) command_.tls->files = files_;
    return command_;
  }

  /// What may stand in the place of the last word.
  [[nodiscard]] std::vector<std::string> complete(const std::vector<std::string>& words) const {
    return candidates(app_, words, [&](const std::string& table) -> std::vector<std::string> {
      const auto named = std::ranges::find(words, "-c");
      if (words.end() - named < 2) return {};
      auto endpoint = parse_endpoint(named[1]);
      if (!endpoint) return {};
      if (!*endpoint) return live_names(named[1], table);
      const auto file = [](const char* variable, const std::string& usual) {
        const char* path = std::getenv(variable);
        return path == nullptr ? usual : std::string(path);
      };
      (*endpoint)->files = {.ca = file("WEFT_CA", files_.ca),
                            .cert = file("WEFT_CERT", files_.cert),
                            .key = file("WEFT_KEY", files_.key)};
      return live_names(**endpoint, table);
    });
  }

 private:
  void add_file(const std::string& option, const std::string& variable, std::string& path,
                const std::string& help) {
    app_.add_option(option, path, "over TLS, a PEM file: " + help)
        ->envname(variable)
        ->capture_default_str();
  }

  using Options = std::function<void(CLI::App&, Fields&)>;

  void ask(std::string method, const std::string& path, Answer answer, const Json& body = {}) {
    command_.request.method = std::move(method);
    command_.request.path = path;
    command_.request.body = body.is_null() ? "" : body.dump();
    command_.answer = answer;
  }

  void show(CLI::App& group, const std::string& word, const std::string& help) {
    auto* shown = group.add_subcommand("show", help);
    shown
        ->add_option_function<double>(
            "--watch", [this](double seconds) { command_.watch_s = seconds; },
            "show it again every SECONDS (1)")
        ->expected(0, 1)
        ->default_str("1")
        ->type_name("SECONDS")
        ->check(CLI::Range(0.1, 3600.0));
    shown->final_callback([this, word] { ask("GET", "/v1/" + word, Answer::table); });
  }

  /// WORD show, add, set and del. `key`: reads what names the object.
  void object(const std::string& word, const std::string& what,
              const std::vector<std::string>& lines, const Options& options,
              const Options& key = name_key) {
    auto* group = app_.add_subcommand(word, "Show and change " + what);
    group->require_subcommand(1);
    std::vector<std::string> with_socket;
    for (const auto& line : lines) with_socket.push_back("-c SOCKET " + line);
    group->footer(examples(with_socket));
    show(*group, word, "Show " + what);
    const auto way = [&](const std::string& name, const std::string& method,
                         const std::string& help, bool with_options) {
      auto* command = group->add_subcommand(name, help);
      auto& fields = fields_.emplace_back();
      key(*command, fields);
      if (with_options) options(*command, fields);
      command->final_callback([this, method, word, &fields] {
        ask(method, "/v1/" + word, Answer::message, fields.json());
      });
    };
    way("add", "POST", "Create one; refused when it is there already", true);
    way("set", "PUT", "Create one, or change what is given and leave the rest", true);
    way("del", "DELETE", "Delete one", false);
  }

  static void name_key(CLI::App& command, Fields& fields) {
    fields.text(command, "name", "name", "its name")->required();
  }

  static void add_rules(CLI::App& command, Fields& fields) {
    for (const auto* direction : {"ingress", "egress"}) {
      fields
          .add(command, std::string("--") + direction, direction, rules,
               std::string("a rule of sessions that ") +
                   (*direction == 'i' ? "others open to its VIFs" : "its VIFs open") +
                   "; all of them, in their order; none: nothing is allowed. " + rule_help)
          ->expected(1)
          ->take_all();
    }
  }

  void add_inventory() {
    object("node", "nodes, which run weftd",
           {"node add compute-a --tunnel-address 192.0.2.1", "node set compute-a --kind vxlan",
            "node del compute-a"},
           [](CLI::App& command, Fields& fields) {
             fields.texts(command, "--tunnel-address", "tunnel_addresses",
                          "where its tunnels end; one of each family");
             fields.texts(command, "--kind", "kinds", "tunnel kinds it can have; none: all");
           });
    object("device", "devices of the underlay: switches and routers",
           {"device add leaf1 --address 192.0.2.254", "device set leaf1 --address 192.0.2.253",
            "device del leaf1"},
           [](CLI::App& command, Fields& fields) {
             fields.texts(command, "--address", "addresses", "its addresses; all of them");
           });
    object("link", "links between nodes and devices",
           {"link add a-leaf1 --end compute-a --end leaf1", "link set a-leaf1 --cost 10",
            "link del a-leaf1"},
           [](CLI::App& command, Fields& fields) {
             fields.texts(command, "--end", "ends", "a node or device at one end; both of them");
             fields.number(command, "--cost", "cost", 1000000, "what a way by it costs (1)");
           });
    object("vm", "VMs: one for each interface",
           {"vm add vm1 --node compute-a --network blue --mac 02:00:00:00:01:01 --address "
            "10.1.0.11",
            "vm set vm1 --node compute-b", "vm del vm1"},
           [](CLI::App& command, Fields& fields) {
             fields.text(command, "--node", "node", "that hosts it");
             fields.text(command, "--network", "network", "that it is in");
             fields.text(command, "--mac", "mac", "its MAC address");
             fields.texts(command, "--address", "addresses", "its addresses; all of them");
           });
  }

  void add_network() {
    object("network", "networks",
           {"network add blue --subnet 10.1.0.0/24=10.1.0.1 --tunnel vxlan --tunnel mpls_over_udp",
            "network set blue --tunnel mpls_over_udp", "network del blue"},
           [](CLI::App& command, Fields& fields) {
             fields.add(command, "--subnet", "subnets", subnets, "PREFIX=GATEWAY; all of them")
                 ->take_all();
             fields.texts(command, "--member", "members",
                          "nodes that have it without a VM of it, too; all of them");
             fields.texts(command, "--tunnel", "tunnels",
                          "tunnel kinds in order of preference; all of them (vxlan)");
             fields.number(command, "--id", "id", 0xffffffff, "of the VRF (else chosen)");
             fields.number(command, "--vni", "vni", 0xffffff, "also the key of GRE (else chosen)");
             fields.number(command, "--label", "label", 0xfffff, "of MPLS (else chosen)");
             fields.text(command, "--router-mac", "router_mac", "MAC address of its gateways");
             fields.texts(command, "--import", "import",
                          "route targets whose routes it takes (its own); all of them");
             fields.texts(command, "--export", "export",
                          "route targets of its routes (its own); all of them");
             fields.texts(command, "--security-group", "security_groups",
                          "groups of its VIFs that have none of their own; all of them");
             fields
                 .text(command, "--routes", "routes", "to VMs: as published, or of the inventory")
                 ->type_name("published|inventory")
                 ->check(CLI::IsMember({"published", "inventory"}));
           });
  }

  void add_route() {
    object(
        "route", "routes of networks that one of their nodes leads on",
        {"route add --network blue 0.0.0.0/0 --node gateway-1",
         "route set --network blue 10.9.0.0/16 --discard", "route del --network blue 0.0.0.0/0"},
        [](CLI::App& command, Fields& fields) {
          auto* way = command.add_option_group("way out")->require_option(1);
          fields.text(*way, "--node", "node", "to this node");
          fields.flag(*way, "--discard", "discard", "drop");
        },
        [](CLI::App& command, Fields& fields) {
          fields.text(command, "--network", "network", "the network")->required();
          fields.text(command, "prefix", "prefix", "like 10.1.0.0/24")->required();
        });
  }

  void add_shows() {
    auto* intent = app_.add_subcommand("intent", "All objects, as apply takes them");
    intent->require_subcommand(1);
    show(*intent, "intent", "Show all objects, as apply takes them");
    auto* profile = app_.add_subcommand("profile", "What nodes are told to have");
    profile->require_subcommand(1);
    show(*profile, "profile", "Show what nodes are told to have, and whether they do");
    profile->get_subcommand("show")->add_option_function<std::string>(
        "--node",
        [this](const std::string& node) {
          command_.request.query = "node=" + http::percent_encode(node);
        },
        "of this node alone");
    auto* controller = app_.add_subcommand("controller", "The other controllers of the site");
    controller->require_subcommand(1);
    show(*controller, "controller", "Show whether each is there, and has told all that it knows");
    auto* conflict = app_.add_subcommand("conflict", "Objects that have no place");
    conflict->require_subcommand(1);
    show(*conflict, "conflict",
         "Show objects that controllers were told apart and that do not go together, and why");
    auto* path = app_.add_subcommand("path", "Where a VM is, and the way to it in the underlay");
    path->add_option("TO", to_, "a VM, a node or a device")->required();
    path->add_option("--from", from_, "the way from this VM, node or device");
    path->footer(examples({"-c SOCKET path vm1", "-c SOCKET path vm1 --from vm2"}));
    path->final_callback([this] {
      ask("GET", "/v1/path", Answer::message);
      command_.request.query = "to=" + http::percent_encode(to_) +
                               (from_.empty() ? "" : "&from=" + http::percent_encode(from_));
    });
  }

  void add_apply() {
    auto* apply = app_.add_subcommand("apply", "Make objects what a file says");
    apply->add_option("-f,--file", file_, "a YAML file of objects, or - for standard input")
        ->required();
    auto& fields = fields_.emplace_back();
    fields.flag(*apply, "--dry-run", "dry_run", "only say what would change");
    fields.flag(*apply, "--prune", "prune", "delete all objects that the file does not have");
    apply->footer(examples(
        {"-c SOCKET apply -f networks.yaml --dry-run", "-c SOCKET apply -f networks.yaml"}));
    apply->final_callback([this, &fields] {
      Json body = fields.json();
      body["name"] = file_;
      body["text"] = read_file();
      ask("POST", "/v1/apply", Answer::changes, body);
    });
  }

  void add_watch() {
    auto* watch = app_.add_subcommand("watch", "Tell what changes, as it happens");
    watch->final_callback([this] { ask("GET", "/v1/watch", Answer::events); });
  }

  [[nodiscard]] std::string read_file() const {
    std::ostringstream text;
    if (file_ == "-") {
      text << std::cin.rdbuf();
    } else {
      std::ifstream file(file_, std::ios::binary);
      if (!file) throw CLI::ValidationError("--file", file_ + " cannot be opened");
      text << file.rdbuf();
    }
    return text.str();
  }

  CLI::App app_{
      "weftctl -c SOCKET: ask a controller, and tell it what networks there shall be. Over TLS: -c "
      "https://HOST:PORT, with your certificate.\n\nExit "
      "codes: 0 done; 1 refused; 2 the command line is wrong; 3 the controller cannot be reached.",
      "weftctl"};
  Command command_{.socket = "", .server = "the controller", .naming = "-c", .request = {}};
  tls::Files files_{.ca = default_directory() + "/ca.pem",
                    .cert = default_directory() + "/operator.pem",
                    .key = default_directory() + "/operator.key"};
  std::deque<Fields> fields_;
  std::string to_;
  std::string from_;
  std::string file_;
};

}  // namespace

std::optional<std::variant<Command, int>> parse_controller_command(int argc,
                                                                   const char* const* argv,
                                                                   std::ostream& out,
                                                                   std::ostream& err) {
  const auto names_one = [](std::string_view word) {
    return word == "-c" || word == "--controller" || word.starts_with("--controller=") ||
           (word.starts_with("-c") && !word.starts_with("--"));
  };
  if (std::none_of(argv + 1, argv + argc, names_one)) return std::nullopt;
  ControllerParser parser;
  if (argc > 2 && std::string_view(argv[1]) == "--complete") {
    for (const auto& word : parser.complete({argv + 2, argv + argc})) out << word << '\n';
    return 0;
  }
  return parser.parse(argc, argv, out, err);
}

}  // namespace weft::ctl
