#pragma once
/// Deferred freeing: what workers may still read is freed after each of them has passed a quiescent
/// point. Readers by number; one thread (control) retires objects; any thread may wait for a grace
/// period of its own. Nobody ever blocks.

#include <rte_rcu_qsbr.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <new>

namespace weft {

class Rcu {
 public:
  explicit Rcu(unsigned max_readers) {
    const std::size_t bytes = (rte_rcu_qsbr_get_memsize(max_readers) + 63) & ~std::size_t{63};
    qsbr_.reset(static_cast<rte_rcu_qsbr*>(std::aligned_alloc(64, bytes)));
    if (!qsbr_) throw std::bad_alloc();
    rte_rcu_qsbr_init(qsbr_.get(), max_readers);
  }
  /// All readers must be gone.
  ~Rcu() {
    for (const Retired& r : retired_) r.free(r.context, r.object);
  }
  Rcu(const Rcu&) = delete;
  Rcu& operator=(const Rcu&) = delete;

  // Readers. A reader is registered from the control thread or its own, then online while it may
  // hold pointers; quiescent() says that it holds none at this moment.
  void register_reader(unsigned reader) { rte_rcu_qsbr_thread_register(qsbr_.get(), reader); }
  void online(unsigned reader) { rte_rcu_qsbr_thread_online(qsbr_.get(), reader); }
  void offline(unsigned reader) { rte_rcu_qsbr_thread_offline(qsbr_.get(), reader); }
  void quiescent(unsigned reader) { rte_rcu_qsbr_quiescent(qsbr_.get(), reader); }

  /// `free(context, object)` runs from reclaim() once no reader can hold `object`, which must be
  /// unreachable for new readers already.
  using Free = void (*)(void* context, std::uint64_t object);
  void retire(void* context, std::uint64_t object, Free free) {
    retired_.push_back({rte_rcu_qsbr_start(qsbr_.get()), context, object, free});
  }
  template <class T>
  void retire(const T* object) {
    if (object == nullptr) return;
    retire(nullptr, reinterpret_cast<std::uintptr_t>(object), [](void*, std::uint64_t o) {
      delete reinterpret_cast<const T*>(static_cast<std::uintptr_t>(o));
    });
  }

  /// A token, and whether every reader has passed a quiescent point since it was taken. From any
  /// thread: rte_rcu_qsbr_check is one thread's at a time, others rest on what it found.
  [[nodiscard]] std::uint64_t begin_grace() { return rte_rcu_qsbr_start(qsbr_.get()); }
  [[nodiscard]] bool grace_over(std::uint64_t token) {
    if (token <= passed_.load(std::memory_order_acquire)) return true;
    if (checking_.exchange(true, std::memory_order_acquire)) return false;
    const bool over = rte_rcu_qsbr_check(qsbr_.get(), token, false) == 1;
    if (over && token > passed_.load(std::memory_order_relaxed)) {
      passed_.store(token, std::memory_order_release);
    }
    checking_.store(false, std::memory_order_release);
    return over;
  }

  /// Frees what can be freed now, at most `limit` objects; answers how many wait still.
  std::size_t reclaim(std::size_t limit = 4096) {
    while (limit-- > 0 && !retired_.empty()) {
      const Retired r = retired_.front();
      if (!grace_over(r.token)) break;
      retired_.pop_front();
      r.free(r.context, r.object);
    }
    return retired_.size();
  }
  /// Forgets what `context` retired; its memory goes as a whole, and no reader is left.
  void forget(const void* context) {
    std::erase_if(retired_, [=](const Retired& r) { return r.context == context; });
  }
  [[nodiscard]] std::size_t pending() const { return retired_.size(); }

 private:
  struct Retired {
    std::uint64_t token;
    void* context;
    std::uint64_t object;
    Free free;
  };
  struct FreeMemory {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<rte_rcu_qsbr, FreeMemory> qsbr_;
  std::deque<Retired> retired_;
  std::atomic<std::uint64_t> passed_{0};
  std::atomic<bool> checking_{false};
};

}  // namespace weft
