#include "packet/packet.hpp"

#include <algorithm>
#include <cstring>

#include "wire/checksum.hpp"

namespace weft {

namespace {

void cut_tail(rte_mbuf* mbuf, std::uint32_t bytes) {
  if (rte_pktmbuf_trim(mbuf, static_cast<std::uint16_t>(bytes)) == 0) return;
  // The padding spans pieces: walk to where the packet ends and drop the rest.
  std::uint32_t keep = mbuf->pkt_len - bytes;
  mbuf->pkt_len = keep;
  rte_mbuf* piece = mbuf;
  std::uint16_t pieces = 1;
  while (keep > piece->data_len) {
    keep -= piece->data_len;
    piece = piece->next;
    ++pieces;
  }
  piece->data_len = static_cast<std::uint16_t>(keep);
  rte_pktmbuf_free(piece->next);
  piece->next = nullptr;
  mbuf->nb_segs = pieces;
}

}  // namespace

void Packet::reshape_pieces(rte_mbuf* mbuf, std::uint8_t* start, std::uint32_t bytes) {
  const auto offset =
      static_cast<std::uint16_t>(start - static_cast<const std::uint8_t*>(mbuf->buf_addr));
  const int moved = static_cast<int>(mbuf->data_off) - static_cast<int>(offset);
  mbuf->data_off = offset;
  mbuf->data_len = static_cast<std::uint16_t>(mbuf->data_len + moved);
  mbuf->pkt_len = static_cast<std::uint32_t>(static_cast<int>(mbuf->pkt_len) + moved);
  if (mbuf->pkt_len > bytes) cut_tail(mbuf, mbuf->pkt_len - bytes);
}

std::uint64_t Packet::sum(const rte_mbuf* piece, const std::uint8_t* at, std::uint32_t bytes) {
  std::uint64_t total = 0;
  bool odd = false;
  const std::uint8_t* end = rte_pktmbuf_mtod(piece, const std::uint8_t*) + piece->data_len;
  while (bytes > 0) {
    const auto here = std::min<std::uint32_t>(bytes, static_cast<std::uint32_t>(end - at));
    std::uint64_t part = wire::checksum_fold(wire::checksum_add(at, here));
    if (odd) part = __builtin_bswap16(static_cast<std::uint16_t>(part));
    total += part;
    odd ^= (here & 1) != 0;
    bytes -= here;
    piece = piece->next;
    if (piece == nullptr) break;
    at = rte_pktmbuf_mtod(piece, const std::uint8_t*);
    end = at + piece->data_len;
  }
  return total;
}

std::uint8_t* Packet::make_room(std::uint8_t* at, std::size_t bytes) const {
  const std::size_t more = bytes - room_before(at);
  if (more > rte_pktmbuf_tailroom(mbuf_)) return nullptr;
  std::memmove(at + more, at, static_cast<std::size_t>(data() + contiguous_bytes() - at));
  mbuf_->data_off = static_cast<std::uint16_t>(mbuf_->data_off + more);
  return at + more;
}

}  // namespace weft
