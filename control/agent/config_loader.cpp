#include "agent/config_loader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/config_check.hpp"
#include "agent/config_draft.hpp"

namespace weft::agent {
namespace {

constexpr std::size_t max_file_bytes = 16 << 20;

LoadedConfig failed(const std::string& file, std::string message) {
  return {std::nullopt, {{file, 0, 0, "", std::move(message)}}};
}

}  // namespace

std::string to_string(const Diagnostic& d) {
  std::string out = d.file;
  if (d.line > 0) out += ":" + std::to_string(d.line) + ":" + std::to_string(d.column);
  if (!d.key.empty()) out += ": " + d.key;
  return out + ": " + d.message;
}

LoadedConfig parse_config(const std::string& text, const std::string& name) {
  if (text.size() > max_file_bytes) return failed(name, "larger than 16 MiB");
  yaml::Report report(name);
  const auto root = yaml::parse(text, report);
  if (!root) return {std::nullopt, report.sorted()};
  ConfigDraft draft = read_draft(yaml::Value(*root, "", report));
  check(draft);
  LoadedConfig loaded{std::nullopt, report.sorted()};
  if (loaded.diagnostics.empty()) loaded.config = take_config(draft);
  return loaded;
}

LoadedConfig load_config(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return failed(path, std::string("cannot be opened: ") + std::strerror(errno));
  std::string text;
  char chunk[1 << 16];
  ssize_t got = 0;
  // One chunk too many is enough to tell that the file is too large.
  while (text.size() <= max_file_bytes && (got = ::read(file, chunk, sizeof chunk)) > 0) {
    text.append(chunk, static_cast<std::size_t>(got));
  }
  const int error = errno;
  ::close(file);
  if (got < 0) return failed(path, std::string("cannot be read: ") + std::strerror(error));
  return parse_config(text, path);
}

}  // namespace weft::agent
