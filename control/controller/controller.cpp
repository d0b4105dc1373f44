#include "controller/controller.hpp"

#include <spdlog/spdlog.h>

#include <charconv>
#include <sstream>
#include <utility>

#include "controller/document.hpp"

namespace weft::controller {
namespace {

constexpr auto pair_kind = "pair";
constexpr auto meta_kind = "meta";
constexpr auto generation_name = "generation";
constexpr std::chrono::hours remember_gone{30 * 24};

store::Write write_of(const Key& key, const Object* object) {
  return {std::string(describe(key.kind).word), key.name,
          object == nullptr ? std::nullopt : std::optional(object_json(*object).dump())};
}

store::Write write_of(const PairRecord& record) {
  return {pair_kind, record.network + " " + record.pair.sender + " " + record.pair.receiver,
          record.json};
}

std::optional<PairRecord> pair_of(const store::Entry& entry) {
  std::istringstream words(entry.name);
  PairRecord out;
  words >> out.network >> out.pair.sender >> out.pair.receiver;
  out.json = entry.value;
  return words.fail() ? std::nullopt : std::optional(out);
}

void add_writes(const RolloutStep& step, std::vector<store::Write>& writes) {
  for (const auto& record : step.records) writes.push_back(write_of(record));
  writes.push_back({meta_kind, generation_name, std::to_string(step.generation)});
}

}  // namespace

Controller::Controller(std::unique_ptr<store::Store> store, ControllerSettings settings,
                       Clock clock)
    : store_(std::move(store)),
      settings_(std::move(settings)),
      clock_(std::move(clock)),
      ledger_(settings_.name) {}

Status Controller::start() {
  auto step = load();
  if (!step) return step.error();
  keep(*std::move(step), {}, {}, {});
  return ok();
}

Result<RolloutStep> Controller::load() {
  const auto entries = store_->load();
  if (!entries) return entries.error();
  model_ = Model();
  ledger_ = Ledger(settings_.name);
  planner_ = std::make_unique<Planner>(model_, settings_.as_number);
  std::vector<Edit> edits;
  std::vector<PairRecord> records;
  std::uint64_t generation = 0;
  for (const auto& entry : *entries) {
    const Error unreadable{"the state holds " + entry.kind + " " + entry.name +
                           ", which cannot be read: " + entry.value.substr(0, 200)};
    if (const auto kind = kind_of_word(entry.kind)) {
      const auto json = Json::parse(entry.value, nullptr, false);
      auto object = json.is_discarded() ? Result<Object>(unreadable) : read_json(*kind, json);
      if (!object) return Error{unreadable.message + " (" + object.error().message + ")"};
      Key key = key_of(*object);
      edits.push_back({std::move(key), *std::move(object)});
    } else if (entry.kind == pair_kind) {
      auto record = pair_of(entry);
      if (!record) return unreadable;
      records.push_back(*std::move(record));
    } else if (entry.kind == Ledger::kind) {
      if (const auto read = ledger_.read(entry); !read) return read.error();
    } else if (entry.kind == meta_kind && entry.name == generation_name) {
      std::from_chars(entry.value.data(), entry.value.data() + entry.value.size(), generation);
    } else {
      return unreadable;
    }
  }
  std::set<std::string> networks;
  std::set<std::string> nodes;
  for (const auto& edit : edits) {
    if (edit.key.kind == Kind::network) networks.insert(edit.key.name);
    if (edit.key.kind == Kind::node) nodes.insert(edit.key.name);
    if (spoken(edit.key.kind) && ledger_.find(edit.key) == nullptr) ledger_.put(edit.key, {});
  }
  model_.restore(std::move(edits));
  for (const auto& network : networks) planner_->index(network);
  rollout_ = std::make_unique<Rollout>(
      [this](const std::string& network) { return planner_->plan(network); }, settings_.timers,
      settings_.underlay);
  return rollout_->restore(generation, nodes, networks, records, clock_());
}

Result<std::vector<Edit>> Controller::apply(std::vector<Edit> edits, bool judge_numbers) {
  std::set<std::string> touched;
  std::set<Key> keys;
  for (const auto& edit : edits) keys.insert(edit.key);
  for (const auto& key : keys) touched.merge(planner_->touched(key));
  Model::Refusal in_use = [this](const Numbers& numbers) {
    const auto user = rollout_->in_use(numbers);
    if (!user) return std::optional<std::string>();
    return std::optional("a number of it (VNI " + std::to_string(numbers.vni) + ", label " +
                         std::to_string(numbers.label) + ") is still let in for network " + *user +
                         ", whose change is not done; try again when it is, or choose another");
  };
  auto undo = model_.apply(std::move(edits), judge_numbers ? in_use : Model::Refusal());
  if (!undo) return undo;
  for (const auto& edit : *undo) {
    keys.insert(edit.key);
    if (edit.key.kind == Kind::network || edit.key.kind == Kind::numbers) {
      planner_->index(edit.key.name);
    }
    if (edit.key.kind == Kind::node) {
      rollout_->known(edit.key.name, model_.find(edit.key) != nullptr);
    }
  }
  for (const auto& key : keys) touched.merge(planner_->touched(key));
  for (const auto& key : keys) {
    // Of those that are gone, whom nothing leads to any more.
    if (key.kind == Kind::network) touched.insert(key.name);
  }
  for (const auto& name : touched) rollout_->touch(name);
  return undo;
}

Changes Controller::changes_of(const std::vector<Edit>& undo) const {
  Changes out;
  for (const auto& edit : undo) {
    if (!spoken(edit.key.kind)) continue;
    const Object* now = model_.find(edit.key);
    out.objects.push_back(
        {edit.key, edit.object, now == nullptr ? std::nullopt : std::optional(*now)});
  }
  return out;
}

void Controller::change(std::vector<Edit> edits, Done done) {
  if (state_ != State::working) return done(Error{"nothing can be changed now: " + trouble_});
  auto outcome = apply_said(std::move(edits));
  if (!outcome) return done(outcome.error());
  settle(*std::move(outcome), std::move(done));
}

/// Brings what has changed in memory onto the disk, and to whom it concerns.
void Controller::settle(Outcome outcome, Done done) {
  std::vector<store::Write> writes;
  for (const auto& edit : outcome.undo) writes.push_back(write_of(edit.key, model_.find(edit.key)));
  for (const auto& key : outcome.said) outcome.listed.insert(key);
  for (const auto& key : outcome.listed) writes.push_back(ledger_.write_of(key));
  auto step = rollout_->advance(clock_());
  Changes changes = changes_of(outcome.undo);
  changes.generation = step.generation;
  changes.said.assign(outcome.said.begin(), outcome.said.end());
  keep(std::move(step), std::move(writes), std::move(changes), std::move(done));
}

Result<Changes> Controller::rehearse(std::vector<Edit> edits) {
  auto undo = model_.apply(std::move(edits));
  if (!undo) return undo.error();
  Changes changes = changes_of(*undo);
  changes.generation = rollout_->generation();
  model_.restore(*std::move(undo));
  return changes;
}

void Controller::keep(RolloutStep step, std::vector<store::Write> writes, Changes changes,
                      Done done) {
  add_writes(step, writes);
  store_->commit(std::move(writes), [this, step = std::move(step), changes = std::move(changes),
                                     done = std::move(done)](const Status& status) {
    if (status) {
      kept(step, changes);
    } else {
      lose(status.error());
    }
    if (!done) return;
    done(status ? Result<Changes>(changes) : Result<Changes>(status.error()));
  });
}

void Controller::kept(const RolloutStep& step, const Changes& changes) {
  if (!changes.objects.empty() && on_objects) on_objects(changes);
  if (!changes.said.empty() && on_said) on_said(changes.said);
  if (!step.changes.empty() && on_profiles) on_profiles(step);
  if (!on_event) return;
  for (const auto& object : changes.objects) {
    const char* what = !object.before ? "added" : !object.after ? "removed" : "changed";
    Json event{{"event", what},
               {"kind", describe(object.key.kind).word},
               {"name", object.key.name},
               {"generation", changes.generation}};
    if (object.after) event["object"] = object_json(*object.after);
    on_event(event);
  }
  std::map<std::string, std::size_t> told;
  for (const auto& change : step.changes) ++told[change.node];
  for (const auto& [node, count] : told) {
    on_event(
        {{"event", "told"}, {"node", node}, {"generation", step.generation}, {"profiles", count}});
  }
}

/// What is in memory is not on the disk, so the disk's word counts again.
void Controller::lose(const Error& reason) {
  if (trouble_ != reason.message) SPDLOG_ERROR("{}", reason.message);
  trouble_ = reason.message;
  state_ = State::lost;
  retry_at_ = clock_();
  if (on_trouble) on_trouble();
}

void Controller::recover() {
  retry_at_ = clock_() + settings_.retry;
  store_->resume();
  auto step = load();
  if (!step) {
    trouble_ = step.error().message;
    return;
  }
  state_ = State::reading;
  for (const auto& [node, said] : applied_) {
    rollout_->applied(node, said.first, said.second, clock_());
  }
  std::vector<store::Write> writes;
  add_writes(*step, writes);
  store_->commit(std::move(writes), [this](const Status& status) {
    if (!status) {
      trouble_ = status.error().message;
      return;
    }
    SPDLOG_INFO("the state can be written again; all nodes are told of it anew");
    state_ = State::working;
    trouble_.clear();
    retry_at_.reset();
    if (on_restart) on_restart();
    advance();
  });
}

/// What has been gone for so long that every controller has heard of it.
void Controller::forget_old() {
  using namespace std::chrono;
  if (clock_() < forget_at_) return;
  forget_at_ = clock_() + hours(1);
  std::vector<store::Write> writes;
  for (const auto& key : ledger_.forget(floor<seconds>(system_clock::now() - remember_gone))) {
    writes.push_back(ledger_.write_of(key));
  }
  if (writes.empty()) return;
  RolloutStep nothing;
  nothing.generation = rollout_->generation();
  keep(std::move(nothing), std::move(writes), {}, {});
}

void Controller::advance() {
  if (state_ != State::working) return;
  auto step = rollout_->advance(clock_());
  if (!step.empty()) keep(std::move(step), {}, {}, {});
}

void Controller::when_kept(std::function<void()> done) {
  store_->commit({}, [done = std::move(done)](const Status&) { done(); });
}

Status Controller::applied(const std::string& node, std::uint64_t generation,
                           const std::map<std::string, std::string>& refused) {
  if (generation > rollout_->generation()) {
    return Error{"node " + node + " cannot have applied generation " + std::to_string(generation) +
                 ": the last one is " + std::to_string(rollout_->generation())};
  }
  applied_.insert_or_assign(node, std::pair(generation, refused));
  rollout_->applied(node, generation, refused, clock_());
  if (on_event) {
    Json event{{"event", "applied"}, {"node", node}, {"generation", generation}};
    for (const auto& [key, reason] : refused) event["refused"][key] = reason;
    on_event(event);
  }
  advance();
  return ok();
}

void Controller::tick() {
  if (state_ == State::working) {
    forget_old();
    return advance();
  }
  if (clock_() >= *retry_at_) recover();
}

std::optional<Time> Controller::due() const {
  return state_ == State::working ? rollout_->due() : retry_at_;
}

}  // namespace weft::controller
