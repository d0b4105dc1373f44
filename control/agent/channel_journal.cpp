#include "agent/channel_journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <set>

#include "agent/object_check.hpp"
#include "agent/state_file.hpp"

namespace weft::agent {

namespace {

constexpr int version = 1;
/// Below this size it is not worth to write the file anew.
constexpr std::uint64_t shorten_from_bytes = 4 << 20;

std::string head(const std::string& node) {
  return Json{{"version", version}, {"node", node}}.dump() + "\n";
}

/// One line for an object that is there now, `{}` for one that has gone.
std::string line(std::string_view list, const std::string& key, const Json& object) {
  return Json{{"list", list}, {"key", key}, {"object", object}}.dump(
             -1, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

struct Line {
  std::string list;
  std::string key;
  Json object;
};

std::optional<Line> parse(const std::string& text) {
  const auto json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("object") || !json["object"].is_object()) return {};
  Line out{text_of(json, "list"), text_of(json, "key"), json["object"]};
  if (out.list.empty() || out.key.empty()) return std::nullopt;
  return out;
}

/// The last line of each object that is there, and what is wrong with the file.
struct Content {
  std::map<std::pair<std::string, std::string>, std::string> lines;
  std::size_t count = 0;
  std::string damage;
};

Content content_of(const std::string& path, const std::string& node) {
  Content out;
  std::ifstream file(path);
  if (!file) return out;
  std::string text;
  if (!std::getline(file, text) || text + "\n" != head(node)) {
    out.damage = "its first line is not that of a journal of node " + node;
    return out;
  }
  while (std::getline(file, text)) {
    ++out.count;
    const auto parsed = parse(text);
    if (!parsed) {
      // The last line may have been cut off by the end of the process.
      if (file.peek() != std::ifstream::traits_type::eof()) {
        out.damage = fmt::format("line {} is not one of a journal", out.count + 1);
      }
      continue;
    }
    if (parsed->object.empty()) {
      out.lines.erase({parsed->list, parsed->key});
    } else {
      out.lines.insert_or_assign({parsed->list, parsed->key}, text);
    }
  }
  return out;
}

}  // namespace

ChannelJournal::Read ChannelJournal::read(const std::string& path, const Config& config) {
  auto content = content_of(path, config.node.name);
  Read out;
  out.lines = content.count;
  out.damage = content.damage;
  std::set<std::string, std::less<>> unreadable;
  for (;;) {
    ObjectDocument document(config);
    for_each_kind([&]<class Object>() {
      for (const auto& [key, text] : content.lines) {
        if (key.first != ObjectKind<Object>::list) continue;
        const auto name = std::string(ObjectKind<Object>::word) + " " + key.second;
        if (!unreadable.contains(name)) document.add(key.first, parse(text)->object, name);
      }
    });
    const auto outcome = document.check();
    if (outcome.unreadable.empty()) {
      out.objects = object_set(outcome.config);
      return out;
    }
    out.damage = to_string(outcome.unreadable.front());
    const auto before = unreadable.size();
    for (const auto& complaint : outcome.unreadable) unreadable.insert(complaint.label);
    if (unreadable.size() == before) return out;
  }
}

Result<std::unique_ptr<ChannelJournal>> ChannelJournal::begin(const std::string& path,
                                                              const ObjectSet& objects,
                                                              const NodeConfig& node) {
  std::string text = head(node.name);
  for_each_kind([&]<class Object>() {
    for (const auto& [key, object] : objects_of<Object>(objects)) {
      text += line(ObjectKind<Object>::list, key_text(key), object_json(object, node));
    }
  });
  if (auto status = write_state(path, text); !status) return status.error();
  return std::unique_ptr<ChannelJournal>(new ChannelJournal(path, node, text.size()));
}

ChannelJournal::ChannelJournal(std::string path, NodeConfig node, std::uint64_t bytes)
    : path_(std::move(path)),
      node_(std::move(node)),
      bytes_(bytes),
      least_bytes_(bytes),
      thread_([this] { run(); }) {}

ChannelJournal::~ChannelJournal() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  more_.notify_one();
  thread_.join();
}

void ChannelJournal::note(const Update& update) {
  std::string lines;
  for_each_kind([&]<class Object>() {
    constexpr auto list = ObjectKind<Object>::list;
    const auto& changes = update.*ObjectKind<Object>::changes;
    for (const auto& put : changes.put) {
      lines +=
          line(list, key_text(ObjectKind<Object>::key(put.config)), object_json(put.config, node_));
    }
    for (const auto& key : changes.erase) lines += line(list, key_text(key), Json::object());
  });
  if (lines.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    waiting_ += lines;
  }
  more_.notify_one();
}

void ChannelJournal::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    more_.wait(lock, [&] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const std::string lines = std::exchange(waiting_, {});
    lock.unlock();
    auto status = append(lines);
    if (status && bytes_ > shorten_from_bytes && bytes_ > 4 * least_bytes_) status = shorten();
    if (!status && !told_) {
      SPDLOG_ERROR("{}; what controllers changed is told by them again after a restart",
                   status.error().message);
    }
    told_ = !status;
    lock.lock();
  }
}

Status ChannelJournal::append(const std::string& lines) {
  const int file = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  std::size_t done = 0;
  while (file >= 0 && done < lines.size()) {
    const ssize_t wrote = ::write(file, lines.data() + done, lines.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) break;
    done += static_cast<std::size_t>(wrote);
  }
  const int why = errno;
  if (file >= 0) ::close(file);
  bytes_ += done;
  if (done == lines.size()) return ok();
  return Error{fmt::format("cannot write to {}: {}", path_, std::strerror(why))};
}

/// Leaves the last line of each object, without asking anything of the control thread.
Status ChannelJournal::shorten() {
  const auto content = content_of(path_, node_.name);
  std::string text = head(node_.name);
  for (const auto& [key, last] : content.lines) text += last + "\n";
  if (auto status = write_state(path_, text); !status) return status;
  bytes_ = least_bytes_ = text.size();
  return ok();
}

}  // namespace weft::agent
