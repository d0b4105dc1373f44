#pragma once
/// How long commits take, from the call to the answer.

#include <chrono>
#include <memory>
#include <utility>

#include "store/store.hpp"

namespace weft::store {

struct CommitTimes {
  std::uint64_t commits = 0;
  std::uint64_t failures = 0;            ///< of these
  std::chrono::duration<double> sum{0};  ///< seconds of all
};

/// Hands all on to another store. The times outlive it.
class TimedStore final : public Store {
 public:
  TimedStore(std::unique_ptr<Store> behind, std::shared_ptr<CommitTimes> times)
      : behind_(std::move(behind)), times_(std::move(times)) {}

  Result<std::vector<Entry>> load() override { return behind_->load(); }
  void commit(std::vector<Write> writes, Done done) override {
    const auto start = std::chrono::steady_clock::now();
    behind_->commit(std::move(writes),
                    [start, times = times_, done = std::move(done)](const Status& status) {
                      ++times->commits;
                      times->failures += !status;
                      times->sum += std::chrono::steady_clock::now() - start;
                      done(status);
                    });
  }
  void resume() override { behind_->resume(); }

 private:
  std::unique_ptr<Store> behind_;
  std::shared_ptr<CommitTimes> times_;
};

}  // namespace weft::store
