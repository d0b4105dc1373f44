#pragma once
/// The file in which objects of controllers outlive a restart: a line of JSON for each change, so
/// that a change costs the same however many objects there are.

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

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

  /// Starts the file anew with `objects`; an error names the path and why.
  static Result<std::unique_ptr<ChannelJournal>> begin(const std::string& path,
                                                       const ObjectSet& objects,
                                                       const NodeConfig& node);
  /// Writes what is not written yet.
  ~ChannelJournal();
  ChannelJournal(const ChannelJournal&) = delete;
  ChannelJournal& operator=(const ChannelJournal&) = delete;

  /// Appends a change, soon and on another thread.
  void note(const Update& update);

 private:
  ChannelJournal(std::string path, NodeConfig node, std::uint64_t bytes);
  void run();
  Status append(const std::string& lines);
  Status shorten();

  std::string path_;
  NodeConfig node_;
  std::mutex mutex_;
  std::condition_variable more_;
  std::string waiting_;
  bool ending_ = false;
  bool told_ = false;              ///< of a failure, until one write succeeds
  std::uint64_t bytes_ = 0;        ///< of the file
  std::uint64_t least_bytes_ = 0;  ///< when it was begun or shortened
  std::thread thread_;
};

}  // namespace weft::agent
