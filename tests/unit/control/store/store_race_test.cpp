// The owner commits, resumes and goes while the store's thread writes: made for the thread
// sanitizer, and true without it.
#include <sys/resource.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <filesystem>
#include <mutex>

#include "store/store.hpp"

namespace weft::store_race_test {

using namespace weft::store;
namespace fs = std::filesystem;

namespace {

/// A directory, and what the stores in it answered to this thread.
class Owner {
 public:
  Owner() {
    std::string name = (fs::temp_directory_path() / "weft-store-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
  ~Owner() { fs::remove_all(directory_); }

  std::unique_ptr<Store> open() {
    auto opened = Store::open((directory_ / "state.db").string(), [this](auto call) {
      const std::lock_guard lock(mutex_);
      calls_.push_back(std::move(call));
      news_.notify_one();
    });
    REQUIRE(opened);
    return std::move(opened.value());
  }
  void commit(Store& store, unsigned number) {
    store.commit({{"n", std::to_string(number), std::to_string(number)}},
                 [this](const Status& status) { ++(status ? kept : refused); });
  }
  /// Runs those answers that are there.
  void look() {
    std::deque<std::function<void()>> calls;
    {
      const std::lock_guard lock(mutex_);
      calls.swap(calls_);
    }
    for (const auto& call : calls) call();
  }
  /// Until so many commits have been answered.
  void hear(unsigned answers) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (kept + refused < answers) {
      std::unique_lock lock(mutex_);
      REQUIRE(news_.wait_until(lock, deadline, [&] { return !calls_.empty(); }));
      lock.unlock();
      look();
    }
  }

  unsigned kept = 0;
  unsigned refused = 0;

 private:
  fs::path directory_;
  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<std::function<void()>> calls_;
};

/// No file may grow meanwhile.
class FullDisk {
 public:
  FullDisk() {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit none{1, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &none) == 0);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  ~FullDisk() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("commits come while others are written", "[store]") {
  Owner owner;
  constexpr unsigned commits = 400;
  {
    const auto store = owner.open();
    for (unsigned i = 0; i < commits; ++i) {
      owner.commit(*store, i);
      if (i % 8 == 0) owner.look();
    }
    owner.hear(commits);
    CHECK(owner.kept == commits);
  }
  CHECK(owner.open()->load()->size() == commits);
}

TEST_CASE("the owner resumes while it goes on to commit", "[store]") {
  Owner owner;
  const auto store = owner.open();
  unsigned commits = 0;
  for (unsigned round = 0; round < 20; ++round) {
    {
      const FullDisk full;
      for (unsigned i = 0; i < 10; ++i) owner.commit(*store, commits++);
      owner.hear(commits);
    }
    for (unsigned i = 0; i < 10; ++i) owner.commit(*store, commits++);
    store->resume();  // those before it are refused, or were
    owner.hear(commits);
    for (unsigned i = 0; i < 10; ++i) owner.commit(*store, commits++);
    owner.hear(commits);
  }
  CHECK(owner.kept == 200);
  CHECK(owner.refused == 400);
  CHECK(store->load()->size() == owner.kept);
}

TEST_CASE("a store that goes writes what it has, and answers no more", "[store]") {
  Owner owner;
  constexpr unsigned commits = 50;
  for (unsigned round = 0; round < 10; ++round) {
    auto store = owner.open();
    for (unsigned i = 0; i < commits; ++i) owner.commit(*store, round * commits + i);
    store.reset();
    owner.look();
    const unsigned answered = owner.kept;
    owner.look();
    CHECK(owner.kept == answered);
    CHECK(owner.open()->load()->size() == (round + 1) * commits);
  }
  CHECK(owner.refused == 0);
}

}  // namespace weft::store_race_test
