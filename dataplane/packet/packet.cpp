#include "packet/packet.hpp"

#include <algorithm>

#include "wire/checksum.hpp"

namespace weft {

void Packet::cut_tail(std::uint32_t bytes) const {
  if (rte_pktmbuf_trim(mbuf_, static_cast<std::uint16_t>(bytes)) == 0) return;
  // The padding spans pieces: walk to where the packet ends and drop the rest.
  std::uint32_t keep = mbuf_->pkt_len - bytes;
  mbuf_->pkt_len = keep;
  rte_mbuf* piece = mbuf_;
  std::uint16_t pieces = 1;
  while (keep > piece->data_len) {
    keep -= piece->data_len;
    piece = piece->next;
    ++pieces;
  }
  piece->data_len = static_cast<std::uint16_t>(keep);
  rte_pktmbuf_free(piece->next);
  piece->next = nullptr;
  mbuf_->nb_segs = pieces;
}

std::uint64_t Packet::sum(const std::uint8_t* at, std::uint32_t bytes) const {
  std::uint64_t total = 0;
  bool odd = false;
  const rte_mbuf* piece = mbuf_;
  const std::uint8_t* end = data() + piece->data_len;
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

}  // namespace weft
