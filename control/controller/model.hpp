#pragma once
/// All objects, always consistent: names lead somewhere, and what must be unique is.

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "controller/objects.hpp"
#include "weft/result.hpp"

namespace weft::controller {

/// An object that shall be there, or, where there is none, the key of one that shall not.
struct Edit {
  Key key;
  std::optional<Object> object;
};

class Model {
 public:
  /// Whether a number may be given out: nothing, or why not.
  using Refusal = std::function<std::optional<std::string>(const Numbers&)>;

  /// All edits or none of them. Networks are given their numbers. Answers what undoes it, in which
  /// every object that changed stands once. An Error names the object, what is wrong and the
  /// remedy.
  Result<std::vector<Edit>> apply(std::vector<Edit> edits, const Refusal& refused = {});
  /// Without a look at what is good: for objects that were good together.
  void restore(std::vector<Edit> edits);

  [[nodiscard]] const std::map<Key, Object>& objects() const { return objects_; }
  [[nodiscard]] const Object* find(const Key& key) const;
  template <class T>
  [[nodiscard]] const T* find(Kind kind, const std::string& name) const {
    const Object* object = find({kind, name});
    return object == nullptr ? nullptr : std::get_if<T>(object);
  }
  /// Those that name the object.
  [[nodiscard]] const std::set<Key>& referrers(const Key& key) const;
  /// The names of a kind, for likely ones.
  [[nodiscard]] std::string did_you_mean(const Key& key) const;
  [[nodiscard]] bool free(const std::string& claim) const { return !owners_.contains(claim); }

  /// Each object of a kind, in the order of names.
  template <class T>
  void each(Kind kind, const std::function<void(const T&)>& see) const {
    for (auto at = objects_.lower_bound({kind, ""}); at != objects_.end() && at->first.kind == kind;
         ++at) {
      see(std::get<T>(at->second));
    }
  }

 private:
  void put(const Key& key, std::optional<Object> object,
           std::map<Key, std::optional<Object>>& before);
  void link(const Key& key, const Object& object);
  void unlink(const Key& key, const Object& object);
  void number(std::map<Key, std::optional<Object>>& before);
  [[nodiscard]] std::uint32_t free_number(const std::vector<std::string>& words,
                                          const std::string& network, std::uint32_t least) const;
  [[nodiscard]] Status check(const std::map<Key, std::optional<Object>>& before,
                             const Refusal& refused) const;
  [[nodiscard]] Status check_object(const Key& key, const Object& object) const;

  std::map<Key, Object> objects_;
  std::map<Key, std::set<Key>> referrers_;
  std::map<std::string, std::set<Key>> owners_;  ///< of claims
};

}  // namespace weft::controller
