#include "ctl_objects.hpp"

#include <sstream>

#include "ctl_rule.hpp"

namespace weft::ctl {

namespace {

/// What tells a tunnel's network; the kind says which of them.
void network(CLI::App& command, Fields& fields) {
  fields.number(command, "--vni", "vni", 0xffffff, "virtual network identifier");
  fields.number(command, "--key", "key", 0xffffffff, "key of GRE (else there is none)");
  fields.number(command, "--label", "label", 0xfffff, "MPLS label");
  fields.numbers(command, "--outer-label", "labels",
                 "MPLS label in front of it, the outermost first; all of them");
  fields.texts(command, "--option", "options",
               "of GENEVE, or metadata of NSH, as CLASS:TYPE:DATA in hex; all of them");
  fields.number(command, "--path", "path", 0xffffff, "service path of NSH");
  fields.number(command, "--index", "index", 255, "service index of NSH (255)");
}

/// NAME=BITS/MASK, for each mark.
Json marks(const CLI::Option& option) {
  Json out = Json::array();
  for (const auto& word : option.as<std::vector<std::string>>()) {
    const auto equals = word.find('=');
    const auto slash = word.find('/', equals);
    if (equals == std::string::npos || slash == std::string::npos) {
      throw CLI::ValidationError(
          "--mark", "wanted NAME=BITS/MASK, like bare-metal=0000000000000001/00000000000000ff");
    }
    out.push_back({{"name", word.substr(0, equals)},
                   {"bits", word.substr(equals + 1, slash - equals - 1)},
                   {"mask", word.substr(slash + 1)}});
  }
  return out;
}

/// A word, or a list of them.
Json one_or_more(const CLI::Option& option) {
  auto words = option.as<std::vector<std::string>>();
  return words.size() == 1 ? Json(words.front()) : Json(words);
}

/// KIND:NAME, for each member.
Json members(const CLI::Option& option) {
  Json out = Json::array();
  for (const auto& word : option.as<std::vector<std::string>>()) {
    const auto colon = word.find(':');
    const auto kind = word.substr(0, colon);
    if (colon == std::string::npos || (kind != "tunnel" && kind != "vif")) {
      throw CLI::ValidationError("--ecmp", "wanted tunnel:NAME or vif:NAME, like tunnel:to-b");
    }
    out.push_back({{kind, word.substr(colon + 1)}});
  }
  return out;
}

void mss_clamp(CLI::App& command, Fields& fields) {
  fields
      .text(command, "--mss-clamp", "mss_clamp",
            "lower the MSS of TCP connections to so many bytes, or auto: what fits")
      ->type_name("BYTES|auto|off");
}

/// An option that says that there are none.
CLI::Option* empty_list(CLI::App& command, Fields& fields, const std::string& option,
                        const std::string& key) {
  return fields.flag(command, option, key, "an empty list of them",
                     [](const CLI::Option&) { return Json::array(); });
}

/// --security-group, and --no-security-groups, which says that there are none.
void security_groups(CLI::App& command, Fields& fields, const std::string& help) {
  auto* some = fields.texts(command, "--security-group", "security_groups", help);
  empty_list(command, fields, "--no-security-groups", "security_groups")->excludes(some);
}

}  // namespace

Json subnets(const CLI::Option& option) {
  Json out = Json::array();
  for (const auto& word : option.as<std::vector<std::string>>()) {
    const auto equals = word.find('=');
    if (equals == std::string::npos) {
      throw CLI::ValidationError("--subnet", "wanted PREFIX=GATEWAY, like 10.1.0.0/24=10.1.0.1");
    }
    out.push_back({{"prefix", word.substr(0, equals)}, {"gateway", word.substr(equals + 1)}});
  }
  return out;
}

Json rules(const CLI::Option& option) {
  Json out = Json::array();
  for (const auto& words : option.results()) {
    if (words != "none") out.push_back(rule_json(option.get_name(), words));
  }
  return out;
}

std::string examples(const std::vector<std::string>& lines) {
  std::string out = lines.size() == 1 ? "\nExample:" : "\nExamples:";
  for (const auto& line : lines) out += "\n  weftctl " + line;
  return out;
}

Fields& ObjectCommands::make_fields() {
  fields_.push_back(std::make_unique<Fields>());
  return *fields_.back();
}

void ObjectCommands::kind(CLI::App& app, const Kind& kind,
                          const std::function<void(CLI::App&, Fields&, Fields&)>& options) {
  auto* group = app.add_subcommand(kind.word, "Change " + kind.what);
  group->require_subcommand(1);
  std::istringstream lines(kind.examples);
  std::vector<std::string> all;
  for (std::string line; std::getline(lines, line);) all.push_back(line);
  group->footer(examples(all));

  const auto way = [&](const std::string& name, const std::string& method, const std::string& help,
                       const std::string& example, bool with_options) {
    auto* command = group->add_subcommand(name, help);
    command->footer(examples({example}));
    auto& fields = make_fields();
    auto& via = make_fields();
    if (kind.word == "route") {
      fields.text(*command, "--vrf", "vrf", "the VRF, or underlay")->required();
    }
    fields.text(*command, kind.key, kind.key, kind.key_help)->required();
    if (with_options) options(*command, fields, via);
    command->final_callback([this, method, word = kind.word, &fields, &via] {
      Json body = fields.json();
      if (const Json target = via.json(); !target.empty()) body["via"] = target;
      ask_(method, "/v1/" + word, body);
    });
  };
  way("add", "POST", "Create one; refused when it is there already", all.at(0), true);
  way("set", "PUT", "Create one, or change what is given and leave the rest", all.at(1), true);
  way("del", "DELETE",
      "Delete one that the API made; where the configuration file has one, that is back", all.at(2),
      false);
}

void ObjectCommands::add_to(CLI::App& app, Ask ask) {
  ask_ = std::move(ask);
  kind(app,
       {"route", "routes", "prefix", "like 10.1.0.0/24",
        "route add --vrf blue 10.1.0.12/32 --tunnel to-b\n"
        "route set --vrf underlay 0.0.0.0/0 --gateway 192.0.2.254\n"
        "route del --vrf blue 10.1.0.12/32"},
       [](CLI::App& command, Fields&, Fields& via) {
         auto* way = command.add_option_group("way out")->require_option(1);
         via.text(*way, "--tunnel", "tunnel", "into this tunnel");
         via.text(*way, "--vif", "vif", "to this vif");
         via.text(*way, "--lookup", "vrf", "look up again in this VRF");
         via.add(*way, "--ecmp", "ecmp", members,
                 "tunnel:NAME or vif:NAME, several times: flows spread over all of them")
             ->take_all();
         via.add(*way, "--gateway", "gateway", one_or_more,
                 "to this neighbour (underlay); several times: flows spread over all of them")
             ->take_all();
         via.flag(*way, "--discard", "discard", "drop");
       });
  kind(app,
       {"tunnel", "tunnels, the encapsulations", "name", "the tunnel's name",
        "tunnel add to-b --kind vxlan --vni 100 --remote 192.0.2.2 --inner-destination-mac "
        "02:00:5e:00:01:01\n"
        "tunnel set to-b --remote 192.0.2.3\n"
        "tunnel del to-b"},
       [](CLI::App& command, Fields& fields, Fields&) {
         fields.text(command, "--remote", "remote", "outer destination address");
         fields.text(command, "--local", "local", "outer source (else the node's tunnel address)");
         network(command, fields);
         fields.number(command, "--port", "port", 65535, "UDP destination port (the kind's own)");
         fields.text(command, "--source-ports", "source_ports", "UDP source ports, A-B");
         fields.text(command, "--inner-destination-mac", "inner_destination_mac",
                     "destination of the inner frame");
         fields.text(command, "--kind", "kind", "tunnel kind, like vxlan, geneve or gre");
         fields.texts(command, "--segment", "segments",
                      "of SRv6, in the order of the visits; all of them, instead of --remote");
         fields.on_off(command, "--reduced", "reduced",
                       "SRv6: leave the first segment out of the header");
         fields.text(command, "--reserved", "reserved",
                     "reserved bits of VXLAN and VXLAN-GPE that are sent: 16 hex digits");
         fields.text(command, "--context", "context", "of NSH with MD type 1: 32 hex digits");
         fields.text(command, "--payload", "payload", "what is inside: ethernet, ip or nsh");
         fields.number_or_copy(command, "--ttl", "ttl", 255,
                               "outer TTL or hop limit (64), or the inner packet's");
         fields.number_or_copy(command, "--dscp", "dscp", 63,
                               "outer DSCP (0), or the inner packet's");
         fields.on_off(command, "--zero-udp-checksum6", "zero_udp_checksum6",
                       "send UDP checksum zero over IPv6");
         fields.on_off(command, "--outer-fragmentation", "outer_fragmentation",
                       "send what is too large in pieces of the outer packet");
         mss_clamp(command, fields);
       });
  kind(app,
       {"decap", "decapsulations: what is let in", "name", "the decap's name",
        "decap add from-b --kind vxlan --vni 100 --vrf blue --source 192.0.2.0/24\n"
        "decap set from-b --source 192.0.2.2/32 --source 192.0.2.3/32\n"
        "decap del from-b"},
       [](CLI::App& command, Fields& fields, Fields&) {
         fields.text(command, "--kind", "kind", "tunnel kind, like vxlan, geneve or gre");
         network(command, fields);
         auto* vrf = fields.text(command, "--vrf", "vrf", "look inner packets up in this VRF");
         fields.text(command, "--vif", "vif", "or hand them to this vif")->excludes(vrf);
         fields.text(command, "--tunnel", "tunnel", "of NSH: on by this tunnel, of payload nsh");
         fields.text(command, "--gateway", "gateway", "of SRv6 End.X: this neighbour gets it");
         fields.text(command, "--sid", "sid", "of SRv6: the segment, instead of --local");
         fields.text(command, "--behaviour", "behaviour", "of SRv6, like End.DT46");
         fields.texts(command, "--source", "sources", "accepted outer sources; all of them");
         fields.text(command, "--local", "local", "outer destination (else the node's)");
         fields.number(command, "--port", "port", 65535, "UDP destination port (the kind's own)");
         fields.on_off(command, "--zero-udp-checksum6", "zero_udp_checksum6",
                       "take UDP checksum zero over IPv6");
         auto* some = fields
                          .add(command, "--mark", "marks", marks,
                               "NAME=BITS/MASK of reserved bits, each 16 hex digits: packets "
                               "with them count under the name; all of them")
                          ->take_all();
         empty_list(command, fields, "--no-marks", "marks")->excludes(some);
         fields.keep_or_copy(command, "--dscp", "dscp",
                             "the inner DSCP stays as it is (keep), or becomes the outer one");
       });
  kind(app,
       {"vif", "virtual interfaces", "name", "the vif's name",
        "vif add vm1 --device tap:vm1@vm1-ns --vrf blue --mac 02:00:00:00:01:01 --address "
        "10.1.0.11\n"
        "vif set vm1 --address 10.1.0.11 --address fd00:1::11\n"
        "vif del vm1"},
       [](CLI::App& command, Fields& fields, Fields&) {
         fields.text(command, "--device", "device", "like tap:vm1 or tap:vm1@NETNS; with add only");
         fields.text(command, "--vrf", "vrf", "the VRF it is in");
         fields.text(command, "--mac", "mac", "the VM's MAC address; with add only");
         fields.texts(command, "--address", "addresses", "addresses it may use; all of them");
         fields.number(command, "--mtu", "mtu", 9000, "largest IP packet (1500); with add only");
         fields.on_off(command, "--anti-spoofing", "anti_spoofing",
                       "drop what it sends from other addresses (on)");
         fields.on_off(command, "--flows", "flows", "keep flows of what it sends and gets (on)");
         mss_clamp(command, fields);
         security_groups(command, fields,
                         "the groups it is in, in their order; all of them (else the VRF's)");
       });
  kind(app,
       {"vrf", "routing tables", "name", "the VRF's name",
        "vrf add blue --id 1 --subnet 10.1.0.0/24=10.1.0.1\n"
        "vrf set blue --subnet 10.1.0.0/24=10.1.0.1 --subnet fd00:1::/64=fd00:1::1\n"
        "vrf del blue"},
       [](CLI::App& command, Fields& fields, Fields&) {
         fields.number(command, "--id", "id", 0xffffffff, "the operator's number, not 0");
         fields.text(command, "--router-mac", "router_mac", "MAC address of the VRF's gateways");
         fields.add(command, "--subnet", "subnets", subnets, "PREFIX=GATEWAY; all of them")
             ->take_all();
         security_groups(command, fields,
                         "groups of its VIFs that have none of their own; all of them");
       });
  kind(app,
       {"security-group", "security groups: who may open sessions to whom", "name",
        "the group's name",
        "security-group add web --ingress \"tcp port 80,443\" --ingress \"icmp type 8\"\n"
        "security-group set web --ingress \"deny tcp from 10.9.0.0/16\" --ingress \"tcp from "
        "group:lb port 80\" --egress none\n"
        "security-group del web"},
       [](CLI::App& command, Fields& fields, Fields&) {
         fields.texts(command, "--member", "members",
                      "addresses or prefixes in the group beyond this node's VIFs; all of them");
         for (const auto* direction : {"ingress", "egress"}) {
           fields
               .add(command, std::string("--") + direction, direction, rules,
                    std::string("a rule of sessions that ") +
                        (*direction == 'i' ? "others open to its VIFs" : "its VIFs open") +
                        "; all of them, in their order; none: nothing is allowed. " + rule_help)
               ->expected(1)
               ->take_all();
         }
       });
  kind(app,
       {"neighbour", "static neighbours of the underlay", "address", "its IP address",
        "neighbour add 192.0.2.9 --mac 02:00:00:00:00:09\n"
        "neighbour set 192.0.2.9 --mac 02:00:00:00:00:0a\n"
        "neighbour del 192.0.2.9"},
       [](CLI::App& command, Fields& fields, Fields&) {
         fields.text(command, "--mac", "mac", "its MAC address");
       });
}

}  // namespace weft::ctl
