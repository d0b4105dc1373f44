// weftctl: what a person types. Exit codes: 0 done, 1 weftd said no, 2 usage, 3 no weftd there.

#include <iostream>

#include "ctl_command.hpp"
#include "ctl_output.hpp"
#include "ctl_stream.hpp"
#include "http/client.hpp"

int main(int argc, char** argv) {
  using namespace weft;
  const auto parsed = ctl::parse_command(argc, argv, std::cout, std::cerr);
  if (const int* code = std::get_if<int>(&parsed)) return *code;
  const auto& command = std::get<ctl::Command>(parsed);

  if (command.streams()) return ctl::run_stream(command, std::cout, std::cerr);
  const auto response = http::request(command.socket, command.request);
  if (!response) {
    std::cerr << "weftctl: " << response.error().message
              << "\nIs weftd running? Another socket can be named with --socket or WEFT_SOCKET.\n";
    return 3;
  }
  if (response->status >= 400) {
    std::cerr << "weftctl: " << ctl::error_text(response.value()) << '\n';
    return 1;
  }
  const auto answer = ctl::parse_answer(response->body);
  if (answer.is_discarded()) {
    std::cerr << "weftctl: what answers at " << command.socket << " does not speak JSON\n";
    return 1;
  }
  std::cout << (command.json ? ctl::render_json(answer) : ctl::render(command.answer, answer));
  return 0;
}
