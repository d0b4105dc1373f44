#include "controller/ledger.hpp"

#include <algorithm>
#include <set>

#include "controller/document.hpp"

namespace weft::controller {
namespace {

std::string entry_name(const Key& key) {
  return std::string(describe(key.kind).word) + "/" + key.name;
}

std::optional<Key> parse_entry_name(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const auto kind = kind_of_word(text.substr(0, slash));
  return kind ? std::optional(Key{*kind, text.substr(slash + 1)}) : std::nullopt;
}

std::vector<Edit> edits_of(const Record& record, bool with_numbers) {
  std::vector<Edit> out{{record.key, record.object}};
  if (record.numbers && with_numbers) {
    out.push_back({{Kind::numbers, record.key.name}, *record.numbers});
  }
  return out;
}

/// Leaves those out whose references lead nowhere, and those who refer to these, and so on.
void prune(const Model& model, std::vector<Record>& records, std::map<Key, Aside>& aside) {
  std::set<Key> here;
  for (const auto& record : records) here.insert(record.key);
  for (bool again = true; again;) {
    again = false;
    std::erase_if(records, [&](Record& record) {
      for (const auto& to : references(*record.object)) {
        if (model.find(to) != nullptr || here.contains(to)) continue;
        aside.emplace(record.key, Aside{*std::move(record.object),
                                        label(record.key) + ": there is no " + label(to)});
        here.erase(record.key);
        return again = true;
      }
      return false;
    });
  }
}

/// Those of one kind, who may name one another: all at once, or else the older before the younger.
void admit_kind(std::vector<Record> records, Admission& out) {
  prune(out.model, records, out.aside);
  std::vector<Edit> all;
  for (const auto& record : records) {
    for (auto& edit : edits_of(record, true)) all.push_back(std::move(edit));
  }
  if (out.model.apply(std::move(all))) return;
  std::ranges::sort(records, {}, &Record::stamp);
  for (auto& record : records) {
    if (out.model.apply(edits_of(record, true))) continue;
    const auto refused = out.model.apply(edits_of(record, false));
    if (!refused) {
      out.aside.emplace(record.key, Aside{*std::move(record.object), refused.error().message});
    } else if (record.numbers) {
      out.renumbered.push_back(record.key);
    }
  }
}

}  // namespace

std::optional<Kind> kind_of_word(std::string_view word) {
  for (const auto& info : kinds) {
    if (info.word == word) return info.kind;
  }
  return std::nullopt;
}

bool Ledger::counts(const Key& key, const Stamp& stamp) const {
  const auto* known = find(key);
  return known == nullptr || known->stamp < stamp;
}

void Ledger::put(const Key& key, Entry entry) {
  count_ = std::max(count_, entry.stamp.count);
  aside_.erase(key);
  if (entry.aside) aside_.emplace(key, *entry.aside);
  entries_.insert_or_assign(key, std::move(entry));
}

void Ledger::erase(const Key& key) {
  entries_.erase(key);
  aside_.erase(key);
}

std::vector<Key> Ledger::forget(std::chrono::sys_seconds before) {
  std::vector<Key> out;
  for (const auto& [key, entry] : entries_) {
    if (entry.gone && *entry.gone < before) out.push_back(key);
  }
  for (const auto& key : out) erase(key);
  return out;
}

const Ledger::Entry* Ledger::find(const Key& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

store::Write Ledger::write_of(const Key& key) const {
  store::Write out{kind, entry_name(key), std::nullopt};
  const auto* entry = find(key);
  if (entry == nullptr) return out;
  Json json{{"count", entry->stamp.count}, {"by", entry->stamp.by}};
  if (entry->gone) json["gone"] = entry->gone->time_since_epoch().count();
  if (entry->aside) {
    json["aside"] = object_json(entry->aside->object);
    json["reason"] = entry->aside->reason;
  }
  out.value = json.dump();
  return out;
}

Status Ledger::read(const store::Entry& entry) {
  const Error unreadable{"the state holds " + entry.kind + " " + entry.name +
                         ", which cannot be read: " + entry.value.substr(0, 200)};
  const auto key = parse_entry_name(entry.name);
  const auto json = Json::parse(entry.value, nullptr, false);
  if (!key || !json.is_object() || !json.contains("count") || !json["count"].is_number_unsigned()) {
    return unreadable;
  }
  Entry out{.stamp = {json["count"].get<std::uint64_t>(), agent::text_of(json, "by")}, .gone = {}};
  if (json.contains("gone") && json["gone"].is_number_integer()) {
    out.gone = std::chrono::sys_seconds(std::chrono::seconds(json["gone"].get<std::int64_t>()));
  }
  if (json.contains("aside")) {
    auto object = read_json(key->kind, json["aside"]);
    if (!object) return Error{unreadable.message + " (" + object.error().message + ")"};
    out.aside = Aside{*std::move(object), agent::text_of(json, "reason")};
  }
  put(*key, std::move(out));
  return ok();
}

Admission admit(std::vector<Record> records) {
  Admission out;
  std::map<Kind, std::vector<Record>> by_kind;
  for (auto& record : records) {
    if (record.object) by_kind[record.key.kind].push_back(std::move(record));
  }
  for (auto& [kind, of_kind] : by_kind) admit_kind(std::move(of_kind), out);
  return out;
}

std::string record_json(const Record& record) {
  if (!record.object) return {};
  Json json{{"object", object_json(*record.object)}};
  if (record.numbers) json["numbers"] = object_json(*record.numbers);
  return json.dump();
}

Result<Record> read_record(const std::string& kind, const std::string& name, Stamp stamp,
                           const std::string& json) {
  const auto known = kind_of_word(kind);
  if (!known || !spoken(*known)) {
    return Error{"there is no kind of object " + yaml::quoted(kind)};
  }
  Record out{.key = {*known, name}, .stamp = std::move(stamp)};
  if (json.empty()) return out;
  const auto parsed = Json::parse(json, nullptr, false);
  if (!parsed.is_object() || !parsed.contains("object")) {
    return Error{label(out.key) + ": its text is no JSON object with an object in it"};
  }
  auto object = read_json(*known, parsed["object"]);
  if (!object) return object.error();
  if (key_of(*object) != out.key)
    return Error{label(out.key) + ": it is that of " + label(key_of(*object))};
  out.object = *std::move(object);
  if (!parsed.contains("numbers")) return out;
  auto numbers = read_json(Kind::numbers, parsed["numbers"]);
  if (!numbers) return numbers.error();
  const auto& read = std::get<Numbers>(*numbers);
  if (*known != Kind::network || read.network != name) {
    return Error{label(out.key) + ": its numbers are those of network " + read.network};
  }
  out.numbers = read;
  return out;
}

}  // namespace weft::controller
