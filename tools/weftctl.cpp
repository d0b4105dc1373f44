// weftctl: what a person types. Exit codes: 0 done, 1 weftd said no, 2 usage, 3 no weftd there.

#include <unistd.h>

#include <chrono>
#include <iostream>
#include <thread>

#include "ctl_command.hpp"
#include "ctl_output.hpp"
#include "ctl_stream.hpp"
#include "ctl_watch.hpp"
#include "http/client.hpp"

namespace {

using namespace weft;

constexpr int refused = 1;
constexpr int unreachable = 3;

/// The answer, or the exit code behind what was said.
std::variant<ctl::Json, int> ask(const ctl::Command& command) {
  const auto response = http::request(command.endpoint(), command.request);
  if (!response) {
    std::cerr << "weftctl: " << response.error().message << "\nIs " << command.server
              << " running? Another one can be named with " << command.naming << ".\n";
    return unreachable;
  }
  if (response->status >= 400) {
    std::cerr << "weftctl: " << ctl::error_text(response.value()) << '\n';
    return refused;
  }
  auto answer = ctl::parse_answer(response->body);
  if (answer.is_discarded()) {
    std::cerr << "weftctl: what answers at " << command.socket << " does not speak JSON\n";
    return refused;
  }
  return answer;
}

/// Until it is interrupted, or weftd goes.
int watch(const ctl::Command& command) {
  using Clock = std::chrono::steady_clock;
  const auto period =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(command.watch_s));
  const char* clear = ::isatty(STDOUT_FILENO) != 0 ? "\x1b[H\x1b[2J" : "";
  ctl::Json before = ctl::Json::object();
  auto then = Clock::now();
  for (auto next = then;; next += period) {
    std::this_thread::sleep_until(next);
    auto answer = ask(command);
    if (const int* code = std::get_if<int>(&answer)) return *code;
    const auto& now = std::get<ctl::Json>(answer);
    const std::chrono::duration<double> passed = Clock::now() - then;
    then = Clock::now();
    const auto shown = ctl::with_rates(before, now, passed.count());
    std::cout << clear
              << (command.json ? ctl::render_json(shown) : ctl::render(command.answer, shown))
              << std::flush;
    if (!std::cout) return 0;  // whoever read has gone
    before = now;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = ctl::parse_command(argc, argv, std::cout, std::cerr);
  if (const int* code = std::get_if<int>(&parsed)) return *code;
  const auto& command = std::get<ctl::Command>(parsed);
  if (command.streams()) return ctl::run_stream(command, std::cout, std::cerr);
  if (command.watch_s > 0) return watch(command);

  const auto answer = ask(command);
  if (const int* code = std::get_if<int>(&answer)) return *code;
  const auto& json = std::get<ctl::Json>(answer);
  std::cout << (command.json ? ctl::render_json(json) : ctl::render(command.answer, json));
  return 0;
}
