#pragma once
/// Objects that come by the API or from the state file, judged by the same rules as `weft.yaml`.

#include <map>
#include <string>
#include <vector>

#include "agent/object_json.hpp"
#include "agent/objects.hpp"

namespace weft::agent {

/// What is wrong with which object; prints as `vif vm1: mac: …`.
struct Complaint {
  std::string label;
  std::string key;  ///< within the object; may be empty
  std::string message;
};
std::string to_string(const Complaint& complaint);

/// A configuration made of JSON: the node, its ports and some objects.
class ObjectDocument {
 public:
  explicit ObjectDocument(const Config& infrastructure);

  template <class Object>
  void add(const Object& object) {
    add(ObjectKind<Object>::list, object_json(object, infrastructure_.node),
        label<Object>(ObjectKind<Object>::key(object)));
  }
  /// Of two that contradict each other it is the later one that is complained of.
  void add(std::string_view list, Json object, std::string label);

  struct Outcome {
    std::vector<Complaint> unreadable;      ///< values that cannot be understood
    std::vector<Complaint> contradictions;  ///< looked at where all can be read
    Config config;                          ///< where all can be read
    [[nodiscard]] bool good() const { return unreadable.empty() && contradictions.empty(); }
  };
  [[nodiscard]] Outcome check() const;

 private:
  struct Item {
    Json json;
    std::string label;
  };
  [[nodiscard]] std::vector<Complaint> complaints(const std::vector<Diagnostic>& diagnostics) const;

  Config infrastructure_;
  std::map<std::string, std::vector<Item>, std::less<>> lists_;
};

/// An object that cannot be had beside the others, and why.
struct Unfit {
  std::string label;
  std::vector<Complaint> complaints;
};

/// `base` with the objects of `wanted` laid over it, those that contradict others left out: they
/// are taken out of `wanted` and put into `unfit`.
std::vector<Unfit> fit(const Config& base, ObjectSet& wanted, ObjectSet& unfit);

/// `config` with objects of the same key replaced by those of `over`, and the others added.
Config overlaid(Config config, const ObjectSet& over);

}  // namespace weft::agent
