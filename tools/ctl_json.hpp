#pragma once
/// JSON of requests and answers.

#include <nlohmann/json.hpp>

namespace weft::ctl {

using Json = nlohmann::ordered_json;  // keeps the order in which weftd tells things

}  // namespace weft::ctl
