#pragma once
/// Rules of security groups as words on a command line.

#include <string>

#include "ctl_json.hpp"

namespace weft::ctl {

inline constexpr const char* rule_help =
    "[allow|deny] [PROTOCOL] [type N] [code N] [from WHOM,…] [to WHOM,…] [port N,…] [source-port "
    "N,…]; WHOM is a prefix, an address or group:NAME";

/// `deny tcp from 10.0.0.0/8,group:web port 80,8000-8010` as weft.yaml has it. Throws
/// CLI::ValidationError, in the name of `option`, for words that make no rule; what the values
/// are worth is weftd's to judge.
Json rule_json(const std::string& option, const std::string& words);

}  // namespace weft::ctl
