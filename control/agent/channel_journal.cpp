#include "agent/channel_journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <set>

#include "agent/object_check.hpp"
#include "agent/state_file.hpp"

namespace weft::agent {

namespace {

constexpr int journal_version = 1;
/// Below this size it is not worth to write the file anew.
constexpr std::uint64_t shorten_from_bytes = 4 << 20;
constexpr auto between_failures = std::chrono::seconds(1);

std::string head(const std::string& node) {
  return Json{{"version", journal_version}, {"node", node}}.dump() + "\n";
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

ChannelJournal::ChannelJournal(std::string path, const ObjectSet& objects, NodeConfig node)
    : path_(std::move(path)), node_(std::move(node)), first_(head(node_.name)) {
  for_each_kind([&]<class Object>() {
    for (const auto& [key, object] : objects_of<Object>(objects)) {
      *first_ += line(ObjectKind<Object>::list, key_text(key), object_json(object, node_));
    }
  });
  report(write({}));
  thread_ = std::thread([this] { run(); });
}

ChannelJournal::~ChannelJournal() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  more_.notify_one();
  thread_.join();
}

void ChannelJournal::note(const Update& update) {
  Lines lines;
  for_each_kind([&]<class Object>() {
    const std::string list(ObjectKind<Object>::list);
    const auto& changes = update.*ObjectKind<Object>::changes;
    const auto add = [&](const std::string& key, const Json& object) {
      lines.insert_or_assign({list, key}, line(list, key, object));
    };
    for (const auto& put : changes.put) {
      add(key_text(ObjectKind<Object>::key(put.config)), object_json(put.config, node_));
    }
    for (const auto& key : changes.erase) add(key_text(key), Json::object());
  });
  if (lines.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    lines.merge(waiting_);  // the newer ones stand
    waiting_ = std::move(lines);
  }
  more_.notify_one();
}

void ChannelJournal::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto due = [&] { return ending_ || (!failing_ && !waiting_.empty()); };
    if (failing_) {
      more_.wait_for(lock, between_failures, due);
    } else {
      more_.wait(lock, due);
    }
    const bool last = ending_;
    Lines lines = std::exchange(waiting_, {});
    lock.unlock();
    const auto status = lines.empty() && !first_ ? ok() : write(lines);
    report(status);
    lock.lock();
    if (!status) waiting_.merge(lines);
    if (last && (!status || waiting_.empty())) return;
  }
}

/// Says once that it fails, and once that it does not any more.
void ChannelJournal::report(const Status& status) {
  if (!status && !failing_) {
    SPDLOG_ERROR("{}; what controllers change is kept in memory until it can be written",
                 status.error().message);
  }
  if (status && failing_) SPDLOG_INFO("{} can be written again, and is complete", path_);
  failing_ = !status;
}

/// All of them or, as far as a restart will know, none.
Status ChannelJournal::write(const Lines& lines) {
  if (first_) {
    if (auto status = write_state(path_, *first_); !status) return status;
    bytes_ = least_bytes_ = first_->size();
    first_.reset();
  }
  if (lines.empty()) return ok();
  std::string text;
  for (const auto& [name, each] : lines) text += each;
  if (auto status = append(text); !status) return status;
  const bool large = bytes_ > shorten_from_bytes && bytes_ > 4 * least_bytes_;
  return large ? shorten() : ok();
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
  const bool whole = done == lines.size();
  // Half a line would spoil the one that comes behind it.
  const bool cut = whole || file < 0 || ::ftruncate(file, static_cast<off_t>(bytes_)) == 0;
  if (file >= 0) ::close(file);
  if (whole || !cut) bytes_ += done;
  if (whole) return ok();
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
