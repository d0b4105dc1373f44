#pragma once
/// Who said last what an object shall be. Of all that is said of one the greatest stamp counts, so
/// controllers that have heard the same say the same, in whatever order they heard it.

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/model.hpp"
#include "store/store.hpp"
#include "weft/result.hpp"

namespace weft::controller {

/// Lamport's clock of a controller when it was told something, and its name.
struct Stamp {
  std::uint64_t count = 0;
  std::string by;
  friend auto operator<=>(const Stamp&, const Stamp&) = default;
};

/// What was said of an object.
struct Record {
  Key key;
  Stamp stamp;
  std::optional<Object> object{};    ///< none: it is gone
  std::optional<Numbers> numbers{};  ///< of a network, those that it was given
};

/// An object that has no place among the others: what it names is not there, or what it claims is
/// another's, who was first. It waits until that changes.
struct Aside {
  Object object;
  std::string reason;
};

class Ledger {
 public:
  explicit Ledger(std::string self) : self_(std::move(self)) {}

  struct Entry {
    Stamp stamp;
    /// When it was heard that the object is gone.
    std::optional<std::chrono::sys_seconds> gone{};
    std::optional<Aside> aside{};
  };

  /// The stamp of what is said here and now.
  Stamp next() { return {++count_, self_}; }
  /// Whether what was said then counts beside what is known.
  [[nodiscard]] bool counts(const Key& key, const Stamp& stamp) const;
  void put(const Key& key, Entry entry);
  void erase(const Key& key);
  /// Forgets what is gone since before that time, and says what: a controller that has not heard of
  /// it by then brings it back.
  std::vector<Key> forget(std::chrono::sys_seconds before);
  [[nodiscard]] const Entry* find(const Key& key) const;
  [[nodiscard]] const std::map<Key, Entry>& entries() const { return entries_; }
  [[nodiscard]] const std::map<Key, Aside>& aside() const { return aside_; }

  /// As it stands in the store, in entries of this kind.
  static constexpr auto kind = "stamp";
  [[nodiscard]] store::Write write_of(const Key& key) const;
  Status read(const store::Entry& entry);

 private:
  std::string self_;
  std::uint64_t count_ = 0;  ///< the highest that was heard of
  std::map<Key, Entry> entries_;
  std::map<Key, Aside> aside_;
};

/// The objects that all records together come to. What has no place is left out, with the reason.
struct Admission {
  Model model;
  std::map<Key, Aside> aside;
  std::vector<Key> renumbered;  ///< networks whose numbers were taken, and who were given others
};
Admission admit(std::vector<Record> records);

/// A record as JSON: `{"object": …, "numbers": …}`; empty for one that is gone.
std::string record_json(const Record& record);
/// Of that, the object and the numbers. An Error says what is wrong.
Result<Record> read_record(const std::string& kind, const std::string& name, Stamp stamp,
                           const std::string& json);
std::optional<Kind> kind_of_word(std::string_view word);

}  // namespace weft::controller
