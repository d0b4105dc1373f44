#include <benchmark/benchmark.h>

#include "bench_eal.hpp"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  weft::bench::stop_eal();
  benchmark::Shutdown();
  return 0;
}
