#pragma once
/// The file in which objects of controllers outlive a restart: a line of JSON for each change, so
/// that a change costs the same however many objects there are.

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "agent/objects.hpp"
#include "weft/result.hpp"

namespace weft::agent {

class ChannelJournal {
 public:
  struct Read {
    ObjectSet objects;
    std::size_t lines = 0;
    std::string damage;  ///< what could not be read, or nothing
  };
  /// What a journal comes to; nothing where there is no file. Whatever cannot be read is left out:
  /// the controllers tell it again.
  static Read read(const std::string& path, const Config& config);

  /// Starts the file anew with `objects`. What cannot be written is said, kept, and tried again, so
  /// that the file is right soon after a full disk has room.
  ChannelJournal(std::string path, const ObjectSet& objects, NodeConfig node);
  /// Writes what is not written yet, if it can.
  ~ChannelJournal();
  ChannelJournal(const ChannelJournal&) = delete;
  ChannelJournal& operator=(const ChannelJournal&) = delete;

  /// Appends a change, soon and on another thread.
  void note(const Update& update);

 private:
  /// The list and the key of an object.
  using Name = std::pair<std::string, std::string>;
  using Lines = std::map<Name, std::string>;

  void run();
  Status write(const Lines& lines);
  Status append(const std::string& lines);
  Status shorten();
  void report(const Status& status);

  std::string path_;
  NodeConfig node_;
  std::mutex mutex_;
  std::condition_variable more_;
  Lines waiting_;  ///< the last one of each object
  bool ending_ = false;
  std::optional<std::string> first_;  ///< to be written before all else
  bool failing_ = false;              ///< which was said, until a write succeeds
  std::uint64_t bytes_ = 0;           ///< of the file
  std::uint64_t least_bytes_ = 0;     ///< when it was begun or shortened
  std::thread thread_;
};

}  // namespace weft::agent
