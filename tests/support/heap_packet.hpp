#pragma once
/// Packet buffers of exactly the needed size on the heap, without DPDK's environment, so that
/// AddressSanitizer sees each byte that a stage reads or writes beyond them. The mbufs are real:
/// DPDK's functions cut, walk and free them, and what is freed comes back here.

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>

#include "packet/packet.hpp"

namespace weft::test {

class HeapPackets {
 public:
  HeapPackets() {
    rte_mempool_ops ops{};
    std::strncpy(ops.name, "heap", sizeof ops.name - 1);
    ops.alloc = [](rte_mempool*) { return 0; };
    ops.enqueue = [](rte_mempool* pool, void* const* mbufs, unsigned count) {
      auto& alive = *static_cast<std::size_t*>(pool->pool_data);
      for (unsigned i = 0; i < count; ++i, --alive) delete static_cast<Buffer*>(mbufs[i]);
      return 0;
    };
    ops.dequeue = [](rte_mempool*, void**, unsigned) { return -ENOBUFS; };
    ops.get_count = [](const rte_mempool*) { return 0U; };
    pool_.ops_index = rte_mempool_register_ops(&ops);
    if (pool_.ops_index < 0) throw std::runtime_error("DPDK takes no more kinds of mempools");
    pool_.pool_data = &alive_;
  }
  HeapPackets(const HeapPackets&) = delete;
  HeapPackets& operator=(const HeapPackets&) = delete;
  ~HeapPackets() = default;

  /// One piece with `bytes` behind `headroom` bytes of rubbish, and rubbish as metadata.
  rte_mbuf* make(std::span<const std::uint8_t> bytes, std::size_t headroom) {
    auto* buffer = new Buffer{};
    ++alive_;
    buffer->memory = std::make_unique<std::uint8_t[]>(headroom + bytes.size());
    std::memset(buffer->memory.get(), 0xcc, headroom);
    std::copy(bytes.begin(), bytes.end(), buffer->memory.get() + headroom);
    std::memset(&buffer->metadata, 0xa5, sizeof buffer->metadata);
    rte_mbuf& mbuf = buffer->mbuf;
    mbuf.pool = &pool_;
    mbuf.priv_size = sizeof(PacketMetadata);
    mbuf.buf_addr = buffer->memory.get();
    mbuf.buf_iova = reinterpret_cast<std::uintptr_t>(mbuf.buf_addr);
    mbuf.buf_len = static_cast<std::uint16_t>(headroom + bytes.size());
    mbuf.data_off = static_cast<std::uint16_t>(headroom);
    mbuf.data_len = static_cast<std::uint16_t>(bytes.size());
    mbuf.pkt_len = mbuf.data_len;
    mbuf.nb_segs = 1;
    rte_mbuf_refcnt_set(&mbuf, 1);
    return &mbuf;
  }

  /// Pieces that nobody has freed.
  [[nodiscard]] std::size_t alive() const { return alive_; }

 private:
  /// DPDK looks for the private area right behind the mbuf.
  struct Buffer {
    rte_mbuf mbuf;
    PacketMetadata metadata;
    std::unique_ptr<std::uint8_t[]> memory;
  };
  static_assert(offsetof(Buffer, mbuf) == 0 && offsetof(Buffer, metadata) == sizeof(rte_mbuf));

  rte_mempool pool_{};
  std::size_t alive_ = 0;
};

}  // namespace weft::test
