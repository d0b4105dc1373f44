#pragma once
/// Help for those who do not know a word: completion for the shell, and the nearest word that
/// there is.

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "http/client.hpp"

namespace weft::ctl {

/// Names of live objects in a table, like `vif`; none when it cannot be asked.
using LiveNames = std::function<std::vector<std::string>(const std::string& table)>;

/// What may stand in the place of the last of `words`, which is what has been typed of it so far;
/// the command's own name is not among them.
std::vector<std::string> candidates(const CLI::App& app, const std::vector<std::string>& words,
                                    const LiveNames& live);

/// Those names, of whoever answers there.
std::vector<std::string> live_names(const http::Endpoint& endpoint, const std::string& table);

/// For a command line that cannot be understood: the word that is not known, and the one that was
/// probably meant. Empty where it is not for a word.
std::string unknown_word(const CLI::App& app, const std::vector<std::string>& words);

}  // namespace weft::ctl
