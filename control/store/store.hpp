#pragma once
/// Named texts on the disk, in an SQLite database of their own. What commit() has answered to is
/// there after a crash of the process or the machine.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weft/result.hpp"

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
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  /// Writes what was committed, and answers nobody any more.
  virtual ~Store() = default;

  /// All that is there, sorted. Not while a commit is under way.
  virtual Result<std::vector<Entry>> load() = 0;

  /// Writes all or nothing, in the order of calls; several may share one transaction. `done` is
  /// called by way of `post`. After a failure all further commits fail, with the same reason, until
  /// resume(), since they build on what was not written.
  virtual void commit(std::vector<Write> writes, Done done) = 0;
  virtual void resume() = 0;
};

/// Moves a database that cannot be opened aside, to `PATH.damaged`, with what belongs to it.
Status set_aside(const std::string& path);

}  // namespace weft::store
