#include "io/idle.hpp"

#include <rte_pause.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace weft::io {

Idle::Idle(bool adaptive, std::uint64_t tsc_hz)
    : adaptive_(adaptive),
      spin_tsc_(static_cast<std::uint64_t>(spin_seconds * static_cast<double>(tsc_hz))),
      wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  watch({}, false);
}

Idle::~Idle() { close(wake_fd_); }

void Idle::watch(std::vector<int> descriptors, bool all_have_one) {
  descriptors_.assign(1, pollfd{wake_fd_, POLLIN, 0});
  for (const int fd : descriptors) descriptors_.push_back({fd, POLLIN, 0});
  all_have_descriptors_ = all_have_one;
}

bool Idle::tired(std::uint64_t now_tsc) {
  if (!adaptive_) return false;
  if (idle_since_ == 0) idle_since_ = now_tsc;
  rte_pause();
  return now_tsc - idle_since_ > spin_tsc_;
}

void Idle::wait(int limit_ms) {
  // A descriptor that stays readable without packets (its interface is gone, or down) must not make
  // the worker spin: after some tries it sleeps by time.
  const bool by_time = fruitless_ >= fruitless_max;
  if (!all_have_descriptors_ || by_time) limit_ms = 1;
  const int ready = poll(descriptors_.data(), by_time ? 1 : descriptors_.size(), limit_ms);
  if (ready > 0 && (ready > 1 || descriptors_[0].revents == 0)) ++fruitless_;
  if ((descriptors_[0].revents & POLLIN) != 0) {
    std::uint64_t count = 0;
    (void)!read(wake_fd_, &count, sizeof count);
  }
}

void Idle::wake() {
  if (!sleeping_.load(std::memory_order_seq_cst)) return;
  const std::uint64_t one = 1;
  (void)!write(wake_fd_, &one, sizeof one);
}

}  // namespace weft::io
