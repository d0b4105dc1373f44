#include "support/eal_session.hpp"

#include <fmt/format.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "packet/packet.hpp"

namespace weft::test {
namespace {

std::string allowed_cpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::string list;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) list += (list.empty() ? "" : ",") + std::to_string(cpu);
  }
  return list;
}

class Session {
 public:
  Session() {
    std::vector<std::string> words{"test",
                                   "--no-huge",
                                   "--no-shconf",
                                   "--no-pci",
                                   "--no-telemetry",
                                   "--iova-mode=va",
                                   "--log-level=warning",
                                   "-m",
                                   "128",
                                   fmt::format("--file-prefix=weft-test-{}", getpid()),
                                   fmt::format("--lcores=0@({})", allowed_cpus())};
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) {
      throw std::runtime_error(std::string("DPDK does not start: ") + rte_strerror(rte_errno));
    }
    pool_ = rte_pktmbuf_pool_create("packets", 1023, 0, sizeof(PacketMetadata),
                                    RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (pool_ == nullptr) {
      throw std::runtime_error(std::string("no packet buffers: ") + rte_strerror(rte_errno));
    }
  }
  ~Session() {
    rte_mempool_free(pool_);
    rte_eal_cleanup();
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] rte_mempool* pool() const { return pool_; }

 private:
  rte_mempool* pool_ = nullptr;
};

}  // namespace

rte_mempool* packet_pool() {
  static const Session session;
  return session.pool();
}

}  // namespace weft::test
