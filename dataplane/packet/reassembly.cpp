#include "packet/reassembly.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace weft {
namespace {

constexpr std::uint32_t most_payload = 65535;
constexpr std::size_t pieces_a_datagram = 4;  ///< that wait, on average, where all places are taken
constexpr std::size_t looks = 16;             ///< places that expire() looks at

std::size_t places(std::uint32_t datagrams, std::size_t ways) {
  return datagrams == 0 ? 0 : std::bit_ceil(std::max<std::size_t>(datagrams, ways));
}

}  // namespace

Reassembly::Reassembly(const ReassemblySettings& settings, std::uint64_t tsc_hz,
                       tunnel::HashSeed seed, WorkerCounters& counters)
    : datagrams_(places(settings.datagrams, ways)),
      most_waiting_(datagrams_.size() * pieces_a_datagram),
      timeout_tsc_(static_cast<std::uint64_t>(settings.timeout.count()) * tsc_hz),
      seed_(seed),
      counters_(counters) {}

Reassembly::~Reassembly() {
  for (Datagram& datagram : datagrams_) {
    rte_pktmbuf_free_bulk(datagram.packets.data(), datagram.count);
  }
}

Reassembly::Answer Reassembly::add(const DatagramKey& key, const Piece& piece, Packet packet,
                                   std::uint64_t now) {
  const bool whole_words = piece.bytes % 8 == 0;
  if (piece.bytes == 0 || (piece.more && !whole_words) ||
      piece.offset + piece.bytes > most_payload) {
    return {.reason = DropReason::fragment_malformed};
  }
  if (waiting_ >= most_waiting_) make_room();
  Datagram& datagram = place_of(key, now);
  const DropReason reason = insert(datagram, piece, packet);
  if (reason == DropReason::fragment_overlap) {
    // Nothing that comes for it later is to be taken for a datagram of its own.
    datagram.overlapped = true;
    free_pieces(datagram, reason);
  } else if (reason == DropReason::fragment_malformed || reason == DropReason::fragment_limit) {
    give_up(datagram, reason);
  }
  if (reason != DropReason::none) return {.reason = reason};
  return datagram.held_bytes == datagram.total_bytes ? join(datagram) : Answer{};
}

bool Reassembly::lets_pass(const DatagramKey& key, bool starts, std::uint64_t now) {
  if (starts) {
    Datagram& datagram = place_of(key, now);
    datagram.passes = datagram.count == 0 && !datagram.overlapped;
    return datagram.passes;
  }
  Datagram* const first = first_place(key);
  return std::any_of(first, first + ways, [&](const Datagram& place) {
    return place.passes && place.deadline_tsc > now && place.key == key;
  });
}

/// Of those that the datagram may have.
Reassembly::Datagram* Reassembly::first_place(const DatagramKey& key) {
  std::uint64_t words[4];
  std::memcpy(words, key.addresses.data(), sizeof words);
  const std::uint64_t hash =
      tunnel::flow_hash6(seed_, words, key.identification, key.protocol, key.v4 ? 4 : 6);
  return &datagrams_[(hash >> 16) % (datagrams_.size() / ways) * ways];
}

/// Its own, or a new one in the place of the oldest that may be there.
Reassembly::Datagram& Reassembly::place_of(const DatagramKey& key, std::uint64_t now) {
  Datagram* const first = first_place(key);
  Datagram* oldest = first;
  for (Datagram* place = first; place != first + ways; ++place) {
    if (place->deadline_tsc != 0 && place->key == key) {
      if (place->deadline_tsc > now) return *place;
      oldest = place;
      break;
    }
    if (place->deadline_tsc < oldest->deadline_tsc) oldest = place;
  }
  if (oldest->deadline_tsc != 0) {
    give_up(*oldest, oldest->deadline_tsc > now ? DropReason::fragment_evicted
                                                : DropReason::fragment_timeout);
  }
  oldest->key = key;
  oldest->deadline_tsc = now + timeout_tsc_;
  return *oldest;
}

/// Why the piece has no place among those that there are; none: it has one now.
DropReason Reassembly::insert(Datagram& datagram, const Piece& piece, Packet packet) {
  if (datagram.overlapped) return DropReason::fragment_overlap;
  const std::uint32_t end = piece.offset + piece.bytes;
  const auto* const first = datagram.pieces.data();
  const auto at = static_cast<unsigned>(
      std::upper_bound(first, first + datagram.count, piece.offset,
                       [](std::uint32_t offset, const Piece& p) { return offset < p.offset; }) -
      first);
  if (at != 0) {
    const Piece& before = datagram.pieces[at - 1];
    // The same once more, as a network may bring it, harms nothing (RFC 8200 §4.5).
    if (before.offset == piece.offset && before.bytes == piece.bytes && before.more == piece.more) {
      return DropReason::fragment_duplicate;
    }
    if (before.offset + before.bytes > piece.offset) return DropReason::fragment_overlap;
  }
  if (at != datagram.count && end > datagram.pieces[at].offset) return DropReason::fragment_overlap;
  // An end that another piece has told, or has gone beyond, is no end.
  const bool last = !piece.more;
  if ((datagram.total_bytes != 0 && (last || end > datagram.total_bytes)) ||
      (last && at != datagram.count)) {
    return DropReason::fragment_malformed;
  }
  if (datagram.count == max_pieces) return DropReason::fragment_limit;
  std::copy_backward(first + at, first + datagram.count,
                     datagram.pieces.data() + datagram.count + 1);
  std::copy_backward(datagram.packets.data() + at, datagram.packets.data() + datagram.count,
                     datagram.packets.data() + datagram.count + 1);
  datagram.pieces[at] = piece;
  datagram.packets[at] = packet.mbuf();
  ++datagram.count;
  ++waiting_;
  datagram.held_bytes += piece.bytes;
  if (last) datagram.total_bytes = end;
  return DropReason::none;
}

/// All is there: no piece is missing where none overlaps and the sum is right.
Reassembly::Answer Reassembly::join(Datagram& datagram) {
  rte_mbuf* const whole = datagram.packets[0];
  for (unsigned i = 1; i < datagram.count; ++i) rte_pktmbuf_chain(whole, datagram.packets[i]);
  waiting_ -= datagram.count;
  counters_.count(SizeEvent::fragments_joined, datagram.count);
  counters_.count(SizeEvent::reassembled);
  const Answer answer{.whole = Packet(whole), .payload_bytes = datagram.total_bytes};
  datagram.count = 0;
  give_up(datagram, DropReason::none);
  return answer;
}

void Reassembly::free_pieces(Datagram& datagram, DropReason reason) {
  counters_.drops[static_cast<std::size_t>(reason)].add(datagram.count);
  rte_pktmbuf_free_bulk(datagram.packets.data(), datagram.count);
  waiting_ -= datagram.count;
  datagram.count = 0;
}

void Reassembly::give_up(Datagram& datagram, DropReason reason) {
  if (datagram.count != 0) free_pieces(datagram, reason);
  datagram.deadline_tsc = 0;
  datagram.held_bytes = 0;
  datagram.total_bytes = 0;
  datagram.overlapped = false;
  datagram.passes = false;
}

/// The oldest of all that keep pieces gives way.
void Reassembly::make_room() {
  Datagram* oldest = nullptr;
  for (Datagram& datagram : datagrams_) {
    if (datagram.count != 0 &&
        (oldest == nullptr || datagram.deadline_tsc < oldest->deadline_tsc)) {
      oldest = &datagram;
    }
  }
  if (oldest != nullptr) give_up(*oldest, DropReason::fragment_evicted);
}

void Reassembly::expire(std::uint64_t now) {
  for (std::size_t i = 0; i < std::min(looks, datagrams_.size()); ++i) {
    Datagram& datagram = datagrams_[looked_at_++ % datagrams_.size()];
    if (datagram.deadline_tsc != 0 && datagram.deadline_tsc <= now) {
      give_up(datagram, DropReason::fragment_timeout);
    }
  }
}

}  // namespace weft
