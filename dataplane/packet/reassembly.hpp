#pragma once
/// Puts datagrams together that arrive in pieces (RFC 791 §3.2, RFC 8200 §4.5): one worker's, with
/// all memory set aside. What does not become a whole packet is dropped and counted, each piece for
/// one reason. DPDK's librte_ip_frag does not tell datagrams of different protocols apart, hashes
/// them by a secret that everyone knows, takes at most eight pieces and does not say what it drops.

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "packet/packet.hpp"
#include "tables/counters.hpp"
#include "tunnel/entropy.hpp"
#include "weft/reassembly.hpp"

namespace weft {

/// Which datagram a piece is of. IPv4 addresses lie in the first bytes.
struct DatagramKey {
  std::array<std::uint8_t, 32> addresses{};  ///< source and destination, as they lie in the packet
  std::uint32_t identification = 0;
  std::uint8_t protocol = 0;
  bool v4 = true;
  friend bool operator==(const DatagramKey&, const DatagramKey&) = default;
};

struct Piece {
  std::uint32_t offset = 0;  ///< of its payload within the datagram's, in bytes
  std::uint32_t bytes = 0;   ///< of payload
  bool more = false;         ///< others come behind it
};

class Reassembly {
 public:
  static constexpr unsigned max_pieces = 64;  ///< of a datagram

  Reassembly(const ReassemblySettings& settings, std::uint64_t tsc_hz, tunnel::HashSeed seed,
             WorkerCounters& counters);
  ~Reassembly();
  Reassembly(const Reassembly&) = delete;
  Reassembly& operator=(const Reassembly&) = delete;

  struct Answer {
    /// For `packet`; then it is the caller's again.
    DropReason reason = DropReason::none;
    /// With no reason: the first piece, to which the payload of all others is chained; without it
    /// the packet is kept.
    Packet whole{};
    std::uint32_t payload_bytes = 0;  ///< of the whole datagram
  };
  /// Takes a piece. `packet` holds its payload and nothing behind it; of the first piece also the
  /// headers in front, of others nothing. `now`: TSC.
  Answer add(const DatagramKey& key, const Piece& piece, Packet packet, std::uint64_t now);
  /// Whether the datagram goes on in pieces. `starts`: this is a first piece, and tells that no one
  /// here wants the whole; where others were there before it, they are kept nevertheless.
  bool lets_pass(const DatagramKey& key, bool starts, std::uint64_t now);

  /// Gives up those whose time has run out; looks at a few of them in each call.
  void expire(std::uint64_t now);
  /// Pieces that are kept.
  [[nodiscard]] unsigned waiting() const { return waiting_; }
  [[nodiscard]] bool enabled() const { return !datagrams_.empty(); }

 private:
  struct Datagram {
    DatagramKey key;
    std::uint64_t deadline_tsc = 0;  ///< 0: the place is free
    std::uint32_t held_bytes = 0;    ///< of payload
    std::uint32_t total_bytes = 0;   ///< of payload; 0: the last piece has not come
    unsigned count = 0;
    bool passes = false;      ///< it goes on in pieces
    bool overlapped = false;  ///< it is dead, and so are pieces that still come (RFC 5722 §4)
    std::array<Piece, max_pieces> pieces;
    std::array<rte_mbuf*, max_pieces> packets;  ///< in the order of their offsets
  };

  static constexpr std::size_t ways = 8;  ///< places that a datagram may have
  Datagram* first_place(const DatagramKey& key);
  Datagram& place_of(const DatagramKey& key, std::uint64_t now);
  DropReason insert(Datagram& datagram, const Piece& piece, Packet packet);
  Answer join(Datagram& datagram);
  void give_up(Datagram& datagram, DropReason reason);
  void free_pieces(Datagram& datagram, DropReason reason);
  void make_room();

  std::vector<Datagram> datagrams_;
  std::size_t most_waiting_;
  std::uint64_t timeout_tsc_;
  tunnel::HashSeed seed_;
  WorkerCounters& counters_;
  unsigned waiting_ = 0;
  std::size_t looked_at_ = 0;
};

}  // namespace weft
