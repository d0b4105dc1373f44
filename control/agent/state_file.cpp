#include "agent/state_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "agent/object_check.hpp"

namespace weft::agent {

namespace {

constexpr int state_version = 1;
constexpr std::chrono::milliseconds delay{50};

std::string remedy(const std::string& path) {
  return "; it holds what was changed by the API: mend it, or move it away to start without (mv " +
         path + " " + path + ".bad)";
}

Error damaged(const std::string& path, const std::string& why) {
  return Error{"state file " + path + ": " + why + remedy(path)};
}

Error failed(const std::string& what, const std::string& path) {
  return Error{fmt::format("state file: {} {}: {}", what, path, std::strerror(errno))};
}

/// Closes what it holds.
class File {
 public:
  File(const std::string& path, int flags, mode_t mode = 0)
      : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] int get() const { return descriptor_; }

 private:
  int descriptor_;
};

bool write_all(int descriptor, std::string_view content) {
  while (!content.empty()) {
    const ssize_t done = ::write(descriptor, content.data(), content.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    content.remove_prefix(static_cast<std::size_t>(done));
  }
  return true;
}

}  // namespace

std::string state_text(const ObjectSet& objects, const ObjectSet& unfit, const NodeConfig& node) {
  Json lists = Json::object();
  for_each_kind([&]<class Object>() {
    Json list = Json::array();
    for (const auto* set : {&objects, &unfit}) {
      for (const auto& [key, object] : objects_of<Object>(*set)) {
        list.push_back(object_json(object, node));
      }
    }
    if (!list.empty()) lists[std::string(ObjectKind<Object>::list)] = std::move(list);
  });
  const Json all{{"version", state_version}, {"node", node.name}, {"objects", lists}};
  return all.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<ObjectSet> read_state(const std::string& path, const Config& config) {
  const auto directory = std::filesystem::path(path).parent_path().string();
  if (::access(directory.c_str(), W_OK | X_OK) != 0) {
    return Error{
        fmt::format("state file {}: the directory {} cannot be written to ({}); create it, "
                    "or name another file in state.file",
                    path, directory, std::strerror(errno))};
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return ObjectSet{};
    return failed("cannot look at", path);
  }
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return failed("cannot read", path);
  Json all;
  try {
    all = Json::parse(text.str());
  } catch (const Json::parse_error& error) {
    return damaged(path, fmt::format("is not JSON at byte {}", error.byte));
  }
  if (!all.is_object() || !all.contains("version") || !all.contains("objects") ||
      !all["objects"].is_object()) {
    return damaged(path, "wanted an object with version, node and objects");
  }
  if (all["version"] != state_version) {
    return damaged(path, fmt::format("is of version {}, and this weftd reads version {}",
                                     all["version"].dump(), state_version));
  }
  if (all.value("node", Json()) != config.node.name) {
    return damaged(path, fmt::format("is of the node {}, and this one is {}",
                                     all.value("node", Json()).dump(), config.node.name));
  }
  ObjectDocument document(config);
  std::set<std::string, std::less<>> known;
  for_each_kind([&]<class Object>() {
    const std::string list(ObjectKind<Object>::list);
    known.insert(list);
    const auto found = all["objects"].find(list);
    if (found == all["objects"].end() || !found->is_array()) return;
    for (std::size_t i = 0; i < found->size(); ++i) {
      document.add(list, (*found)[i], fmt::format("{}[{}]", list, i));
    }
  });
  for (const auto& [list, objects] : all["objects"].items()) {
    if (!known.contains(list) || !objects.is_array()) {
      return damaged(path, "objects." + list + " is no list of objects that there are");
    }
  }
  const auto outcome = document.check();
  if (!outcome.unreadable.empty()) return damaged(path, to_string(outcome.unreadable.front()));
  return object_set(outcome.config);
}

Status write_state(const std::string& path, const std::string& content) {
  const auto directory = std::filesystem::path(path).parent_path().string();
  const auto fresh = path + ".new";
  {
    const File file(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file.get() < 0) return failed("cannot create", fresh);
    if (!write_all(file.get(), content) || ::fsync(file.get()) != 0) {
      return failed("cannot write", fresh);
    }
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return failed("cannot put in place", path);
  // Without this the new name may be lost with the power.
  const File folder(directory.empty() ? "." : directory, O_RDONLY | O_DIRECTORY);
  if (folder.get() < 0 || ::fsync(folder.get()) != 0) return failed("cannot sync", directory);
  return ok();
}

StateWriter::StateWriter(boost::asio::io_context& io, std::string path, Content content)
    : timer_(io), path_(std::move(path)), content_(std::move(content)) {}

StateWriter::~StateWriter() { flush(); }

void StateWriter::changed() {
  dirty_ = true;
  if (waiting_) return;
  waiting_ = true;
  timer_.expires_after(delay);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    waiting_ = false;
    write();
  });
}

void StateWriter::write() {
  if (!dirty_) return;
  if (thread_.joinable()) thread_.join();  // long done: writes are a moment apart
  dirty_ = false;
  thread_ = std::thread([path = path_, content = content_()] {
    if (const auto status = write_state(path, content()); !status) {
      SPDLOG_ERROR("{}; what the API changed will be lost at a restart", status.error().message);
    }
  });
}

void StateWriter::flush() {
  timer_.cancel();
  waiting_ = false;
  write();
  if (thread_.joinable()) thread_.join();
}

}  // namespace weft::agent
