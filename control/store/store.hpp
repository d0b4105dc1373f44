#pragma once
/// Named texts on the disk, in an SQLite database of their own. What commit() has answered to is
/// there after a crash of the process or the machine.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <optional>

#include "weft/result.hpp"

struct sqlite3;

namespace weft::store {

struct Entry {
  std::string kind;
  std::string name;
  std::string value;
  friend bool operator==(const Entry&, const Entry&) = default;
};

struct Write {
  std::string kind;
  std::string name;
  std::optional<std::string> value;  ///< nothing: the entry goes
};

class Store {
 public:
  using Done = std::function<void(const Status&)>;
  /// Runs a function on the owner's thread.
  using Post = std::function<void(std::function<void()>)>;

  /// Opens the database or makes it. It is refused when another process has it, when it is damaged
  /// or was written by a later version; the Error says what to do then. One process at a time.
  static Result<std::unique_ptr<Store>> open(const std::string& path, Post post);
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  /// Writes what was committed, and answers nobody any more.
  ~Store();

  /// All that is there, sorted. Not while a commit is under way.
  Result<std::vector<Entry>> load();

  /// Writes all or nothing, in the order of calls; several may share one transaction. `done` is
  /// called by way of `post`. After a failure all further commits fail, with the same reason, until
  /// resume(), since they build on what was not written.
  void commit(std::vector<Write> writes, Done done);
  void resume();

 private:
  struct Batch {
    std::vector<Write> writes;
    Done done;
    unsigned epoch = 0;
  };
  struct Close {
    void operator()(sqlite3* database) const;
  };
  using Database = std::unique_ptr<sqlite3, Close>;

  Store(std::string path, Database database, Post post);
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

/// Moves a database that cannot be opened aside, to `PATH.damaged`, with what belongs to it.
Status set_aside(const std::string& path);

}  // namespace weft::store
