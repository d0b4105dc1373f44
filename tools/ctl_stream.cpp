#include "ctl_stream.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "agent/pcapng.hpp"
#include "ctl_output.hpp"
#include "http/client.hpp"

namespace weft::ctl {
namespace {

constexpr int exit_refused = 1;
constexpr int exit_no_weftd = 3;

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

/// Writes a pcapng stream block by block, so that what is there is a file at any moment.
class BlockWriter {
 public:
  explicit BlockWriter(std::FILE* file) : file_(file) {}

  bool write(std::string_view piece) {
    waiting_ += piece;
    std::size_t whole = 0;
    while (const auto bytes =
               agent::pcapng::block_bytes(std::string_view(waiting_).substr(whole))) {
      if (*bytes == 0 || whole + *bytes > waiting_.size()) break;
      whole += *bytes;
    }
    const bool written =
        std::fwrite(waiting_.data(), 1, whole, file_) == whole && std::fflush(file_) == 0;
    waiting_.erase(0, whole);
    return written;
  }

 private:
  std::FILE* file_;
  std::string waiting_;
};

class LinePrinter {
 public:
  LinePrinter(std::ostream& out, bool json) : out_(out), json_(json) {}

  bool write(std::string_view piece) {
    waiting_ += piece;
    for (auto end = waiting_.find('\n'); end != std::string::npos; end = waiting_.find('\n')) {
      const std::string line = waiting_.substr(0, end + 1);
      waiting_.erase(0, end + 1);
      const Json parsed = Json::parse(line, nullptr, false);
      out_ << (json_ || !parsed.is_object() ? line : render_trace(parsed));
    }
    return !out_.flush().fail();
  }

 private:
  std::ostream& out_;
  bool json_;
  std::string waiting_;
};

/// Server-sent events, each with one JSON object.
class EventPrinter {
 public:
  EventPrinter(std::ostream& out, bool json) : out_(out), json_(json) {}

  bool write(std::string_view piece) {
    waiting_ += piece;
    constexpr std::string_view data = "data: ";
    for (auto end = waiting_.find('\n'); end != std::string::npos; end = waiting_.find('\n')) {
      const std::string line = waiting_.substr(0, end);
      waiting_.erase(0, end + 1);
      if (!line.starts_with(data)) continue;
      const Json event = parse_answer(line.substr(data.size()));
      if (event.is_object()) out_ << (json_ ? event.dump() + "\n" : render_event(event));
    }
    return !out_.flush().fail();
  }

 private:
  std::ostream& out_;
  bool json_;
  std::string waiting_;
};

int finish(const Command& command, const Result<http::Response>& response, std::ostream& err) {
  if (!response) {
    err << "weftctl: " << response.error().message << "\nIs " << command.server
        << " running? Another socket can be named with " << command.naming << ".\n";
    return exit_no_weftd;
  }
  if (response->status >= 400) {
    err << "weftctl: " << error_text(response.value()) << '\n';
    return exit_refused;
  }
  return 0;
}

}  // namespace

int run_stream(const Command& command, std::ostream& out, std::ostream& err) {
  if (command.answer == Command::Answer::trace) {
    LinePrinter printer(out, command.json);
    return finish(command,
                  http::stream(command.endpoint(), command.request,
                               [&](std::string_view piece) { return printer.write(piece); }),
                  err);
  }
  if (command.answer == Command::Answer::events) {
    EventPrinter printer(out, command.json);
    return finish(command,
                  http::stream(command.endpoint(), command.request,
                               [&](std::string_view piece) { return printer.write(piece); }),
                  err);
  }
  // The file is made when the first bytes are there, so that a refusal leaves none.
  const bool to_stdout = command.output == "-";
  File file;
  std::unique_ptr<BlockWriter> writer;
  std::string trouble;
  const auto reader = [&](std::string_view piece) {
    if (writer == nullptr) {
      if (!to_stdout) {
        file.reset(std::fopen(command.output.c_str(), "wb"));
        if (!file) {
          trouble = std::strerror(errno);
          return false;
        }
      }
      writer = std::make_unique<BlockWriter>(to_stdout ? stdout : file.get());
    }
    if (writer->write(piece)) return true;
    trouble = std::strerror(errno);
    return false;
  };
  const int code = finish(command, http::stream(command.endpoint(), command.request, reader), err);
  if (trouble.empty()) return code;
  err << "weftctl: " << command.output << ": " << trouble << '\n';
  return exit_refused;
}

}  // namespace weft::ctl
