#include "ctl_rule.hpp"

#include <CLI/CLI.hpp>
#include <sstream>

namespace weft::ctl {

namespace {

struct Clause {
  const char* word;
  const char* key;
  bool list;
};
constexpr Clause clauses[] = {{"type", "icmp_type", false},
                              {"code", "icmp_code", false},
                              {"from", "from", true},
                              {"to", "to", true},
                              {"port", "ports", true},
                              {"ports", "ports", true},
                              {"source-port", "source_ports", true},
                              {"source-ports", "source_ports", true}};

/// A number where it is one, so that it reads as weft.yaml's.
Json value(const std::string& text) {
  const bool digits = !text.empty() && text.size() <= 9 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  return digits ? Json(std::stoul(text)) : Json(text);
}

Json listed(const std::string& text) {
  Json out = Json::array();
  std::istringstream items(text);
  for (std::string item; std::getline(items, item, ',');) out.push_back(value(item));
  return out;
}

}  // namespace

Json rule_json(const std::string& option, const std::string& words) {
  const auto fail = [&](const std::string& what) {
    throw CLI::ValidationError(option, what + "; wanted " + rule_help);
  };
  Json rule = Json::object();
  const auto put = [&](const char* key, Json content) {
    if (rule.contains(key)) fail(std::string(key) + " is given twice");
    rule[key] = std::move(content);
  };
  std::istringstream in(words);
  for (std::string word; in >> word;) {
    const auto* const clause = std::find_if(std::begin(clauses), std::end(clauses),
                                            [&](const Clause& c) { return word == c.word; });
    if (word == "allow" || word == "deny") {
      put("action", word);
    } else if (clause == std::end(clauses)) {
      if (rule.contains("protocol")) fail("what is \"" + word + "\"?");
      put("protocol", value(word));
    } else if (std::string given; in >> given) {
      put(clause->key, clause->list ? listed(given) : value(given));
    } else {
      fail("nothing stands behind " + word);
    }
  }
  return rule;
}

}  // namespace weft::ctl
