#pragma once
/// DPDK's environment for a test executable: started at the first use, without hugepages and
/// without a trace beside other instances, given back at exit.

#include <rte_mempool.h>

namespace weft::test {

/// Packet buffers with the private area that the data plane keeps its metadata in. Throws
/// std::runtime_error when DPDK does not start.
rte_mempool* packet_pool();

}  // namespace weft::test
