/// What is said here and what other controllers say, brought together.

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "channel/profile_codec.hpp"
#include "controller/controller.hpp"

namespace weft::controller {
namespace {

std::optional<std::chrono::sys_seconds> gone_now(bool gone) {
  if (!gone) return std::nullopt;
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

/// A network's numbers are part of what is said of it.
Key recorded(const Key& key) {
  return key.kind == Kind::numbers ? Key{Kind::network, key.name} : key;
}

/// An object has to fit into a stanza, to a node or to another controller.
Status check_size(const std::vector<Edit>& edits) {
  for (const auto& edit : edits) {
    if (!edit.object) continue;
    const auto bytes = record_json({.key = edit.key, .stamp = {}, .object = edit.object}).size();
    if (bytes <= channel::most_profile_bytes) continue;
    return Error{label(edit.key) + " takes " + std::to_string(bytes) +
                 " bytes of JSON, and no more than " + std::to_string(channel::most_profile_bytes) +
                 " can be told; make several of it"};
  }
  return ok();
}

}  // namespace

Record Controller::record(const Key& key) const {
  Record out{.key = key, .stamp = {}};
  const auto* entry = ledger_.find(key);
  if (entry != nullptr) out.stamp = entry->stamp;
  if (entry != nullptr && entry->aside) {
    out.object = entry->aside->object;
    return out;
  }
  if (const auto* object = model_.find(key)) out.object = *object;
  if (const auto* numbers = model_.find<Numbers>(Kind::numbers, key.name);
      key.kind == Kind::network && numbers != nullptr) {
    out.numbers = *numbers;
  }
  return out;
}

void Controller::say(const Key& key, Outcome& outcome) {
  ledger_.put(key, {.stamp = ledger_.next(), .gone = gone_now(model_.find(key) == nullptr)});
  if (model_.find(key) == nullptr && !settings_.has_peers) ledger_.erase(key);
  outcome.said.insert(key);
}

/// All that was ever said, with these in place of what was said of the same.
std::vector<Record> Controller::records_with(std::vector<Record> news) const {
  std::set<Key> said;
  for (const auto& one : news) said.insert(one.key);
  for (const auto& [key, entry] : ledger_.entries()) {
    if (!said.contains(key)) news.push_back(record(key));
  }
  return news;
}

/// Why one of the edits would have no place among all that was ever said.
Status Controller::check_place(const std::vector<Edit>& edits) {
  std::vector<Record> news;
  for (const auto& edit : edits) {
    news.push_back(record(edit.key));
    news.back().stamp = ledger_.next();
    news.back().object = edit.object;
  }
  const auto admission = admit(records_with(std::move(news)));
  for (const auto& edit : edits) {
    const auto found = admission.aside.find(edit.key);
    if (found == admission.aside.end()) continue;
    return Error{found->second.reason +
                 "; another controller's objects are set aside for such reasons, and go before "
                 "(weftctl -c … conflict show)"};
  }
  return ok();
}

/// Changes that this controller is asked for.
Result<Controller::Outcome> Controller::apply_said(std::vector<Edit> edits) {
  if (const auto small = check_size(edits); !small) return small.error();
  Outcome outcome;
  const bool beside = !ledger_.aside().empty();
  if (beside) {
    if (const auto placed = check_place(edits); !placed) return placed.error();
  }
  auto undo = apply(edits, true);
  if (!undo) return undo.error();
  std::set<Key> said;
  for (const auto& edit : *undo) {
    if (const auto key = recorded(edit.key); spoken(key.kind)) said.insert(key);
  }
  for (const auto& edit : edits) {
    if (ledger_.aside().contains(edit.key)) said.insert(edit.key);
  }
  outcome.undo = *std::move(undo);
  for (const auto& key : said) say(key, outcome);
  if (!beside) return outcome;
  // What had no place may have one now.
  auto after = readmit({});
  if (!after) return after.error();
  std::set<Key> seen;
  for (const auto& edit : outcome.undo) seen.insert(edit.key);
  for (auto& edit : after->undo) {
    if (seen.insert(edit.key).second) outcome.undo.push_back(std::move(edit));
  }
  outcome.said.merge(after->said);
  outcome.listed.merge(after->listed);
  return outcome;
}

/// The edits that make the model what is wanted, applied.
Result<std::vector<Edit>> Controller::become(const Model& wanted) {
  std::vector<Edit> edits;
  for (const auto& [key, object] : model_.objects()) {
    if (key.kind != Kind::member && wanted.find(key) == nullptr) edits.push_back({key, {}});
  }
  for (const auto& [key, object] : wanted.objects()) {
    const auto* here = model_.find(key);
    if (here == nullptr || *here != object) edits.push_back({key, object});
  }
  return apply(std::move(edits), false);
}

/// Works out anew who has a place, of all that was ever said and the news.
Result<Controller::Outcome> Controller::readmit(const std::vector<Record>& news) {
  const auto all = records_with(news);
  auto admission = admit(all);
  auto undo = become(admission.model);
  if (!undo) return undo.error();
  Outcome outcome{.undo = *std::move(undo), .said = {}, .listed = {}};
  for (const auto& one : news) {
    ledger_.put(one.key, {.stamp = one.stamp, .gone = gone_now(!one.object)});
    outcome.listed.insert(one.key);
  }
  for (const auto& one : all) {
    const Key& key = one.key;
    auto entry = *ledger_.find(key);
    const auto found = admission.aside.find(key);
    const auto why = found == admission.aside.end() ? "" : found->second.reason;
    if (why == (entry.aside ? entry.aside->reason : "")) continue;
    entry.aside.reset();
    if (found != admission.aside.end()) {
      SPDLOG_WARN("set aside, as controller {} says it: {}", one.stamp.by, why);
      entry.aside = std::move(found->second);
    } else {
      SPDLOG_INFO("{} has a place again", label(key));
    }
    ledger_.put(key, std::move(entry));
    outcome.listed.insert(key);
  }
  for (const auto& key : admission.renumbered) {
    SPDLOG_WARN("{} gets other numbers: another network has those that it had", label(key));
    say(key, outcome);
  }
  return outcome;
}

bool Controller::merge(std::vector<Record> records) {
  if (state_ != State::working) return false;
  std::erase_if(records, [this](const Record& one) { return !ledger_.counts(one.key, one.stamp); });
  if (records.empty()) return true;
  std::vector<Edit> edits;
  for (const auto& one : records) {
    edits.push_back({one.key, one.object});
    if (one.numbers) edits.push_back({{Kind::numbers, one.key.name}, *one.numbers});
  }
  auto undo = ledger_.aside().empty() ? apply(std::move(edits), false)
                                      : Result<std::vector<Edit>>(Error{"something is set aside"});
  Result<Outcome> outcome = Outcome{};
  if (undo) {
    outcome->undo = *std::move(undo);
    for (const auto& one : records) {
      ledger_.put(one.key, {.stamp = one.stamp, .gone = gone_now(!one.object)});
      outcome->listed.insert(one.key);
    }
  } else {
    outcome = readmit(records);
  }
  if (!outcome) {
    SPDLOG_ERROR("what another controller says cannot be brought together with what is known: {}",
                 outcome.error().message);
    return false;
  }
  settle(*std::move(outcome), {});
  return true;
}

}  // namespace weft::controller
