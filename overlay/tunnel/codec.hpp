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
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

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
  std::uint32_t vni = 0;  ///< VNI, label or key: what the decap table is asked for
};

/// Where the kind's header stands in the outer packet.
enum class Carrier : std::uint8_t { udp, ip };

/// Two bytes of a tunnel header that say which version of IP follows, where it is a bare packet.
struct VersionSlot {
  std::uint16_t offset;  ///< within the tunnel header
  std::uint16_t ipv4;    ///< in host byte order
  std::uint16_t ipv6;
};
/// Of kinds whose header does not say.
inline constexpr VersionSlot no_version_slot{0, 0, 0};
/// Of kinds that name what follows by its EtherType, two bytes behind the header's begin.
inline constexpr VersionSlot ether_type_slot{2, 0x0800, 0x86dd};

inline constexpr std::uint16_t transparent_ethernet = 0x6558;  ///< RFC 1701, IANA
inline constexpr std::uint16_t mpls_ether_type = 0x8847;       ///< RFC 3032 §5

/// The same EtherTypes as a receiver reads them; anything else: nothing that could be routed.
constexpr std::optional<Payload> payload_of(std::uint16_t ether_type) {
  if (ether_type == ether_type_slot.ipv4) return Payload::ipv4;
  if (ether_type == ether_type_slot.ipv6) return Payload::ipv6;
  if (ether_type == transparent_ethernet) return Payload::ethernet;
  return std::nullopt;
}

template <class T>
concept TunnelCodec = requires(const TunnelProfile& profile, HeaderBuffer& out,
                               std::span<const std::uint8_t> in) {
  { T::kind } -> std::convertible_to<TunnelKind>;
  { T::carrier } -> std::convertible_to<Carrier>;
  /// IP protocol for Carrier::ip; 17 for UDP.
  { T::ip_protocol } -> std::convertible_to<std::uint8_t>;
  /// Where it says what is inside.
  { T::version_slot } -> std::convertible_to<VersionSlot>;
  /// Appends the tunnel header; a version slot is filled in for each packet.
  { T::append(profile, out) } -> std::same_as<void>;
  /// Reads the header at the start of `in`, which reaches to the end of the outer packet.
  { T::parse(in) } -> std::same_as<ParsedHeader>;
};

}  // namespace weft::tunnel
