// Codecs: header templates, tunnel header parsing, checksums, flow hash.
#include <benchmark/benchmark.h>

#include <random>

#include "bench_eal.hpp"
#include "rte_ip.h"
#include "tunnel/entropy.hpp"
#include "tunnel/header_template.hpp"
#include "tunnel/registry.hpp"

namespace {

using weft::bench::Cycles;

weft::TunnelProfile profile() {
  weft::TunnelProfile p;
  p.local = *weft::parse_ip("192.0.2.1");
  p.remote = *weft::parse_ip("192.0.2.2");
  p.vni = 100;
  return p;
}

void build_template(benchmark::State& state) {
  const auto p = profile();
  Cycles cycles(state);
  for (auto _ : state) benchmark::DoNotOptimize(weft::tunnel::build_template(p));
  cycles.done(1);
}
BENCHMARK(build_template);

void parse_header(benchmark::State& state) {
  const auto made = weft::tunnel::build_template(profile());
  const auto header = made.bytes.bytes().subspan(28);
  Cycles cycles(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(weft::tunnel::parse_any_header(weft::TunnelKind::vxlan, 0, header));
  }
  cycles.done(1);
}
BENCHMARK(parse_header);

// The checksum beside DPDK's own.
void checksum(benchmark::State& state) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(state.range(0)), 0x5a);
  Cycles cycles(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        weft::wire::checksum_fold(weft::wire::checksum_add(bytes.data(), bytes.size())));
  }
  cycles.done(1);
}
BENCHMARK(checksum)->Arg(20)->Arg(64)->Arg(1400);

void checksum_dpdk(benchmark::State& state) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(state.range(0)), 0x5a);
  Cycles cycles(state);
  for (auto _ : state) benchmark::DoNotOptimize(rte_raw_cksum(bytes.data(), bytes.size()));
  cycles.done(1);
}
BENCHMARK(checksum_dpdk)->Arg(20)->Arg(64)->Arg(1400);

void flow_hash(benchmark::State& state) {
  const weft::tunnel::HashSeed seed;
  std::uint64_t addresses = 0x0a0100010a020001;
  Cycles cycles(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(weft::tunnel::flow_hash4(seed, ++addresses, 0x12345678, 17, 1));
  }
  cycles.done(1);
}
BENCHMARK(flow_hash);

}  // namespace
