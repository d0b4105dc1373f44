#pragma once
/// The file in which objects of the API outlive a restart: JSON, in the words of `weft.yaml`.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <string>
#include <thread>

#include "agent/objects.hpp"
#include "weft/result.hpp"

namespace weft::agent {

/// `objects` and `unfit` as one file's content.
std::string state_text(const ObjectSet& objects, const ObjectSet& unfit, const NodeConfig& node);
/// The objects in a state file; none where there is no file. A file that is damaged, of another
/// node or of another version is an error that says what to do. `config` fills in what objects take
/// from the node and its ports.
Result<ObjectSet> read_state(const std::string& path, const Config& config);
/// Puts the content in place of the old: whoever reads sees one of the two whole, whatever happens
/// meanwhile. Blocks on the disk.
Status write_state(const std::string& path, const std::string& content);

/// Writes changes a moment after they come, many at once, and off the control thread.
class StateWriter {
 public:
  /// `content` is called on the control thread, and answers a function that runs on another one.
  using Content = std::function<std::function<std::string()>()>;
  StateWriter(boost::asio::io_context& io, std::string path, Content content);
  /// Writes what is not written yet.
  ~StateWriter();

  void changed();
  /// Returns when everything is on the disk or could not be written, which is logged.
  void flush();

 private:
  void write();

  boost::asio::steady_timer timer_;
  std::string path_;
  Content content_;
  bool dirty_ = false;
  bool waiting_ = false;
  std::thread thread_;
};

}  // namespace weft::agent
