#pragma once
/// Ways through the underlay, by the links of the inventory.

#include <string>
#include <vector>

#include "controller/model.hpp"

namespace weft::controller {

struct UnderlayPath {
  std::vector<std::string> hops;  ///< nodes and devices, both ends among them
  std::vector<std::string> links;
  std::uint32_t cost = 0;
};

/// The cheapest way between two nodes or devices; an Error where there is none.
Result<UnderlayPath> find_path(const Model& model, const std::string& from, const std::string& to);

}  // namespace weft::controller
