// What was answered to is there, whatever happens.
#include "store/store.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <catch2/catch.hpp>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>

namespace weft::store_test {

using namespace weft::store;
namespace fs = std::filesystem;

namespace {

struct Directory {
  Directory() {
    std::string name = (fs::temp_directory_path() / "weft-store-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() { fs::remove_all(path); }
  [[nodiscard]] std::string file() const { return (path / "state.db").string(); }
  fs::path path;
};

/// Answers as they come; the owner's thread is the test's.
class Answers {
 public:
  Store::Post post() {
    return [this](std::function<void()> call) {
      const std::lock_guard lock(mutex_);
      calls_.push_back(std::move(call));
      news_.notify_one();
    };
  }
  /// Runs the next answer.
  void wait() {
    std::unique_lock lock(mutex_);
    REQUIRE(news_.wait_for(lock, std::chrono::seconds(20), [&] { return !calls_.empty(); }));
    const auto call = std::move(calls_.front());
    calls_.erase(calls_.begin());
    lock.unlock();
    call();
  }

 private:
  std::mutex mutex_;
  std::condition_variable news_;
  std::vector<std::function<void()>> calls_;
};

std::unique_ptr<Store> open(const Directory& dir, Answers& answers) {
  auto opened = Store::open(dir.file(), answers.post());
  INFO((opened ? "" : opened.error().message));
  REQUIRE(opened);
  return std::move(opened.value());
}

std::string error_of(const std::string& path) {
  Answers answers;
  const auto opened = Store::open(path, answers.post());
  return opened ? "" : opened.error().message;
}

/// The error, or nothing.
std::string commit(Store& store, Answers& answers, std::vector<Write> writes) {
  std::optional<Status> answered;
  store.commit(std::move(writes), [&](const Status& status) { answered = status; });
  while (!answered) answers.wait();
  return *answered ? "" : answered->error().message;
}

}  // namespace

TEST_CASE("what was committed is there when it is opened again", "[store]") {
  const Directory dir;
  Answers answers;
  {
    const auto store = open(dir, answers);
    CHECK(store->load()->empty());
    CHECK(commit(*store, answers, {{"network", "red", "1"}, {"network", "blue", "2"}}).empty());
    CHECK(commit(*store, answers, {{"node", "a", std::string("\0x", 2)}, {"network", "red", {}}})
              .empty());
    CHECK(commit(*store, answers, {{"network", "blue", "3"}}).empty());
  }
  const auto store = open(dir, answers);
  CHECK(*store->load() ==
        std::vector<Entry>{{"network", "blue", "3"}, {"node", "a", std::string("\0x", 2)}});
}

TEST_CASE("commits that wait share a transaction and are answered in their order", "[store]") {
  const Directory dir;
  Answers answers;
  const auto store = open(dir, answers);
  std::vector<int> order;
  for (int i = 0; i < 500; ++i) {
    store->commit({{"n", "same", std::to_string(i)}}, [&order, i](const Status& status) {
      REQUIRE(status);
      order.push_back(i);
    });
  }
  while (order.size() < 500) answers.wait();
  CHECK(std::is_sorted(order.begin(), order.end()));
  CHECK(store->load()->at(0).value == "499");
}

TEST_CASE("a process killed in mid-write loses nothing that it was told is kept", "[store]") {
  const Directory dir;
  std::size_t answered_in_all = 0;
  for (int round = 0; round < 8; ++round) {
    int pipe[2];
    REQUIRE(::pipe(pipe) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(pipe[0]);
      auto opened = Store::open(dir.file(), [](const auto& call) { call(); });
      if (!opened) ::_exit(1);
      for (unsigned i = 0;; ++i) {
        const std::string name = std::to_string(round) + "/" + std::to_string(i);
        (*opened)->commit({{"kept", name, std::string(200, 'x')}, {"last", "name", name}},
                          [fd = pipe[1], i](const Status& status) {
                            if (status && ::write(fd, &i, sizeof i) != sizeof i) ::_exit(2);
                          });
        if (i % 50 == 49) ::usleep(200);  // so that transactions end in between
      }
    }
    ::close(pipe[1]);
    unsigned last = 0;
    std::size_t answered = 0;
    const std::size_t enough = 20 + 37U * static_cast<unsigned>(round);
    while (answered < enough && ::read(pipe[0], &last, sizeof last) == sizeof last) ++answered;
    ::kill(child, SIGKILL);
    while (::read(pipe[0], &last, sizeof last) == sizeof last) ++answered;
    ::waitpid(child, nullptr, 0);
    ::close(pipe[0]);
    REQUIRE(answered >= enough);
    answered_in_all += answered;

    Answers answers;
    const auto store = open(dir, answers);
    const auto all = store->load();
    REQUIRE(all);
    std::size_t kept = 0;
    std::size_t of_round = 0;
    std::string marked;
    for (const auto& entry : *all) {
      kept += entry.kind == "kept";
      of_round += entry.kind == "kept" && entry.name.starts_with(std::to_string(round) + "/");
      if (entry.kind == "last") marked = entry.value;
    }
    CHECK(of_round >= answered);
    CHECK(kept >= answered_in_all);
    // All of a commit, or nothing: the mark is that of the last entry.
    CHECK(marked == std::to_string(round) + "/" + std::to_string(of_round - 1));
  }
}

TEST_CASE("a full disk is told, and what comes after it is not kept by halves", "[store]") {
  const Directory dir;
  Answers answers;
  const auto store = open(dir, answers);
  REQUIRE(commit(*store, answers, {{"n", "before", "1"}}).empty());

  ::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
  const rlimit tight{200 << 10, old.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
  const std::string large(400 << 10, 'x');
  const auto error = commit(*store, answers, {{"n", "large", large}});
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
  CHECK_THAT(error, Catch::Contains(dir.file() + ": cannot be written"));

  // Whoever has not heard of it yet builds on what is not there.
  CHECK(commit(*store, answers, {{"n", "after", "1"}}) == error);
  std::string stale;
  store->commit({{"n", "stale", "1"}},
                [&](const Status& status) { stale = status ? "kept" : status.error().message; });
  store->resume();
  CHECK(commit(*store, answers, {{"n", "fresh", "1"}}).empty());
  CHECK(stale == error);
  CHECK(*store->load() == std::vector<Entry>{{"n", "before", "1"}, {"n", "fresh", "1"}});
}

TEST_CASE("a database that cannot be used says so and what to do", "[store]") {
  const Directory dir;
  Answers answers;
  SECTION("another has it") {
    const auto store = open(dir, answers);
    CHECK_THAT(error_of(dir.file()), Catch::Contains("another process has it open"));
  }
  SECTION("it is no database") {
    std::ofstream(dir.file()) << std::string(8192, 'x');
    CHECK_THAT(error_of(dir.file()), Catch::Contains("it is damaged. Start with --rebuild"));
  }
  SECTION("it is damaged, and can be moved aside") {
    {
      const auto store = open(dir, answers);
      std::vector<Write> writes;
      for (int i = 0; i < 500; ++i)
        writes.push_back({"n", std::to_string(i), std::string(100, 'y')});
      REQUIRE(commit(*store, answers, std::move(writes)).empty());
    }
    {
      std::fstream file(dir.file(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(4096 + 8);
      file << std::string(8192, '\xff');
    }
    CHECK_THAT(error_of(dir.file()), Catch::Contains("it is damaged. Start with --rebuild"));
    REQUIRE(set_aside(dir.file()));
    CHECK(fs::exists(dir.file() + ".damaged"));
    const auto store = open(dir, answers);
    CHECK(store->load()->empty());
  }
  SECTION("it is of a later version") {
    { const auto store = open(dir, answers); }
    std::fstream file(dir.file(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(60);  // the user version, big endian (SQLite's file format §1.3)
    file.write("\0\0\0\x09", 4);
    file.close();
    CHECK_THAT(error_of(dir.file()), Catch::Contains("written by a later version (schema 9"));
  }
  SECTION("its directory is not there") {
    CHECK_THAT(error_of((dir.path / "none" / "x").string()),
               Catch::Contains("see whether its directory is there"));
  }
}

}  // namespace weft::store_test
