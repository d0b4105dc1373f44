#include "agent/policy_compiler.hpp"

#include <boost/asio/post.hpp>

namespace weft::agent {

PolicyThread::~PolicyThread() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  more_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void PolicyThread::compile(PolicyId id, std::shared_ptr<const VifRules> rules) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.emplace_back(id, std::move(rules));
  }
  more_.notify_one();
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
}

void PolicyThread::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    more_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (ending_) return;
    const auto [id, rules] = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    const auto made = std::make_shared<Made>(plane_.compile(rules->policy));
    boost::asio::post(io_, [this, id = id, made] { done_(id, std::move(*made)); });
    lock.lock();
  }
}

}  // namespace weft::agent
