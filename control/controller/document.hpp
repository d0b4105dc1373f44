#pragma once
/// Files of objects: what `weftctl apply` takes, and what a configuration may begin with.

#include <string>
#include <vector>

#include "agent/config_loader.hpp"
#include "controller/model.hpp"

namespace weft::controller {

struct Document {
  std::vector<Edit> edits;
  std::vector<agent::Diagnostic> diagnostics;  ///< where there is one, there are no edits
};

/// Lists of objects by kind, as in `networks: [{name: blue, …}]`. `name` stands for the file in
/// diagnostics.
Document read_document(const std::string& text, const std::string& name);
/// One object of the API. An Error tells all that is wrong with it, a line each.
Result<Object> read_json(Kind kind, const Json& json);

}  // namespace weft::controller
