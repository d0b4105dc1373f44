#pragma once
/// What nodes have, judged without the controller's own code.

#include <set>
#include <string>

#include "unit/control/controller/site.hpp"

namespace weft::controller::test {

/// What a sender has for which there is no entrance; nothing: all is well.
std::string broken(const Site& site);
/// What nodes should have, computed anew from all objects, without regard to effort.
std::set<std::string> naive(const Model& model);
/// The same of what nodes have.
std::set<std::string> found(const Site& site);
/// Why weftd would not take all that a node has; nothing: it would.
std::string refused_by_weftd(const Site& site, const std::string& name);

}  // namespace weft::controller::test
