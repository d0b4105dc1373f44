#pragma once
/// Short spellings of values that the tests are full of. A wrong text throws.

#include <string_view>

#include "weft/address.hpp"

namespace weft::test {

inline IpAddress ip(std::string_view text) { return parse_ip(text).value(); }
inline IpPrefix prefix(std::string_view text) { return parse_prefix(text).value(); }
inline MacAddress mac(std::string_view text) { return parse_mac(text).value(); }

}  // namespace weft::test
