#include "controller/document.hpp"

namespace weft::controller {
namespace {

void read_list(const KindInfo& info, const yaml::Value& list, std::vector<Edit>& into) {
  std::map<std::string, std::string> seen;
  for (const yaml::Value& item : list.items()) {
    auto object = read_object(info.kind, item);
    if (!object) continue;
    Key key = key_of(*object);
    const auto [first, added] = seen.try_emplace(key.name, item.place());
    if (!added && !key.name.empty()) {
      item.error(label(key) + " stands here twice, first as " + first->second);
    }
    into.push_back({std::move(key), std::move(object)});
  }
}

}  // namespace

Document read_document(const std::string& text, const std::string& name) {
  Document out;
  yaml::Report report(name);
  if (const auto root = yaml::parse(text, report)) {
    yaml::Map map(yaml::Value(*root, "", report));
    for (const auto& info : spoken_kinds()) {
      bool good = false;
      map.optional(info.list, good, [&](const yaml::Value& v) -> std::optional<bool> {
        if (v.element().kind == yaml::Element::Kind::null) return true;
        if (v.element().kind != yaml::Element::Kind::list) return v.wanted("a list");
        read_list(info, v, out.edits);
        return true;
      });
    }
    map.finish();
  }
  out.diagnostics = report.sorted();
  if (!out.diagnostics.empty()) out.edits.clear();
  return out;
}

Result<Object> read_json(Kind kind, const Json& json) {
  const auto named = json.is_object() ? json.find("name") : json.end();
  const bool has_name = json.is_object() && named != json.end() && named->is_string();
  const std::string what = std::string(describe(kind).word) +
                           (has_name ? " " + named->get<std::string>() : std::string());
  yaml::Report report("");
  const auto element = agent::to_element(json, what);
  auto object = read_object(kind, yaml::Value(element, "", report));
  std::string wrong;
  for (const auto& d : report.sorted()) {
    wrong +=
        (wrong.empty() ? "" : "\n") + what + ": " + (d.key.empty() ? "" : d.key + ": ") + d.message;
  }
  if (!wrong.empty() || !object) return Error{wrong.empty() ? what + ": cannot be read" : wrong};
  return *std::move(object);
}

}  // namespace weft::controller
