// Directions of flows whose owner changes all the time, while workers count in them, close and open
// them: made for the thread sanitizer, and true without it.
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <thread>

#include "stages/flow.hpp"
#include "support/flow_keys.hpp"

namespace weft::flow_owner_race_test {
namespace {

using test::conversation;
using test::Conversation;

constexpr unsigned workers = 2;
constexpr unsigned conversations = 24;

struct Total {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  friend bool operator==(const Total&, const Total&) = default;
  Total& operator+=(const Total& other) {
    packets += other.packets;
    bytes += other.bytes;
    return *this;
  }
};

/// Catch2's macros are not for threads, so what they find is looked at in the end.
template <class Key>
class Owners {
 public:
  struct Worker {
    explicit Worker(Owners& owners, unsigned number)
        : hands(owners.tables_, owners.rcu_, static_cast<std::uint8_t>(number)), random(number) {}
    FlowHands hands;
    std::mt19937 random;
    Total sent;
    Total gone;  ///< what closed sessions had counted when their number came back
    std::map<std::uint64_t, bool> mine;  ///< by session and way: whether it was when last seen
    unsigned taken = 0;                  ///< directions that became its own after packets
  };

  Owners() {
    for (unsigned w = 0; w < workers; ++w) workers_.push_back(std::make_unique<Worker>(*this, w));
    for (unsigned reader = 0; reader <= workers; ++reader) rcu_.register_reader(reader);
  }

  /// All workers until the time is up; `close`: sessions end now and then. The caller's thread
  /// reads.
  void run(std::chrono::milliseconds time, bool close) {
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (unsigned w = 0; w < workers; ++w) {
      threads.emplace_back([&, w] {
        Worker& worker = *workers_[w];
        rcu_.online(w);
        for (unsigned i = 0; !stop.load(std::memory_order_relaxed); ++i) {
          turn(worker);
          if (close && worker.random() % 64 == 0) close_one(worker);
          rcu_.quiescent(w);
          tidy(worker);
          if (i % 8 == 0) std::this_thread::yield();
        }
        rcu_.offline(w);
      });
    }
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) look();
    stop.store(true);
    for (auto& thread : threads) thread.join();
  }

  [[nodiscard]] Total sent() const {
    Total sum;
    for (const auto& worker : workers_) sum += worker->sent;
    return sum;
  }
  /// Of sessions that are there, or were.
  [[nodiscard]] Total counted() {
    Total sum;
    for (const auto& worker : workers_) sum += worker->gone;
    for (std::uint32_t d = 2; d < 2 * (table_.frontier() + 1); ++d) {
      if (table_.session_of(d).state.load() != FlowSession::free) sum += of(d);
    }
    return sum;
  }
  [[nodiscard]] unsigned taken() const {
    unsigned sum = 0;
    for (const auto& worker : workers_) sum += worker->taken;
    return sum;
  }
  [[nodiscard]] std::uint64_t backwards() const { return backwards_; }

 private:
  [[nodiscard]] Total of(std::uint32_t direction) {
    const auto& entry = table_.entry(direction);
    const auto& foreign = table_.session_of(direction).foreign[direction % 2];
    return {entry.packets.get() + foreign.packets.get(), entry.bytes.get() + foreign.bytes.get()};
  }

  /// A burst of one direction, as the stages count it.
  void turn(Worker& worker) {
    const Conversation<Key> c = conversation<Key>(worker.random() % conversations);
    const bool back = worker.random() % 2 != 0;
    const Key& key = back ? c.back : c.there;
    const std::uint64_t hash = table_.hash(key);
    std::uint32_t direction = table_.find(key, hash);
    if (direction == 0) {
      direction =
          table_.open(worker.hands.template of<Key>(),
                      {.forward = key, .reverse = back ? c.there : c.back, .forward_hash = hash});
      if (direction == 0) return;
    }
    FlowEntry<Key>& entry = table_.entry(direction);
    std::uint8_t owner = FlowEntry<Key>::nobody;
    entry.owner.compare_exchange_strong(owner, worker.hands.number());  // as restamp() does
    const std::uint64_t id = table_.session_of(direction).id.get() << 1 | direction % 2;
    const bool own = entry.owner.load() == worker.hands.number();
    const auto [known, is_new] = worker.mine.try_emplace(id, own);
    if (!is_new && own && !known->second) ++worker.taken;
    known->second = own;

    PacketContext p;
    p.protocol = static_cast<std::uint8_t>(wire::IpProtocol::udp);
    const stage::FlowTally tally(&worker.hands);
    for (unsigned i = 0; i < 32; ++i) {
      p.l3_bytes = static_cast<std::uint16_t>(worker.random() % 1500);
      (void)tally.count(table_, entry, direction, p);
      worker.sent += {1, p.l3_bytes};
    }
    if (worker.random() % 16 == 0) count_slowly(worker, entry);
  }

  /// As an owner counts whose CPU is taken away in the middle of it.
  void count_slowly(Worker& worker, FlowEntry<Key>& entry) {
    if (entry.owner.load(std::memory_order_relaxed) != worker.hands.number()) return;
    const std::uint64_t packets = entry.packets.get();
    for (unsigned i = worker.random() % 4; i > 0; --i) std::this_thread::yield();
    entry.packets.set(packets + 1);
    worker.sent += {1, 0};
  }

  void close_one(Worker& worker) {
    const Conversation<Key> c = conversation<Key>(worker.random() % conversations);
    const std::uint32_t direction = table_.find(c.there, table_.hash(c.there));
    if (direction != 0) table_.close(worker.hands.template of<Key>(), direction);
  }

  void tidy(Worker& worker) {
    FlowWriter& writer = worker.hands.template of<Key>();
    while (!writer.closed.empty() && rcu_.grace_over(writer.closed.front().token)) {
      const std::uint32_t direction = 2 * writer.closed.front().session;
      worker.gone += of(direction);
      worker.gone += of(direction + 1);
      table_.reclaim(writer, 1);
    }
    table_.take_over(writer);
  }

  /// What has been counted in a session stays counted.
  void look() {
    rcu_.online(workers);
    for (std::uint32_t d = 2; d < 2 * (table_.frontier() + 1); ++d) {
      if (!table_.live(d / 2)) continue;
      const std::uint64_t id = table_.session_of(d).id.get() << 1 | d % 2;
      const Total now = of(d);
      Total& last = seen_[id];
      backwards_ += now.packets < last.packets || now.bytes < last.bytes;
      last = now;
    }
    rcu_.offline(workers);
    std::this_thread::yield();
  }

  Rcu rcu_{workers + 1};
  FlowTables tables_{tunnel::HashSeed{}, FlowSettings{}, 1'000'000'000};
  FlowTable<Key>& table_ = tables_.of<Key>();
  std::vector<std::unique_ptr<Worker>> workers_;
  std::map<std::uint64_t, Total> seen_;
  std::uint64_t backwards_ = 0;
};

TEMPLATE_TEST_CASE("Workers that take flows from each other count every packet once", "[flow]",
                   FlowKey4, FlowKey6) {
  Owners<TestType> owners;
  const bool close = GENERATE(false, true);
  owners.run(std::chrono::milliseconds(700), close);
  INFO(owners.sent().packets << " packets, " << owners.taken() << " directions taken over");
  CHECK(owners.counted() == owners.sent());
  CHECK(owners.backwards() == 0);
  CHECK(owners.taken() > 20);
}

}  // namespace
}  // namespace weft::flow_owner_race_test
