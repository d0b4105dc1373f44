#include "controller/process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "http/client.hpp"

namespace weft::bench {

namespace {

using namespace std::chrono_literals;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/// One that nobody has at the moment.
std::uint16_t free_port() {
  const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  const bool bound =
      probe >= 0 && ::bind(probe, generic, size) == 0 && ::getsockname(probe, generic, &size) == 0;
  if (probe >= 0) ::close(probe);
  if (!bound) throw std::runtime_error("127.0.0.1 has no free port");
  return ntohs(address.sin_port);
}

bool accepts(std::uint16_t port) {
  const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (probe < 0) return false;
  const int error = ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::close(probe);
  return error == 0;
}

}  // namespace

ControllerProcess::ControllerProcess(std::filesystem::path program, std::filesystem::path directory,
                                     const Layout& layout)
    : program_(std::move(program)), directory_(std::move(directory)), port_(free_port()) {
  const auto here = [&](const char* file) { return (directory_ / file).string(); };
  std::ofstream(here("controller.yaml"))
      << "name: bench\ndomain: " << domain << "\nlisten: {address: 127.0.0.1, port: " << port_
      << "}\ntls: {ca: " << here("pki/ca.pem") << ", cert: " << here("pki/network-control.pem")
      << ", key: " << here("pki/network-control.key") << "}\napi: {socket: " << here("api.sock")
      << "}\nstate: {file: " << here("controller.db") << "}\nfiles: [" << here("networks.yaml")
      << "]\ntimers: {grace: 0}\n";
  std::ofstream networks(here("networks.yaml"));
  networks << "networks:\n";
  for (unsigned network = 0; network < layout.networks; ++network) {
    networks << "  - {name: " << Layout::network_name(network) << ", vni: " << Layout::vni(network)
             << ", subnets: [{prefix: 10.0.0.0/24, gateway: 10.0.0.254}]}\n";
  }
}

ControllerProcess::~ControllerProcess() { kill(); }

Status ControllerProcess::start() {
  const auto config = (directory_ / "controller.yaml").string();
  const auto log = (directory_ / "log").string();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  std::string program = program_.string();
  std::string option = "--config=" + config;
  std::string quiet = "--log-level=warning";
  char* arguments[] = {program.data(), option.data(), quiet.data(), nullptr};
  const int failed = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return Error{program + " cannot be started: " + std::strerror(failed)};
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (std::chrono::steady_clock::now() < deadline) {
    if (accepts(port_)) return ok();
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      break;
    }
    std::this_thread::sleep_for(10ms);
  }
  return Error{program + " did not come up: " + log_end()};
}

void ControllerProcess::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void ControllerProcess::forget() {
  for (const auto* suffix : {"", "-wal", "-shm"}) {
    std::error_code ignored;
    std::filesystem::remove((directory_ / "controller.db").string() + suffix, ignored);
  }
}

double ControllerProcess::cpu_seconds() const {
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(pid_, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

std::size_t ControllerProcess::status_bytes(const std::string& field) const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field)) return std::stoul(line.substr(field.size())) << 10;
  }
  return 0;
}

Status ControllerProcess::set_ttl(unsigned network, unsigned ttl) const {
  const auto answer =
      http::request((directory_ / "api.sock").string(),
                    {.method = "PUT",
                     .path = "/v1/network",
                     .query = {},
                     .body = R"({"name": ")" + Layout::network_name(network) +
                             R"(", "features": {"ttl": )" + std::to_string(ttl) + "}}"});
  if (!answer) return answer.error();
  if (answer->status != 200) return Error{answer->body};
  return ok();
}

std::string ControllerProcess::log_end() const {
  siginfo_t ended{};
  const bool gone =
      pid_ >= 0 &&
      ::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
      ended.si_pid == pid_;
  std::ifstream log(directory_ / "log");
  std::stringstream text;
  text << log.rdbuf();
  const auto all = text.str();
  return all.substr(all.size() > 2000 ? all.size() - 2000 : 0) +
         (gone ? "and it has ended with status " + std::to_string(ended.si_status) : "");
}

}  // namespace weft::bench
