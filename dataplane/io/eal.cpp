#include "io/eal.hpp"

#include <fmt/format.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "packet/packet.hpp"
#include "tables/mapped_memory.hpp"

namespace weft::io {
namespace {

/// Hugepage memory that nobody has or was promised, MiB.
struct FreeHugepages {
  std::uint64_t all_mb = 0;
  std::uint64_t mapped_mb = 0;  ///< in pages as MappedMemory takes them
};
FreeHugepages free_hugepages() {
  FreeHugepages free;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", error)) {
    std::uint64_t pages = 0;
    std::uint64_t promised = 0;
    std::ifstream(entry.path() / "free_hugepages") >> pages;
    std::ifstream(entry.path() / "resv_hugepages") >> promised;
    const std::string name = entry.path().filename();  // hugepages-2048kB
    const std::uint64_t page_kb =
        std::strtoull(name.c_str() + std::string("hugepages-").size(), nullptr, 10);
    const std::uint64_t mb = (pages - std::min(pages, promised)) * page_kb / 1024;
    free.all_mb += mb;
    if (page_kb * 1024 == MappedMemory::hugepage_bytes) free.mapped_mb += mb;
  }
  return free;
}

Status check_cpus(const std::vector<unsigned>& cpus) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  for (const unsigned cpu : cpus) {
    if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &allowed)) {
      return Error{
          fmt::format("workers.lcores: this process may not run on CPU {}; see `nproc`, "
                      "`taskset -p {}`",
                      cpu, getpid())};
    }
  }
  return ok();
}

/// Worker i is lcore i on its CPU; the control thread is the lcore behind them, on the CPUs that no
/// worker has, or on all where there are no others.
std::string lcore_map(const std::vector<unsigned>& cpus) {
  std::string map;
  for (std::size_t i = 0; i < cpus.size(); ++i) map += fmt::format("{}@{},", i, cpus[i]);
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::vector<unsigned> others;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed) && std::find(cpus.begin(), cpus.end(), cpu) == cpus.end()) {
      others.push_back(cpu);
    }
  }
  return map + fmt::format("{}@({})", cpus.size(), fmt::join(others.empty() ? cpus : others, ","));
}

/// What a weftd that was killed left of DPDK's runtime directories (/run/dpdk/weft-PID).
void remove_stale_runtime(const std::filesystem::path& parent) {
  const std::string prefix = "weft-";
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(parent, error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(prefix)) continue;
    const long pid = std::strtol(name.c_str() + prefix.size(), nullptr, 10);
    if (pid > 0 && kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) {
      std::filesystem::remove_all(entry.path(), error);
    }
  }
}

/// rte_pktmbuf_pool_create(), but that without hugepages a buffer may cross pages of 4 KiB: nothing
/// does DMA from them, and it halves the memory.
rte_mempool* make_pool(unsigned count, std::size_t room, bool huge) {
  constexpr unsigned cache = 256;
  rte_mempool* pool = rte_mempool_create_empty(
      "packets", count, static_cast<unsigned>(sizeof(rte_mbuf) + sizeof(PacketMetadata) + room),
      cache, sizeof(rte_pktmbuf_pool_private), SOCKET_ID_ANY,
      huge ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG);
  if (pool == nullptr) return nullptr;
  // The buffer that came back last goes out first: it is in a cache still, also where one worker
  // takes what another gives back. Without this driver buffers go round in a ring.
  (void)rte_mempool_set_ops_byname(pool, "lf_stack", nullptr);
  rte_pktmbuf_pool_private settings{};
  settings.mbuf_data_room_size = static_cast<std::uint16_t>(room);
  settings.mbuf_priv_size = sizeof(PacketMetadata);
  rte_pktmbuf_pool_init(pool, &settings);
  if (rte_mempool_populate_default(pool) < 0) {
    rte_mempool_free(pool);
    return nullptr;
  }
  rte_mempool_obj_iter(pool, rte_pktmbuf_init, nullptr);
  return pool;
}

}  // namespace

Result<std::unique_ptr<Eal>> Eal::start(const EalOptions& options) {
  if (const Status status = check_cpus(options.worker_cpus); !status) return status.error();
  const FreeHugepages free = free_hugepages();
  const std::uint64_t free_mb = free.all_mb;
  const bool huge = options.hugepages == Hugepages::on ||
                    (options.hugepages == Hugepages::automatic && free_mb >= options.memory_mb);
  if (options.hugepages == Hugepages::on && free_mb < options.memory_mb) {
    return Error{
        fmt::format("dpdk.hugepages: {} MiB wanted, {} MiB free; write a number of pages to "
                    "/proc/sys/vm/nr_hugepages, or say `hugepages: auto`",
                    options.memory_mb, free_mb)};
  }
  std::vector<std::string> words{
      "weftd",
      "--no-pci",
      "--no-telemetry",
      "--iova-mode=va",
      "--log-level=warning",
      "--log-level=pmd.net.tap:critical",  // it lacks rte_flow, and says so
      fmt::format("--file-prefix=weft-{}", getpid()),
      fmt::format("--lcores={}", lcore_map(options.worker_cpus)),
      fmt::format("--main-lcore={}", options.worker_cpus.size())};
  if (huge) {
    words.emplace_back("--in-memory");
  } else {
    words.insert(words.end(),
                 {"--no-huge", "--no-shconf", "-m", std::to_string(options.memory_mb)});
  }
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  if (rte_eal_init(static_cast<int>(words.size()), argv.data()) < 0) {
    return Error{fmt::format("DPDK does not start: {}{}", rte_strerror(rte_errno),
                             rte_errno == EACCES || rte_errno == EPERM ? "; run as root" : "")};
  }
  remove_stale_runtime(std::filesystem::path(rte_eal_get_runtime_dir()).parent_path());
  std::unique_ptr<Eal> eal(new Eal);
  eal->with_hugepages_ = huge;
  if (options.hugepages != Hugepages::off) {
    const std::uint64_t ours_mb =
        std::min<std::uint64_t>(free.mapped_mb, huge ? options.memory_mb : 0);
    eal->spare_hugepage_bytes_ = (free.mapped_mb - ours_mb) << 20;
  }
  for (unsigned i = 0; i < options.worker_cpus.size(); ++i) eal->worker_lcores_.push_back(i);

  const std::size_t room = options.buffer_bytes + headroom_bytes;
  const std::size_t each = room + sizeof(PacketMetadata) + sizeof(rte_mbuf) + 128;
  const std::size_t count = (std::size_t{options.memory_mb} << 20) / 10 * 7 / each;
  eal->pool_ = make_pool(static_cast<unsigned>(count), room, huge);
  if (eal->pool_ == nullptr) {
    return Error{fmt::format("dpdk.memory_mb: {} MiB do not hold {} packet buffers of {} bytes: {}",
                             options.memory_mb, count, each, rte_strerror(rte_errno))};
  }
  return eal;
}

Eal::~Eal() {
  const std::filesystem::path runtime = rte_eal_get_runtime_dir();
  rte_mempool_free(pool_);
  rte_eal_cleanup();
  std::error_code ignored;  // DPDK leaves the directory behind
  std::filesystem::remove_all(runtime, ignored);
}

}  // namespace weft::io
