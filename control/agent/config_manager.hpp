#pragma once
/// Brings the node from what was wanted to what is wanted now: at the start, by the API, by a
/// reload. Whatever is refused has changed nothing.
///
/// Who owns what: the file's objects follow the file. An object that the API puts is the API's and
/// survives reloads and restarts; where the file or a controller has one of the same key it stands
/// in its place, and deleting it brings that one back. The API cannot delete an object of others.
/// What controllers put stands in place of the file's, and goes when they take it away.

#include <functional>
#include <string>
#include <vector>

#include "agent/config_loader.hpp"
#include "agent/intent.hpp"
#include "agent/object_check.hpp"
#include "agent/resolver.hpp"

namespace weft::agent {

class ConfigManager {
 public:
  ConfigManager(ForwardingPlane& plane, Model& model, Resolver& resolver)
      : plane_(plane), model_(model), resolver_(resolver) {}

  [[nodiscard]] const Intent& intent() const { return intent_; }
  /// Called behind each change of what the API wants.
  void on_change(std::function<void()> tell) { tell_ = std::move(tell); }
  /// Called behind each change of what controllers want.
  void on_follow(std::function<void(const Update&)> tell) { followed_ = std::move(tell); }

  /// Opens the devices and publishes everything in one batch; once. Objects that the API (`kept`)
  /// or controllers had put and that do not fit the file are left out and answered; those of the
  /// API are tried again at each reload, those of controllers come again.
  Result<std::vector<Unfit>> start(const Config& config, ObjectSet kept, ObjectSet of_channel = {});

  /// Creates the object, or changes it, in the name of the API. It was checked.
  template <class Object>
  Result<Generation> put(const Object& object);
  /// Takes away what the API put; where the file has an object of that key, that one is back.
  template <class Object>
  Result<Generation> erase(const KeyOf<Object>& key);

  /// An object of a controller that has no place here.
  struct Refused {
    std::string label;
    std::string why;
  };
  /// Puts and takes away what controllers want, in one batch; where that is refused, one by one.
  /// What is still in use when it is to go stays until the last user has gone. Objects were checked
  /// each for itself, see checked().
  std::vector<Refused> follow(const Update& update);
  /// The object that a controller's JSON describes, if it has its place beside the others.
  template <class Object>
  [[nodiscard]] Result<Object> checked(const KeyOf<Object>& key, const Json& json) const;

  struct Reloaded {
    Difference difference;
    Generation generation = 0;
    std::vector<std::string> unfit;  ///< the API's objects that still have no place
  };
  /// What it takes to get from an intent to the one that has the objects of another file.
  struct Reload {
    Intent next;
    Reloaded report;
  };
  /// Takes long where there are many objects, and may run on any thread.
  static Result<Reload> prepare(const Intent& now, const Config& config);
  /// Does it, in one batch; `reload` was prepared for the present intent.
  Result<Reloaded> finish(Reload reload);
  /// Grows with each change of the intent.
  [[nodiscard]] std::uint64_t version() const { return version_; }

 private:
  Result<PortStatus> open(const char* what, const PortRequest& request);
  Result<PortStatus> open_vif(const VifConfig& vif);
  /// Opens the devices of new VIFs, and closes them again when it does not come to an update.
  Result<Generation> apply(Update update);
  void changed();
  template <class Object>
  void change_in_force(Update& update, const KeyOf<Object>& key, const Object* object) const;
  std::optional<std::string> follow_at_once(const Update& update);
  template <class Object>
  void keep_what_is_in_use(Update& update);
  void close(const std::map<std::string, PortStatus, std::less<>>& opened);

  ForwardingPlane& plane_;
  Model& model_;
  Resolver& resolver_;
  Intent intent_;
  Update leaving_;  ///< what controllers took away while it was in use
  std::uint64_t version_ = 0;
  std::function<void()> tell_ = [] {};
  std::function<void(const Update&)> followed_ = [](const Update&) {};
};

/// `a, b, c and 3 more`.
std::string some_of(const std::vector<std::string>& labels);

}  // namespace weft::agent
