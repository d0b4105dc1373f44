#pragma once
/// BFD sessions as workers keep them: each is one worker's, by whose clock it sends and waits, so
/// that a control thread that is busy never lets one go down.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "bfd/session.hpp"
#include "weft/bfd.hpp"
#include "weft/result.hpp"

namespace weft::io {

class BfdSession {
 public:
  BfdSession(BfdId id, const BfdRequest& request, unsigned owner, std::uint32_t discriminator,
             bfd::Time now);

  [[nodiscard]] BfdId id() const { return id_; }
  [[nodiscard]] const BfdRequest& request() const { return request_; }
  [[nodiscard]] unsigned owner() const { return owner_; }
  [[nodiscard]] std::uint32_t discriminator() const { return discriminator_; }
  [[nodiscard]] std::uint16_t source_port() const;

  // On the owner's thread. True: the state is another one now.
  bool receive(const wire::Bfd& packet, bfd::Time now);
  bool tick(bfd::Time now, std::optional<wire::Bfd>& send);
  void admin_down(bfd::Time now);
  [[nodiscard]] bfd::Time due() const { return session_.due(); }

  // From any thread.
  void end() { ending_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool ending() const { return ending_.load(std::memory_order_relaxed); }
  /// As the owner left it last.
  [[nodiscard]] BfdStatus status() const;

 private:
  bool tell();

  BfdId id_;
  BfdRequest request_;
  unsigned owner_;
  std::uint32_t discriminator_;
  bfd::Session session_;
  std::atomic<bool> ending_{false};
  /// Both states and both diagnostics.
  std::atomic<std::uint32_t> states_;
  std::atomic<std::uint32_t> remote_discriminator_{0};
  std::atomic<std::uint32_t> transmit_us_{0};
  std::atomic<std::uint32_t> detect_us_{0};
  std::atomic<std::uint64_t> sent_{0};
  std::atomic<std::uint64_t> received_{0};
};

/// All sessions of a router, as workers see them; replaced as a whole.
struct BfdSessions {
  std::vector<std::shared_ptr<BfdSession>> all;

  /// The session that a packet on `port` is for (RFC 5880 §6.8.6, RFC 5881 §3). Null: none.
  [[nodiscard]] BfdSession* find(PortId port, const IpAddress& source,
                                 std::uint32_t discriminator) const;
};

/// Control's side: begins and ends sessions, and says which there are.
class BfdRoster {
 public:
  static constexpr std::size_t most = 256;

  explicit BfdRoster(unsigned workers) : workers_(workers) {}

  /// `now`: of the clock that the workers' sessions go by. Publish make_list() afterwards.
  Result<BfdId> add(const BfdRequest& request, bfd::Time now);
  void end(BfdId id);
  /// Forgets those that ended a while ago; true: publish make_list().
  bool forget_ended();
  [[nodiscard]] std::size_t ending() const;
  [[nodiscard]] std::vector<BfdStatus> statuses() const;
  [[nodiscard]] std::unique_ptr<BfdSessions> make_list() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Entry {
    std::shared_ptr<BfdSession> session;
    Clock::time_point ends{};  ///< once it is ending
  };
  unsigned workers_;
  std::uint32_t started_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace weft::io
