#pragma once
/// The objects among which a new one has to have its place, so that a check need not look at all.

#include <set>
#include <string>
#include <string_view>

#include "agent/intent.hpp"
#include "agent/object_check.hpp"

namespace weft::agent {

class Neighbourhood {
 public:
  explicit Neighbourhood(const Intent& intent) : intent_(intent), document_(intent.config) {}

  // Each adds an object and what that rests on.
  void group(const std::string& name);
  /// Those that an object is in, or that its rules speak of.
  void groups_in(const Json& json);
  void vrf(const std::string& name);
  void vif(const std::string& name);
  void tunnel(const std::string& name);
  void decap(const DecapConfig& config);
  void route(const std::string& vrf_name, const IpPrefix& prefix);

  /// One of that label is to be judged: what stands under its key now is none of those around it.
  void replaces(const std::string& label) { seen_.insert(label); }
  /// Looks up what is around an object; it is given as JSON, of which nothing is known yet.
  template <class Object>
  void around(const Json& json, const KeyOf<Object>& own);

  /// What is to be judged comes last, so that it is the one that is complained of.
  void add(std::string_view list, const Json& json, const std::string& label) {
    document_.add(list, json, label);
  }
  [[nodiscard]] ObjectDocument::Outcome check() const { return document_.check(); }
  ObjectDocument::Outcome check(std::string_view list, const Json& json, const std::string& label) {
    add(list, json, label);
    return check();
  }

 private:
  const Intent& intent_;
  ObjectDocument document_;
  std::set<std::string> seen_;
};

template <>
void Neighbourhood::around<SecurityGroupConfig>(const Json& json, const std::string& own);
template <>
void Neighbourhood::around<VrfConfig>(const Json& json, const std::string& own);
template <>
void Neighbourhood::around<NeighbourConfig>(const Json& json, const IpAddress& own);
template <>
void Neighbourhood::around<VifConfig>(const Json& json, const std::string& own);
template <>
void Neighbourhood::around<TunnelConfig>(const Json& json, const std::string& own);
template <>
void Neighbourhood::around<DecapConfig>(const Json& json, const std::string& own);
template <>
void Neighbourhood::around<RouteConfig>(const Json& json, const RouteKey& own);

}  // namespace weft::agent
