#include "store/store.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>

namespace weft::store {
namespace {

constexpr int schema_version = 1;

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

Statement prepare(sqlite3* database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(database, sql, -1, &statement, nullptr);
  return Statement(statement);
}

bool run_sql(sqlite3* database, const char* sql) {
  return sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
}

void bind(sqlite3_stmt* statement, int at, const std::string& text) {
  sqlite3_bind_text(statement, at, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
}

std::string column(sqlite3_stmt* statement, int at) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, at));
  return text == nullptr
             ? ""
             : std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(statement, at)));
}

std::string remedy(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return "; make room on its disk";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "; it is damaged. Start with --rebuild to move it aside and begin with an empty one, "
             "which a controller of the same site fills";
    case SQLITE_BUSY:
      return "; another process has it open. Two controllers cannot share one file";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return "; see whether its directory is there and may be written by this user";
    default:
      return "";
  }
}

Error describe(sqlite3* database, const std::string& path, const std::string& what) {
  const int code = sqlite3_extended_errcode(database);
  const int system = sqlite3_system_errno(database);
  const bool by_system = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
  return {path + ": cannot be " + what + ": " + sqlite3_errmsg(database) +
          (by_system && system != 0 ? std::string(" (") + std::strerror(system) + ")" : "") +
          remedy(code)};
}

/// One number that a PRAGMA answers.
std::optional<int> number(sqlite3* database, const char* pragma) {
  const auto statement = prepare(database, pragma);
  if (!statement || sqlite3_step(statement.get()) != SQLITE_ROW) return std::nullopt;
  return sqlite3_column_int(statement.get(), 0);
}

/// Whether all pages are what they should be.
bool sound(sqlite3* database) {
  const auto statement = prepare(database, "PRAGMA quick_check(1)");
  return statement && sqlite3_step(statement.get()) == SQLITE_ROW &&
         column(statement.get(), 0) == "ok";
}

struct Close {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
using Database = std::unique_ptr<sqlite3, Close>;

/// SQLite, with a thread that writes.
class DiskStore final : public Store {
 public:
  DiskStore(std::string path, Database database, Post post);
  DiskStore(const DiskStore&) = delete;
  DiskStore& operator=(const DiskStore&) = delete;
  ~DiskStore() override;

  Result<std::vector<Entry>> load() override;
  void commit(std::vector<Write> writes, Done done) override;
  void resume() override;

 private:
  struct Batch {
    std::vector<Write> writes;
    Done done;
    unsigned epoch = 0;
  };

  void run();
  void answer(std::vector<Batch> batches, const Status& status) const;
  [[nodiscard]] Status write(const std::vector<Batch>& batches);
  [[nodiscard]] Error failure(const std::string& what) const;

  std::string path_;
  Database database_;
  Post post_;
  std::mutex mutex_;
  std::condition_variable news_;
  std::vector<Batch> waiting_;  ///< under mutex_
  bool failed_ = false;         ///< under mutex_
  Error last_error_{};          ///< under mutex_
  unsigned epoch_ = 0;          ///< under mutex_; goes up with each resume()
  bool stopping_ = false;       ///< under mutex_
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const std::string& path, Post post) {
  sqlite3* opened = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &opened,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(opened);
  if (code != SQLITE_OK) return describe(opened, path, "opened");
  // Locked as a whole, so there is no shared memory beside the log, and nobody else writes.
  const bool ready = run_sql(opened, "PRAGMA locking_mode=EXCLUSIVE") &&
                     run_sql(opened, "PRAGMA journal_mode=WAL") &&
                     run_sql(opened, "PRAGMA synchronous=FULL") &&
                     run_sql(opened, "BEGIN IMMEDIATE") && run_sql(opened, "COMMIT");
  if (!ready) return describe(opened, path, "opened");
  const auto version = number(opened, "PRAGMA user_version");
  if (!version) return describe(opened, path, "read");
  if (*version > schema_version) {
    return Error{path + ": was written by a later version (schema " + std::to_string(*version) +
                 ", this one knows " + std::to_string(schema_version) +
                 "); run that version, or give another file"};
  }
  if (!sound(opened)) {
    return Error{path + ": cannot be used" + remedy(SQLITE_CORRUPT)};
  }
  const bool made =
      *version == schema_version ||
      run_sql(opened,
              "BEGIN;"
              "CREATE TABLE state(kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,"
              " PRIMARY KEY(kind, name)) WITHOUT ROWID;"
              "PRAGMA user_version=1;"
              "COMMIT");
  if (!made) return describe(opened, path, "written");
  return Result<std::unique_ptr<Store>>(
      std::make_unique<DiskStore>(path, std::move(database), std::move(post)));
}

namespace {

DiskStore::DiskStore(std::string path, Database database, Post post)
    : path_(std::move(path)),
      database_(std::move(database)),
      post_(std::move(post)),
      thread_([this] { run(); }) {}

DiskStore::~DiskStore() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  news_.notify_one();
  thread_.join();
}

Error DiskStore::failure(const std::string& what) const {
  return describe(database_.get(), path_, what);
}

Result<std::vector<Entry>> DiskStore::load() {
  const auto statement =
      prepare(database_.get(), "SELECT kind, name, value FROM state ORDER BY kind, name");
  if (!statement) return failure("read");
  std::vector<Entry> out;
  int code = 0;
  while ((code = sqlite3_step(statement.get())) == SQLITE_ROW) {
    out.push_back(
        {column(statement.get(), 0), column(statement.get(), 1), column(statement.get(), 2)});
  }
  if (code != SQLITE_DONE) return failure("read");
  return out;
}

void DiskStore::commit(std::vector<Write> writes, Done done) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({std::move(writes), std::move(done), epoch_});
  }
  news_.notify_one();
}

void DiskStore::resume() {
  const std::lock_guard lock(mutex_);
  failed_ = false;
  ++epoch_;
}

Status DiskStore::write(const std::vector<Batch>& batches) {
  sqlite3* const database = database_.get();
  const auto put = prepare(
      database, "INSERT INTO state VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET value = ?3");
  const auto erase = prepare(database, "DELETE FROM state WHERE kind = ?1 AND name = ?2");
  if (!put || !erase || !run_sql(database, "BEGIN IMMEDIATE")) return failure("written");
  for (const auto& batch : batches) {
    for (const auto& entry : batch.writes) {
      sqlite3_stmt* const statement = entry.value ? put.get() : erase.get();
      bind(statement, 1, entry.kind);
      bind(statement, 2, entry.name);
      if (entry.value) bind(statement, 3, *entry.value);
      const bool done = sqlite3_step(statement) == SQLITE_DONE;
      const Status status = done ? ok() : Status(failure("written"));
      sqlite3_reset(statement);
      if (!done) {
        run_sql(database, "ROLLBACK");
        return status;
      }
    }
  }
  if (run_sql(database, "COMMIT")) return ok();
  const Status status = failure("written");
  run_sql(database, "ROLLBACK");
  return status;
}

void DiskStore::answer(std::vector<Batch> batches, const Status& status) const {
  if (batches.empty()) return;
  post_([status, batches = std::make_shared<std::vector<Batch>>(std::move(batches))] {
    for (const auto& batch : *batches) batch.done(status);
  });
}

void DiskStore::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    news_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    // Those that were committed before resume() build on what failed.
    auto batches = std::exchange(waiting_, {});
    const auto good =
        std::stable_partition(batches.begin(), batches.end(),
                              [&](const Batch& batch) { return failed_ || batch.epoch != epoch_; });
    std::vector<Batch> refused(std::make_move_iterator(batches.begin()),
                               std::make_move_iterator(good));
    batches.erase(batches.begin(), good);
    const Error reason = last_error_;
    lock.unlock();
    const Status status = batches.empty() ? ok() : write(batches);
    lock.lock();
    if (!status) {
      failed_ = true;
      last_error_ = status.error();
    }
    if (stopping_) continue;
    answer(std::move(refused), reason);
    answer(std::move(batches), status);
  }
}

}  // namespace

Status set_aside(const std::string& path) {
  for (const std::string suffix : {"", "-wal", "-shm", "-journal"}) {
    const std::string from = path + suffix;
    if (!std::filesystem::exists(from)) continue;
    std::string to = path + ".damaged";
    to += suffix;
    if (std::rename(from.c_str(), to.c_str()) != 0) {
      Error error{from + ": cannot be moved to "};
      error.message += to + ": ";
      error.message += std::strerror(errno);
      return error;
    }
  }
  return ok();
}

}  // namespace weft::store
