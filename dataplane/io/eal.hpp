#pragma once
/// DPDK's environment: started once, with hugepages or without.

#include <rte_mempool.h>

#include <memory>
#include <string>
#include <vector>

#include "weft/result.hpp"

namespace weft::io {

enum class Hugepages { automatic, on, off };

struct EalOptions {
  Hugepages hugepages = Hugepages::automatic;
  unsigned memory_mb = 512;
  std::vector<unsigned> worker_cpus;
  std::size_t buffer_bytes = 2048;  ///< data room of a packet buffer, without headroom
};

/// Owns the environment; the destructor gives everything back. One per process.
class Eal {
 public:
  /// Errors name what DPDK lacked: CPUs, memory, permission.
  static Result<std::unique_ptr<Eal>> start(const EalOptions& options);
  ~Eal();
  Eal(const Eal&) = delete;
  Eal& operator=(const Eal&) = delete;

  [[nodiscard]] bool with_hugepages() const { return with_hugepages_; }
  /// Hugepage memory in pages of MappedMemory::hugepage_bytes that was free at the start, less what
  /// DPDK may take of it; 0 where hugepages are switched off.
  [[nodiscard]] std::size_t spare_hugepage_bytes() const { return spare_hugepage_bytes_; }
  [[nodiscard]] rte_mempool* pool() const { return pool_; }
  /// EAL's lcore numbers of the workers, in the order of EalOptions::worker_cpus.
  [[nodiscard]] const std::vector<unsigned>& worker_lcores() const { return worker_lcores_; }

 private:
  Eal() = default;
  bool with_hugepages_ = false;
  std::size_t spare_hugepage_bytes_ = 0;
  rte_mempool* pool_ = nullptr;
  std::vector<unsigned> worker_lcores_;
};

}  // namespace weft::io
