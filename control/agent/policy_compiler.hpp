#pragma once
/// Policies become fit for the data plane on a thread of their own: with many rules it takes long.

#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "agent/resolver.hpp"

namespace weft::agent {

class PolicyThread final : public PolicyCompiler {
 public:
  /// `done` is called on the thread that runs `io`, with what compile() was given.
  using Done = std::function<void(PolicyId, Made)>;
  PolicyThread(boost::asio::io_context& io, const ForwardingPlane& plane, Done done)
      : io_(io), plane_(plane), done_(std::move(done)) {}
  /// Waits for the policy that is being compiled; the others are forgotten.
  ~PolicyThread() override;

  Made closed() override { return plane_.compile({}); }
  void compile(PolicyId id, std::shared_ptr<const VifRules> rules) override;

 private:
  void run();

  boost::asio::io_context& io_;
  const ForwardingPlane& plane_;
  Done done_;
  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<std::pair<PolicyId, std::shared_ptr<const VifRules>>> waiting_;
  bool ending_ = false;
  std::thread thread_;  ///< from the first policy on
};

}  // namespace weft::agent
