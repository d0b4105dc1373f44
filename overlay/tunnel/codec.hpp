#pragma once
/// What every tunnel kind provides, and what all of them share.
///
/// A kind is one file, KIND.hpp, with one struct that satisfies TunnelCodec, listed in
/// registry.hpp. The outer IP and UDP headers are common; a kind adds and reads only what stands
/// behind them.

#ifdef WEFT_ROOM_CONTROL
#error "control describes tunnels by weft/tunnel.hpp; the bytes are the data plane's matter"
#endif

#include <array>
#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "weft/big_endian.hpp"
#include "weft/drop_reason.hpp"
#include "weft/tunnel.hpp"

namespace weft::tunnel {

/// The bytes of an outer header while it is built.
class HeaderBuffer {
 public:
  static constexpr std::size_t capacity = 384;

  template <class Header>
  void append(const Header& header) {
    static_assert(alignof(Header) == 1, "only wire headers go out");
    if (size_ + sizeof header > capacity) {
      overflown_ = true;
      return;
    }
    std::memcpy(bytes_.data() + size_, &header, sizeof header);
    size_ += sizeof header;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool overflown() const { return overflown_; }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {bytes_.data(), size_}; }

 private:
  std::array<std::uint8_t, capacity> bytes_{};
  std::size_t size_ = 0;
  bool overflown_ = false;
};

/// What lies inside a received tunnel header; `ip`: of either version, as it says itself.
enum class Payload : std::uint8_t { ethernet, ip, ipv4, ipv6 };

/// What a received tunnel header says.
struct ParsedHeader {
  DropReason reason = DropReason::none;  ///< anything else: the packet is dropped for it
  std::uint16_t bytes = 0;               ///< length of the tunnel header
  Payload payload = Payload::ethernet;
  bool checksum = false;  ///< it has one, over itself and all that follows (RFC 2784 §2.5)
  bool asks = false;      ///< the decap that it finds may refuse it: see refusal()
  std::uint32_t vni = 0;  ///< VNI, label or key: what the decap table is asked for
};

/// Where the kind's header stands in the outer packet.
enum class Carrier : std::uint8_t { udp, ip, ethernet };
inline constexpr std::array<std::uint8_t, 1> by_udp{17};
inline constexpr std::array<std::uint8_t, 1> by_gre{47};
/// No packet that may be a tunnel has it as its upper layer (RFC 8200 §4.3).
inline constexpr std::array<std::uint8_t, 1> by_no_ip{0};

/// Two bytes of an outer header that say which version of IP follows, where it is a bare packet.
struct VersionSlot {
  std::uint16_t offset = 0;  ///< from where the outer header begins; 0: it does not say
  std::uint16_t ipv4 = 0;    ///< in host byte order
  std::uint16_t ipv6 = 0;
};
inline constexpr std::uint16_t ipv4_ether_type = 0x0800;
inline constexpr std::uint16_t ipv6_ether_type = 0x86dd;
/// Of a tunnel header that begins at `header` and has an EtherType behind its first two bytes.
constexpr VersionSlot ether_type_slot(std::size_t header) {
  return {static_cast<std::uint16_t>(header + 2), ipv4_ether_type, ipv6_ether_type};
}

inline constexpr std::uint16_t transparent_ethernet = 0x6558;  ///< RFC 1701, IANA
inline constexpr std::uint16_t mpls_ether_type = 0x8847;       ///< RFC 3032 §5

/// The same EtherTypes as a receiver reads them; anything else: nothing that could be routed.
constexpr std::optional<Payload> payload_of(std::uint16_t ether_type) {
  if (ether_type == ipv4_ether_type) return Payload::ipv4;
  if (ether_type == ipv6_ether_type) return Payload::ipv6;
  if (ether_type == transparent_ethernet) return Payload::ethernet;
  return std::nullopt;
}

/// Sets bits that `header` has for nobody; see reserved_bits().
template <class Header>
void set_reserved(Header& header, std::uint64_t bits) {
  header = std::bit_cast<Header>(be64(std::bit_cast<be64>(header).get() | bits));
}

/// Of a kind that goes by several IP protocols, parse() is told which. A kind whose header has more
/// to agree with than its network also has asks(decap), whether a decap looks at each header, and
/// refusal(decap, header, in), why it does not take one, or none.
template <class T>
concept TunnelCodec = requires(const TunnelProfile& profile, HeaderBuffer& out,
                               std::span<const std::uint8_t> in, std::uint8_t protocol) {
  { T::kind } -> std::convertible_to<TunnelKind>;
  { T::carrier } -> std::convertible_to<Carrier>;
  /// IP protocols that it goes by; the first is what is sent. UDP: that alone. Ethernet: by_no_ip,
  /// and T::ether_type is what it goes by.
  { T::ip_protocols } -> std::convertible_to<std::span<const std::uint8_t>>;
  /// Appends the tunnel header, and answers where it says what is inside.
  { T::append(profile, out) } -> std::same_as<VersionSlot>;
  /// Reads the header at the start of `in`, which reaches to the end of the outer packet.
  requires requires {
    { T::parse(in) } -> std::same_as<ParsedHeader>;
  } || requires {
    { T::parse(protocol, in) } -> std::same_as<ParsedHeader>;
  };
};

}  // namespace weft::tunnel
