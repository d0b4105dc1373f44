#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>

#include "bench_eal.hpp"

namespace {

/// Remembers whether a row failed, of which Google Benchmark only prints that.
class Reporter : public benchmark::ConsoleReporter {
 public:
  Reporter() : ConsoleReporter(isatty(STDOUT_FILENO) == 1 ? OO_Color : OO_None) {}
  void ReportRuns(const std::vector<Run>& runs) override {
    failed_ = failed_ || std::any_of(runs.begin(), runs.end(),
                                     [](const Run& run) { return run.error_occurred; });
    ConsoleReporter::ReportRuns(runs);
  }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  bool failed_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  Reporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  weft::bench::stop_eal();
  benchmark::Shutdown();
  return reporter.failed() ? 1 : 0;
}
