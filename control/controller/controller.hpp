#pragma once
/// The controller's core: every change is checked, kept on the disk, and only then answered to and
/// told to nodes. One thread; no sockets.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controller/ledger.hpp"
#include "controller/rollout.hpp"
#include "store/store.hpp"

namespace weft::controller {

struct ControllerSettings {
  std::string name;                 ///< different from that of every other controller of the site
  bool has_peers = false;           ///< they are to hear of what is gone, too
  std::uint32_t as_number = 64512;  ///< in networks' own route targets (RFC 6996: private)
  RolloutTimers timers{};
  std::vector<IpPrefix> underlay;         ///< see render() in profile.hpp
  std::chrono::milliseconds retry{1000};  ///< after the store failed
};

/// What became of one object.
struct ObjectChange {
  Key key;
  std::optional<Object> before;
  std::optional<Object> after;
};

struct Changes {
  std::vector<ObjectChange> objects;  ///< those that an operator speaks of
  std::uint64_t generation = 0;
  std::vector<Key> said;  ///< what other controllers are to hear of
};

class Controller {
 public:
  using Clock = std::function<Time()>;
  using Done = std::function<void(const Result<Changes>&)>;

  Controller(
      std::unique_ptr<store::Store> store, ControllerSettings settings,
      Clock clock = [] { return std::chrono::steady_clock::now(); });
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  /// Reads what the store has. An Error names what in it cannot be read.
  Status start();

  /// All edits or none. `done` is called once they are on the disk, or with the reason why nothing
  /// has changed.
  void change(std::vector<Edit> edits, Done done);
  /// What change() would answer.
  Result<Changes> rehearse(std::vector<Edit> edits);
  /// What another controller tells, as far as it is news. False: not now, and all of it is wanted
  /// again behind on_restart.
  bool merge(std::vector<Record> records);
  /// What others are to hear of an object.
  [[nodiscard]] Record record(const Key& key) const;
  [[nodiscard]] const Ledger& ledger() const { return ledger_; }
  /// Calls back when all that was said before is on the disk, or is not going to be.
  void when_kept(std::function<void()> done);

  /// See Rollout.
  Status applied(const std::string& node, std::uint64_t generation,
                 const std::map<std::string, std::string>& refused);
  /// To be called when due() says so; calls that come too often do no harm.
  void tick();
  [[nodiscard]] std::optional<Time> due() const;

  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] const Planner& planner() const { return *planner_; }
  [[nodiscard]] const Rollout& rollout() const { return *rollout_; }
  [[nodiscard]] Time now() const { return clock_(); }
  /// Why nothing can be changed at the moment; empty: it can.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  /// Whether what model() and rollout() say is on the disk.
  [[nodiscard]] bool lost() const { return state_ == State::lost; }

  /// What nodes are to be told, in the order of generations.
  std::function<void(const RolloutStep&)> on_profiles;
  /// Objects that an operator speaks of have changed, and are on the disk.
  std::function<void(const Changes&)> on_objects;
  /// What was said here of objects is on the disk: record() has it.
  std::function<void(const std::vector<Key>&)> on_said;
  /// Nothing can be kept at the moment: trouble() says why.
  std::function<void()> on_trouble;
  /// All nodes and controllers are to be told everything anew.
  std::function<void()> on_restart;
  /// For those who watch: what happened, as one JSON object.
  std::function<void(const Json&)> on_event;

 private:
  /// `lost`: the disk does not have what is in memory. `reading`: it has, but takes nothing new.
  enum class State { working, reading, lost };

  /// What a change came to beside its edits.
  struct Outcome {
    std::vector<Edit> undo;
    std::set<Key> said;    ///< here and now
    std::set<Key> listed;  ///< in the ledger, anew
  };

  Result<std::vector<Edit>> apply(std::vector<Edit> edits, bool judge_numbers);
  Result<Outcome> apply_said(std::vector<Edit> edits);
  [[nodiscard]] std::vector<Record> records_with(std::vector<Record> news) const;
  [[nodiscard]] Status check_place(const std::vector<Edit>& edits);
  Result<Outcome> readmit(const std::vector<Record>& news);
  Result<std::vector<Edit>> become(const Model& wanted);
  void say(const Key& key, Outcome& outcome);
  void settle(Outcome outcome, Done done);
  Result<RolloutStep> load();
  void keep(RolloutStep step, std::vector<store::Write> writes, Changes changes, Done done);
  void kept(const RolloutStep& step, const Changes& changes);
  void lose(const Error& reason);
  void recover();
  void forget_old();
  void advance();
  [[nodiscard]] Changes changes_of(const std::vector<Edit>& undo) const;

  std::unique_ptr<store::Store> store_;
  ControllerSettings settings_;
  Clock clock_;
  Model model_;
  Ledger ledger_;
  std::unique_ptr<Planner> planner_;
  std::unique_ptr<Rollout> rollout_;
  State state_ = State::working;
  std::string trouble_;
  std::optional<Time> retry_at_{};
  Time forget_at_{};
  std::map<std::string, std::pair<std::uint64_t, std::map<std::string, std::string>>> applied_;
};

}  // namespace weft::controller
