#pragma once
/// The neighbours of the fabric ports: ARP (RFC 826, 5227) and neighbour unreachability detection
/// in the spirit of RFC 4861 §7.3, for both families alike.
///
/// One thread; time comes from the clock that is passed in, and moves things only in tick().

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string_view>

#include "agent/clock.hpp"
#include "agent/model.hpp"
#include "agent/neighbour_message.hpp"
#include "agent/rate_limiter.hpp"
#include "agent/resolver.hpp"

namespace weft::agent {

enum class NeighbourState : std::uint8_t {
  incomplete,  ///< asked, no answer yet
  reachable,   ///< confirmed lately
  stale,       ///< used as it is, to be confirmed once packets go there
  probe,       ///< used as it is, asked by unicast
  failed,      ///< did not answer
  fixed,       ///< configured
};

constexpr std::string_view state_name(NeighbourState state) {
  constexpr std::string_view names[] = {"incomplete", "reachable", "stale",
                                        "probe",      "failed",    "static"};
  return names[static_cast<std::size_t>(state)];
}

/// What the table of neighbours asks of the rest.
class NeighbourHost {
 public:
  virtual ~NeighbourHost() = default;
  virtual void send(PortId port, const Frame& frame) = 0;
  /// The neighbour is there; `mac` empty: it does not answer (yet).
  virtual void neighbour_changed(const NeighbourKey& key, std::optional<MacAddress> mac) = 0;
  virtual void neighbour_gone(const NeighbourKey& key) = 0;
  /// Packets that were sent to the neighbour so far.
  virtual std::uint64_t packets_to(const NeighbourKey& key) = 0;
  virtual void address_conflict(PortId port, const IpAddress& own, const MacAddress& other) = 0;
  virtual void drop(DropReason reason) = 0;
};

struct NeighbourLimits {
  std::size_t dynamic_entries = 4096;  ///< neither static nor pinned
  double solicitations_per_second = 500;
  double solicitations_burst = 200;
};

/// Whether `address` is one of the port's own, its link-local one too.
bool owns(const PortObject& port, const IpAddress& address);
/// Whether a neighbour on the link of `port` may have this address.
bool may_be_neighbour(const PortObject& port, const IpAddress& address);

class Neighbours final : public NeighbourKeeper {
 public:
  struct Entry {
    NeighbourState state = NeighbourState::incomplete;
    MacAddress mac;  ///< where has_mac()
    bool pinned = false;
    unsigned tries = 0;
    Time deadline{};            ///< when tick() has to look at it
    Time since{};               ///< when it was confirmed or, failing that, came into its state
    std::uint64_t packets = 0;  ///< sent to it when it turned stale

    [[nodiscard]] bool has_mac() const {
      return state != NeighbourState::incomplete && state != NeighbourState::failed;
    }
  };

  /// `model` says which ports and addresses are ours.
  Neighbours(const Model& model, NeighbourHost& host, Clock clock, NeighbourLimits limits = {});

  void pin(const NeighbourKey& key) override;
  void unpin(const NeighbourKey& key) override;
  void add_static(const NeighbourKey& key, const MacAddress& mac) override;
  void remove_static(const NeighbourKey& key) override;

  /// A packet waits for this neighbour.
  void need(const NeighbourKey& key);
  /// An ARP or ND message that came in by a fabric port.
  void receive(const PuntedPacket& packet);
  /// Tells the link the addresses of a port that came up: gratuitous ARP, unsolicited NA.
  void announce(PortId port);
  /// To be called about every 100 ms.
  void tick();

  [[nodiscard]] const std::map<NeighbourKey, Entry>& entries() const { return entries_; }

 private:
  enum class Evidence {
    answer,    ///< to a solicitation of ours
    asked_us,  ///< it solicited an address of ours
    hearsay,   ///< anything else
  };

  Entry* create(const NeighbourKey& key);
  bool make_room();
  /// Does what is due; false when the rest must wait for another tick.
  bool advance(const NeighbourKey& key, Entry& entry, Time now);
  bool solicit(const NeighbourKey& key, const Entry& entry, bool unicast);
  void confirm(const NeighbourKey& key, Entry& entry, const MacAddress& mac);
  void suspect(const NeighbourKey& key, Entry& entry, const MacAddress& mac);
  /// Whether it taught anything.
  bool learn(const NeighbourKey& key, const MacAddress& mac, Evidence evidence);

  /// Whether we take a claim of this address from the link: it may be there, or is configured.
  [[nodiscard]] bool believable(const PortObject& port, const IpAddress& address) const;
  bool receive_arp(const PortObject& port, const ArpMessage& arp);
  bool receive_solicitation(const PortObject& port, const NdMessage& nd,
                            std::optional<MacAddress> sender);
  bool receive_advertisement(const PortObject& port, const NdMessage& nd);

  const Model& model_;
  NeighbourHost& host_;
  Clock clock_;
  NeighbourLimits limits_;
  TokenBucket solicitations_;
  std::map<NeighbourKey, Entry> entries_;
  std::minstd_rand jitter_;
};

}  // namespace weft::agent
