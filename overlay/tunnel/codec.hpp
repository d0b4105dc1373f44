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

/// What lies inside the tunnel header.
enum class Payload : std::uint8_t { ethernet, ip };

/// What a received tunnel header says.
struct ParsedHeader {
  DropReason reason = DropReason::none;  ///< anything else: the packet is dropped for it
  std::uint16_t bytes = 0;               ///< length of the tunnel header
  Payload payload = Payload::ethernet;
  std::uint32_t vni = 0;  ///< VNI, label or key: what the decap table is asked for
};

/// Where the kind's header stands in the outer packet.
enum class Carrier : std::uint8_t { udp, ip };

template <class T>
concept TunnelCodec = requires(const TunnelProfile& profile, HeaderBuffer& out,
                               std::span<const std::uint8_t> in) {
  { T::kind } -> std::convertible_to<TunnelKind>;
  { T::carrier } -> std::convertible_to<Carrier>;
  /// IP protocol for Carrier::ip; 17 for UDP.
  { T::ip_protocol } -> std::convertible_to<std::uint8_t>;
  /// What an encapsulated packet has behind the tunnel header.
  { T::payload } -> std::convertible_to<Payload>;
  /// Appends the tunnel header.
  { T::append(profile, out) } -> std::same_as<void>;
  /// Reads the header at the start of `in`, which reaches to the end of the outer packet.
  { T::parse(in) } -> std::same_as<ParsedHeader>;
};

}  // namespace weft::tunnel
