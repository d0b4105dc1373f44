#pragma once
/// Answers what is sent to the router itself, and tells senders why their packets died.

#include <utility>

#include "agent/clock.hpp"
#include "agent/icmp_message.hpp"
#include "agent/model.hpp"
#include "agent/rate_limiter.hpp"

namespace weft::agent {

/// Errors are limited (RFC 1812 §4.3.2.8, RFC 4443 §2.4(f)); echo is by the punt path alone.
struct IcmpLimits {
  double per_destination_per_second = 10;
  double per_destination_burst = 10;
  double total_per_second = 1000;
  std::size_t destinations = 4096;
};

class IcmpResponder {
 public:
  IcmpResponder(const Model& model, ForwardingPlane& plane, Clock clock, IcmpLimits limits = {});

  /// A packet to an address of the router.
  void receive_local(const PuntedPacket& packet);
  /// A packet that was dropped for `packet.reason`.
  void receive_dropped(const PuntedPacket& packet);

 private:
  void report(const PuntedPacket& punted, const IpPacket& packet, IcmpError error,
              std::uint16_t mtu_bytes);
  /// Routes the packet; to a link-local address, which no route leads to, back where it came from.
  void send(const PuntedPacket& punted, const IpAddress& destination,
            const std::vector<std::uint8_t>& packet);

  using Destination = std::pair<VrfId, IpAddress>;
  struct DestinationHash {
    std::size_t operator()(const Destination& d) const noexcept {
      return std::hash<IpAddress>{}(d.second) * 31 + std::hash<VrfId>{}(d.first);
    }
  };

  const Model& model_;
  ForwardingPlane& plane_;
  Clock clock_;
  TokenBucket total_;
  KeyedLimiter<Destination, DestinationHash> by_destination_;
};

}  // namespace weft::agent
