#include "ctl_complete.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>

#include "agent/yaml_reader.hpp"
#include "ctl_output.hpp"
#include "weft/tunnel.hpp"

namespace weft::ctl {

namespace {

using Apps = std::vector<const CLI::App*>;

/// Options of a command and its groups.
std::vector<const CLI::Option*> options_of(const CLI::App& app) {
  auto out = app.get_options();
  for (const auto* group : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!group->get_name().empty()) continue;  // a subcommand, not a group of options
    const auto inner = options_of(*group);
    out.insert(out.end(), inner.begin(), inner.end());
  }
  return out;
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> out;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_name().empty()) out.push_back(command->get_name());
  }
  return out;
}

const CLI::App* command_of(const CLI::App& app, const std::string& name) {
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!name.empty() && command->get_name() == name) return command;
  }
  return nullptr;
}

const CLI::Option* option_of(const Apps& path, const std::string& word) {
  for (const auto* app : path) {
    for (const auto* option : options_of(*app)) {
      if (option->nonpositional() && option->check_name(word)) return option;
    }
  }
  return nullptr;
}

/// The commands that were named, from the root on, and what else stands there.
struct Line {
  Apps path;
  std::size_t positionals = 0;
  const CLI::Option* waiting = nullptr;  ///< an option whose value is next
  std::string unknown;                   ///< the first word that is neither
};

Line read(const CLI::App& app, const std::vector<std::string>& words) {
  Line line{{&app}, 0, nullptr, {}};
  for (const auto& word : words) {
    if (!line.unknown.empty()) break;
    if (line.waiting != nullptr) {
      line.waiting = nullptr;
    } else if (word.starts_with("-")) {
      const auto* option = option_of(line.path, word.substr(0, word.find('=')));
      if (option == nullptr) line.unknown = word;
      const bool inline_value = word.find('=') != std::string::npos;
      const bool takes_value = option != nullptr && option->get_expected_max() > 0;
      if (takes_value && !inline_value) line.waiting = option;
    } else if (const auto* command = command_of(*line.path.back(), word)) {
      line.path.push_back(command);
    } else {
      if (!commands_of(*line.path.back()).empty()) line.unknown = word;
      ++line.positionals;
    }
  }
  return line;
}

/// The words among which an option chooses, by its type name, like on|off or NUMBER|copy.
std::vector<std::string> words_of(const std::string& type) {
  std::vector<std::string> words;
  std::istringstream all(type.substr(0, type.find(':')));
  for (std::string word; std::getline(all, word, '|');) {
    if (!word.empty() && std::islower(static_cast<unsigned char>(word[0])) != 0) {
      words.push_back(word);
    }
  }
  return words;
}

std::vector<std::string> values_of(const CLI::Option& option, const LiveNames& live) {
  const auto is = [&](const char* name) { return option.check_name(name); };
  if (is("--vrf") || is("--lookup")) return live("vrf");
  if (is("--vif")) return live("vif");
  if (is("--tunnel")) return live("tunnel");
  if (is("--network")) return live("network");
  if (is("--node") || is("--member")) return live("node");
  if (is("--security-group")) return live("security-group");
  if (is("--port") && option.get_type_name() == "TEXT") return live("port");
  if (is("--proto")) return {"icmp", "tcp", "udp"};
  if (is("--protocol")) return {"icmp", "icmpv6", "sctp", "tcp", "udp"};
  if (is("--state")) return {"one-way", "answered", "opening", "established", "closing"};
  if (is("--sort")) return {"packets", "bytes", "age", "idle"};
  if (is("--kind")) {
    const auto kinds = tunnel_kind_names();
    return {kinds.begin(), kinds.end()};
  }
  if (is("--behaviour")) {
    std::vector<std::string> names;
    for (const auto& [name, behaviour] : segment_behaviours) names.emplace_back(name);
    return names;
  }
  return words_of(option.get_type_name());
}

/// Whether a command of `show` shows one of them by its name, too.
bool takes_name(const CLI::App& app) {
  return std::ranges::any_of(options_of(app), [](const CLI::Option* option) {
    return option->get_positional() && option->get_name() == "name";
  });
}

}  // namespace

std::vector<std::string> candidates(const CLI::App& app, const std::vector<std::string>& words,
                                    const LiveNames& live) {
  if (words.empty()) return {};
  const std::string& typed = words.back();
  const auto line = read(app, {words.begin(), words.end() - 1});
  std::vector<std::string> all;
  if (line.waiting != nullptr) {
    all = values_of(*line.waiting, live);
  } else if (typed.starts_with("-")) {
    for (const auto* command : line.path) {
      for (const auto* option : options_of(*command)) {
        for (const auto& name : option->get_lnames()) all.push_back("--" + name);
      }
    }
  } else {
    all = commands_of(*line.path.back());
    const bool names_one = line.path.size() == 3 && line.positionals == 0;
    const auto way = line.path.back()->get_name();
    if (all.empty() && names_one && (way == "set" || way == "del")) {
      all = live(line.path[1]->get_name());
    } else if (all.empty() && names_one && line.path[1]->get_name() == "show" &&
               takes_name(*line.path.back())) {
      all = live(way);
    }
  }
  std::erase_if(all, [&](const std::string& one) { return !one.starts_with(typed); });
  std::ranges::sort(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::vector<std::string> live_names(const http::Endpoint& endpoint, const std::string& table) {
  const auto response = http::request(endpoint, {"GET", "/v1/" + table, {}, {}});
  std::vector<std::string> out;
  if (!response || response->status != 200) return out;
  const auto answer = parse_answer(response->body);
  if (!answer.is_object() || !answer.contains("rows")) return out;
  const char* key = table == "route" ? "prefix" : table == "neighbour" ? "address" : "name";
  for (const auto& row : answer["rows"]) {
    if (row.contains(key) && row[key].is_string()) out.push_back(row[key]);
  }
  return out;
}

std::string unknown_word(const CLI::App& app, const std::vector<std::string>& words) {
  const auto line = read(app, words);
  if (line.unknown.empty()) return {};
  std::vector<std::string> known;
  if (line.unknown.starts_with("-")) {
    for (const auto* command : line.path) {
      for (const auto* option : options_of(*command)) {
        for (const auto& name : option->get_lnames()) known.push_back("--" + name);
      }
    }
  } else {
    known = commands_of(*line.path.back());
  }
  const std::vector<std::string_view> views(known.begin(), known.end());
  const bool option = line.unknown.starts_with("-");
  return std::string("there is no ") + (option ? "option " : "command ") +
         agent::yaml::quoted(line.unknown) + agent::yaml::did_you_mean(line.unknown, views);
}

}  // namespace weft::ctl
