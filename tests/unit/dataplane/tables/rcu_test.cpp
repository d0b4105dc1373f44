// Deferred freeing: not before every online reader has let go, and then really.
#include "tables/rcu.hpp"

#include <catch2/catch.hpp>

namespace weft::rcu_test {
namespace {

/// Counts the objects that were freed.
class Freed {
 public:
  void retire(Rcu& rcu, std::uint64_t object) {
    rcu.retire(this, object,
               [](void* self, std::uint64_t) { ++static_cast<Freed*>(self)->count_; });
  }
  [[nodiscard]] unsigned count() const { return count_; }

 private:
  unsigned count_ = 0;
};

struct Watched {
  explicit Watched(unsigned& alive) : alive_(alive) { ++alive_; }
  ~Watched() { --alive_; }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
  unsigned& alive_;
};

}  // namespace

TEST_CASE("without readers an object goes at the next reclaim, not before", "[rcu]") {
  Rcu rcu(4);
  Freed freed;
  freed.retire(rcu, 1);
  REQUIRE(freed.count() == 0);
  REQUIRE(rcu.pending() == 1);
  REQUIRE(rcu.reclaim() == 0);
  REQUIRE(freed.count() == 1);
  REQUIRE(rcu.pending() == 0);
}

TEST_CASE("an online reader keeps what was retired until it is quiescent", "[rcu]") {
  Rcu rcu(2);
  Freed freed;
  rcu.register_reader(0);
  rcu.register_reader(1);
  rcu.online(0);
  rcu.online(1);
  freed.retire(rcu, 1);
  REQUIRE(rcu.reclaim() == 1);
  rcu.quiescent(0);
  REQUIRE(rcu.reclaim() == 1);
  rcu.quiescent(0);
  REQUIRE(rcu.reclaim() == 1);
  REQUIRE(freed.count() == 0);
  rcu.quiescent(1);
  REQUIRE(rcu.reclaim() == 0);
  REQUIRE(freed.count() == 1);
  rcu.offline(0);
  rcu.offline(1);
}

TEST_CASE("a quiescent point before the retirement does not count", "[rcu]") {
  Rcu rcu(1);
  Freed freed;
  rcu.register_reader(0);
  rcu.online(0);
  rcu.quiescent(0);
  freed.retire(rcu, 1);
  REQUIRE(rcu.reclaim() == 1);
  rcu.quiescent(0);
  freed.retire(rcu, 2);
  REQUIRE(rcu.reclaim() == 1);
  REQUIRE(freed.count() == 1);
  rcu.quiescent(0);
  REQUIRE(rcu.reclaim() == 0);
  rcu.offline(0);
}

TEST_CASE("a reader that goes offline lets go", "[rcu]") {
  Rcu rcu(1);
  Freed freed;
  rcu.register_reader(0);
  rcu.online(0);
  freed.retire(rcu, 1);
  REQUIRE(rcu.reclaim() == 1);
  rcu.offline(0);
  REQUIRE(rcu.reclaim() == 0);
  REQUIRE(freed.count() == 1);
}

TEST_CASE("a reader that is offline or comes online later holds nothing up", "[rcu]") {
  Rcu rcu(2);
  Freed freed;
  rcu.register_reader(0);
  rcu.register_reader(1);
  freed.retire(rcu, 1);
  rcu.online(1);
  REQUIRE(rcu.reclaim() == 0);
  REQUIRE(freed.count() == 1);
  rcu.offline(1);
}

TEST_CASE("a reclaim is bounded", "[rcu]") {
  Rcu rcu(1);
  Freed freed;
  for (std::uint64_t i = 0; i < 10; ++i) freed.retire(rcu, i);
  REQUIRE(rcu.reclaim(3) == 7);
  REQUIRE(freed.count() == 3);
  REQUIRE(rcu.reclaim() == 0);
  REQUIRE(freed.count() == 10);
}

TEST_CASE("what a context retired can be forgotten", "[rcu]") {
  Rcu rcu(1);
  Freed kept;
  Freed forgotten;
  kept.retire(rcu, 1);
  forgotten.retire(rcu, 2);
  kept.retire(rcu, 3);
  rcu.forget(&forgotten);
  REQUIRE(rcu.reclaim() == 0);
  REQUIRE(kept.count() == 2);
  REQUIRE(forgotten.count() == 0);
}

TEST_CASE("typed objects are deleted, nullptr is nothing", "[rcu]") {
  unsigned alive = 0;
  {
    Rcu rcu(1);
    rcu.retire(static_cast<const Watched*>(nullptr));
    REQUIRE(rcu.pending() == 0);
    rcu.retire(new Watched(alive));
    REQUIRE(alive == 1);
    rcu.reclaim();
    REQUIRE(alive == 0);
    rcu.retire(new Watched(alive));
  }
  REQUIRE(alive == 0);
}

}  // namespace weft::rcu_test
