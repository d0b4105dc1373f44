#include "http/server.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "http/asio.hpp"
#include "http/client.hpp"
#include "http/percent.hpp"

namespace weft::http::server_test {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char path[] = "/tmp/weft-http-XXXXXX";
    if (::mkdtemp(path) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = path;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

Response echo(const Request& r) {
  if (r.path == "/throw") throw std::runtime_error("it \"broke\"");
  return {.status = r.path == "/missing" ? 404U : 200U,
          .content_type = "text/plain",
          .body = r.method + "|" + r.path + "|" + r.query + "|" + r.body};
}

/// A server on its own thread.
class Service {
 public:
  explicit Service(Limits limits = {}, Handler handler = echo)
      : server_(UnixServer::listen(io_, path(), std::move(handler), limits).value()),
        thread_([this] { io_.run(); }) {}
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  ~Service() { stop(); }

  /// Returns once every session has ended.
  void stop() {
    if (!thread_.joinable()) return;
    boost::asio::post(io_, [this] { server_.reset(); });
    thread_.join();
  }
  void post(std::function<void()> work) { boost::asio::post(io_, std::move(work)); }
  [[nodiscard]] std::string path() const { return directory_.file("api.sock"); }

 private:
  TemporaryDirectory directory_;
  boost::asio::io_context io_;
  std::unique_ptr<UnixServer> server_;
  std::thread thread_;
};

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

/// A connection that says what it likes.
class RawClient {
 public:
  explicit RawClient(const std::string& path)
      : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const auto address = address_of(path);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error(std::strerror(errno));
    }
  }
  RawClient(RawClient&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  RawClient& operator=(RawClient&&) = delete;
  ~RawClient() {
    if (socket_ >= 0) ::close(socket_);
  }

  bool send(const std::string& bytes) const {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const auto n = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n < 0) return false;
      sent += static_cast<std::size_t>(n);
    }
    return true;
  }
  /// What comes until `until` has come, the server closes, or nothing more comes for 10 s.
  [[nodiscard]] std::string receive(const std::string& until = "\x01never") {
    std::string out;
    char chunk[4096];
    closed_ = false;
    while (out.find(until) == std::string::npos) {
      pollfd wait{socket_, POLLIN, 0};
      if (::poll(&wait, 1, 10'000) <= 0) break;
      const auto n = ::recv(socket_, chunk, sizeof chunk, 0);
      closed_ = n <= 0;
      if (closed_) break;
      out.append(chunk, static_cast<std::size_t>(n));
    }
    return out;
  }
  [[nodiscard]] bool closed() const { return closed_; }

 private:
  int socket_;
  bool closed_ = false;
};

Request get(const std::string& path) { return {"GET", path, "", ""}; }

std::string error_of(const Result<std::unique_ptr<UnixServer>>& result) {
  return result ? "" : result.error().message;
}

TEST_CASE("http: a request reaches the handler, its response the client") {
  const Service service;
  auto response = request(service.path(), {"PUT", "/v1/a b/%", "x=1&y=%20", "{\"k\": 1}"});
  REQUIRE(response);
  CHECK(response->status == 200);
  CHECK(response->content_type == "text/plain");
  CHECK(response->body == "PUT|/v1/a b/%|x=1&y=%20|{\"k\": 1}");
  CHECK(request(service.path(), {"DELETE", "/x", "", "b"}).value().body == "DELETE|/x||b");
  CHECK(request(service.path(), {"POST", "/x", "", ""}).value().body == "POST|/x||");
  CHECK(request(service.path(), get("/missing")).value().status == 404);
  const std::string large(1 << 20, 'x');
  CHECK(request(service.path(), {"POST", "/", "", large}).value().body.size() == large.size() + 8);
}

TEST_CASE("http: an exception in the handler is a response 500") {
  const Service service;
  const auto response = request(service.path(), get("/throw")).value();
  CHECK(response.status == 500);
  CHECK(response.content_type == "application/json");
  CHECK(response.body == R"({"error":"it \"broke\""})");
  CHECK(request(service.path(), get("/")).value().status == 200);
}

TEST_CASE("http: one connection carries many requests, whole or in pieces") {
  const Service service;
  RawClient client(service.path());
  client.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto both = client.receive("GET|/2||");
  CHECK_THAT(both, Catch::Contains("GET|/1||") && Catch::Contains("GET|/2||"));
  for (const char c : std::string("POST /3 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok")) {
    client.send(std::string(1, c));
  }
  CHECK_THAT(client.receive("POST|/3||ok"), Catch::EndsWith("POST|/3||ok"));
  client.send("GET /4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK_THAT(client.receive(), Catch::EndsWith("GET|/4||"));
  CHECK(client.closed());
}

TEST_CASE("http: a body comes in pieces, and what follows it is the next request") {
  const Service service;
  RawClient client(service.path());
  client.send("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (const char c : std::string("3;x=y\r\none\r\nA\r\n, two, thr\r\n2\r\nee\r\n0\r\n\r\nGET ")) {
    client.send(std::string(1, c));
  }
  CHECK_THAT(client.receive("three"), Catch::EndsWith("POST|/a||one, two, three"));
  client.send("/b HTTP/1.1\r\nHost: x\r\n\r\nPUT /c HTTP/1.1\r\nContent-Length: 200000\r\n\r\n");
  CHECK_THAT(client.receive("GET|/b||"), Catch::StartsWith("HTTP/1.1 200 OK\r\n"));
  const std::string body(200'000, 'x');  // more than waits for a message at once
  client.send(body + "GET /d HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string both = client.receive("GET|/d||");
  CHECK_THAT(both, Catch::Contains("Content-Length: 200008\r\n\r\nPUT|/c||" + body + "HTTP/1.1 "));
  CHECK_THAT(both, Catch::EndsWith("GET|/d||"));
}

TEST_CASE("http: a connection stays open where its client wants that") {
  const Service service;
  const auto says = [&](const std::string& request) {
    RawClient client(service.path());
    client.send(request);
    const std::string head = client.receive("GET|/||");
    return head.substr(0, head.find("\r\n\r\n"));
  };
  const std::string fields = "\r\nContent-Type: text/plain\r\n";
  CHECK(says("GET / HTTP/1.1\r\nHost: x\r\n\r\n") ==
        "HTTP/1.1 200 OK" + fields + "Content-Length: 7");
  for (const auto* version : {"1.1\r\nConnection: close", "1.0"}) {
    CHECK(says("GET / HTTP/" + std::string(version) + "\r\n\r\n") ==
          "HTTP/1.1 200 OK" + fields + "Connection: close\r\nContent-Length: 7");
  }
}

TEST_CASE("http: an answer that takes long holds its connection") {
  std::function<void(Response)> done;
  std::atomic<bool> asked{false};
  Service service({.idle_timeout_s = 1}, [&](const Request&) {
    return Response{.later = [&](std::function<void(Response)> give) {
      done = std::move(give);
      asked = true;
    }};
  });
  RawClient client(service.path());
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  while (!asked) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(1200));  // beyond the idle timeout
  service.post([&] {
    done({.body = "{}"});
    done = nullptr;  // it holds what must not outlive the service
  });
  CHECK_THAT(client.receive("{}"), Catch::EndsWith("\r\n\r\n{}"));
}

TEST_CASE("http: a client that asks before it sends the body is told to go on") {
  const Service service;
  RawClient client(service.path());
  client.send("PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK_THAT(client.receive("\r\n\r\n"), Catch::StartsWith("HTTP/1.1 100"));
  client.send("ok");
  CHECK_THAT(client.receive("PUT|/||ok"), Catch::StartsWith("HTTP/1.1 200"));
}

TEST_CASE("http: what is no request is answered 400, and the server lives") {
  const Service service;
  for (const std::string& garbage :
       {std::string("\r\n\r\n\x01\x02\x03\r\n\r\n"), std::string("GET\r\n\r\n"),
        std::string("GET / HTTP/9.9\r\n\r\n"), std::string(3, '\0') + "\r\n\r\n",
        std::string("GET / HTTP/1.1\r\nno colon\r\n\r\n"),
        std::string("PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
        std::string("GET /%zz HTTP/1.1\r\n\r\n"), std::string("GET x HTTP/1.1\r\n\r\n")}) {
    RawClient client(service.path());
    client.send(garbage);
    const auto answer = client.receive("}");
    INFO(garbage << " was answered " << answer);
    CHECK_THAT(answer, Catch::StartsWith("HTTP/1.1 400"));
    CHECK_THAT(answer, Catch::Contains("{\"error\":\""));
  }
  RawClient head(service.path());
  head.send("HEAD / HTTP/1.1\r\n\r\n");
  CHECK_THAT(head.receive(), Catch::StartsWith("HTTP/1.1 405"));
  CHECK(head.closed());
  CHECK(request(service.path(), get("/")).value().status == 200);
}

TEST_CASE("http: bodies and headers above the limit are refused") {
  const Service service(
      {.connections = 8, .body_bytes = 1000, .header_bytes = 2000, .idle_timeout_s = 10});
  CHECK(request(service.path(), {"PUT", "/", "", std::string(1000, 'x')}).value().status == 200);
  const auto refused = request(service.path(), {"PUT", "/", "", std::string(1001, 'x')}).value();
  CHECK(refused.status == 413);
  CHECK(refused.body == R"({"error":"the body is larger than 1000 bytes"})");
  // More than the socket's buffers hold, so that the server closes while the client still writes.
  CHECK(request(service.path(), {"PUT", "/", "", std::string(8 << 20, 'x')}).value().status == 413);

  RawClient chunked(service.path());
  chunked.send("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" +
               std::string(1001, 'x') + "\r\n0\r\n\r\n");
  CHECK_THAT(chunked.receive("}"), Catch::StartsWith("HTTP/1.1 413"));
  RawClient header(service.path());
  header.send("GET / HTTP/1.1\r\nx: " + std::string(2000, 'x') + "\r\n\r\n");
  CHECK_THAT(header.receive("}"), Catch::StartsWith("HTTP/1.1 431"));
}

TEST_CASE("http: connections above the limit are turned away, until others leave") {
  const Service service({.connections = 8});
  std::vector<RawClient> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back(service.path());
    clients.back().send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_THAT(clients.back().receive("GET|/||"), Catch::StartsWith("HTTP/1.1 200"));
  }
  for (int i = 0; i < 100; ++i) {
    RawClient late(service.path());
    CHECK_THAT(late.receive(), Catch::StartsWith("HTTP/1.1 503") && Catch::EndsWith("\"}"));
    CHECK(late.closed());
  }
  const auto turned_away = request(service.path(), get("/")).value();
  CHECK(turned_away.status == 503);
  CHECK_THAT(turned_away.body, Catch::Contains("too many connections"));

  clients.pop_back();
  const auto deadline = steady_clock::now() + seconds(10);
  while (request(service.path(), get("/")).value().status != 200) {
    REQUIRE(steady_clock::now() < deadline);
  }
}

TEST_CASE("http: slow clients time out and hold nobody up") {
  const Service service({.connections = 8, .idle_timeout_s = 1});
  const auto start = steady_clock::now();
  RawClient silent(service.path());
  RawClient slow(service.path());
  slow.send("PUT / HTTP/1.1\r\nContent-Length: 100\r\n\r\nx");
  CHECK(request(service.path(), get("/")).value().status == 200);
  CHECK(silent.receive().empty());
  CHECK(silent.closed());
  CHECK(slow.receive().empty());
  CHECK(slow.closed());
  CHECK(steady_clock::now() - start < seconds(9));
}

TEST_CASE("http: a client that does not read its response is dropped") {
  const Service service({.connections = 1, .idle_timeout_s = 1},
                        [](const Request&) { return Response{.body = std::string(8 << 20, 'x')}; });
  const RawClient deaf(service.path());
  deaf.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto deadline = steady_clock::now() + seconds(10);
  while (request(service.path(), get("/")).value().status != 200) {
    REQUIRE(steady_clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

TEST_CASE("http: stopping ends every session and removes the socket") {
  Service service;
  const RawClient idle(service.path());
  RawClient midway(service.path());
  midway.send("PUT / HTTP/1.1\r\nContent-Length: 100\r\n\r\nx");
  // Connections are accepted in their order, so once this one was served those two are sessions.
  CHECK(request(service.path(), get("/")).value().status == 200);
  const auto start = steady_clock::now();
  service.stop();
  CHECK(steady_clock::now() - start < seconds(9));  // and not by the idle timeout
  CHECK(midway.receive().empty());
  CHECK(midway.closed());
  CHECK_FALSE(std::filesystem::exists(service.path()));
}

TEST_CASE("http: sessions that the event loop never finishes go with it") {
  const TemporaryDirectory directory;
  boost::asio::io_context io;
  const auto server = UnixServer::listen(io, directory.file("s"), echo).value();
  const RawClient client(directory.file("s"));
  client.send("PUT / HTTP/1.1\r\nContent-Length: 100\r\n\r\nx");
  io.run_for(std::chrono::milliseconds(50));
}

TEST_CASE("http: who may listen where") {
  const TemporaryDirectory directory;
  boost::asio::io_context io;
  const std::string path = directory.file("s");

  SECTION("the mode is 0660, whatever the umask") {
    const auto before = ::umask(0);
    const auto open = UnixServer::listen(io, path, echo).value();
    ::umask(0777);
    const auto closed = UnixServer::listen(io, directory.file("t"), echo).value();
    ::umask(before);
    for (const auto& name : {"s", "t"}) {
      struct stat status {};
      REQUIRE(::stat(directory.file(name).c_str(), &status) == 0);
      CHECK((status.st_mode & 07777) == 0660);
    }
  }
  SECTION("a dead socket is replaced") {
    const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const auto address = address_of(path);
    REQUIRE(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    ::close(dead);
    CHECK(UnixServer::listen(io, path, echo));
  }
  SECTION("a live one is not, even while its server is busy") {
    const auto server = UnixServer::listen(io, path, echo).value();
    CHECK_THAT(error_of(UnixServer::listen(io, path, echo)),
               Catch::Contains(path + " is served by another process"));
    CHECK(std::filesystem::exists(path));
  }
  SECTION("a socket that another took over is left to him") {
    auto first = UnixServer::listen(io, path, echo).value();
    std::filesystem::remove(path);
    const auto second = UnixServer::listen(io, path, echo).value();
    first.reset();
    CHECK(std::filesystem::exists(path));
  }
  SECTION("a file is no socket") {
    std::ofstream(path) << "precious";
    CHECK_THAT(error_of(UnixServer::listen(io, path, echo)), Catch::Contains("is no socket"));
    CHECK(std::filesystem::file_size(path) == 8);
  }
  SECTION("nor is a link to one") {
    const auto server = UnixServer::listen(io, path, echo).value();
    std::filesystem::create_symlink(path, directory.file("link"));
    CHECK_THAT(error_of(UnixServer::listen(io, directory.file("link"), echo)),
               Catch::Contains("is no socket"));
  }
  SECTION("the directory must be there") {
    CHECK_THAT(error_of(UnixServer::listen(io, directory.file("no/s"), echo)),
               Catch::Contains("the directory of " + directory.file("no/s") + " is missing"));
  }
  SECTION("the path must fit") {
    CHECK_THAT(error_of(UnixServer::listen(io, directory.file(std::string(108, 'x')), echo)),
               Catch::Contains("107 bytes"));
    CHECK_THAT(error_of(UnixServer::listen(io, "", echo)), Catch::Contains("107 bytes"));
  }
}

TEST_CASE("http: the client says which socket does not answer") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("s");
  const auto failure = [](const std::string& socket_path) {
    const auto result = request(socket_path, get("/"));
    REQUIRE_FALSE(result);
    return result.error().message;
  };
  CHECK(failure(path) == "cannot connect to " + path + ": No such file or directory");
  CHECK_THAT(failure(std::string(200, 'x')), Catch::Contains("107 bytes"));

  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  const auto address = address_of(path);
  REQUIRE(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  CHECK(failure(path) == "cannot connect to " + path + ": Connection refused");
  REQUIRE(::listen(listener, 1) == 0);
  std::thread hangs_up([&] { ::close(::accept(listener, nullptr, nullptr)); });
  CHECK_THAT(failure(path), Catch::Contains(path + ": "));
  hangs_up.join();
  ::close(listener);
}

TEST_CASE("http: percent-encoding and queries") {
  CHECK(percent_encode("a b/\xff~") == "a%20b%2F%FF~");
  CHECK(percent_encode("/a b", "/") == "/a%20b");
  CHECK(percent_decode("a%20b%2f") == "a b/");
  CHECK_FALSE(percent_decode("%"));
  CHECK_FALSE(percent_decode("%2"));
  CHECK_FALSE(percent_decode("%2x"));
  using Map = std::map<std::string, std::string>;
  CHECK(parse_query("") == Map{});
  CHECK(parse_query("vrf=blue%201&all&a=b=c&&") ==
        Map{{"vrf", "blue 1"}, {"all", ""}, {"a", "b=c"}});
  CHECK_FALSE(parse_query("a=%"));
}

/// What a handler has begun to write; the handler runs on the server's thread.
struct Writing {
  std::shared_ptr<BodyStream> stream = std::make_shared<BodyStream>(1000);
  std::atomic<bool> left{false};
  std::atomic<unsigned> refused{0};
};

TEST_CASE("a streamed answer comes as it is written, until it is finished") {
  Writing w;
  Service service({}, [&](const Request&) {
    w.stream->write("one,");
    w.stream->write("two");
    w.stream->finish();
    return Response{200, "text/plain", {}, w.stream};
  });
  std::string got;
  const auto answer = stream(service.path(), {"POST", "/", "", ""}, [&](std::string_view piece) {
    got += piece;
    return true;
  });
  REQUIRE(answer);
  CHECK(answer->content_type == "text/plain");
  CHECK(got == "one,two");
  RawClient client(service.path());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  CHECK(client.receive().ends_with("close\r\n\r\n0\r\n\r\n"));
  service.stop();
  CHECK(w.stream->closed());
  CHECK_FALSE(w.stream->write("late"));
}

TEST_CASE("a refusal instead of a streamed answer is read whole") {
  const Service service({}, [](const Request&) {
    return Response{404, "application/json", std::string(100'000, 'x')};
  });
  const auto answer = stream(service.path(), get("/"), [](std::string_view) { return false; });
  REQUIRE(answer);
  CHECK(answer->status == 404);
  CHECK(answer->body == std::string(100'000, 'x'));
}

TEST_CASE("a streamed answer ends when its reader has enough") {
  Writing w;
  Service service({}, [&](const Request&) {
    w.stream->on_reader_left = [&] { w.left = true; };
    w.stream->write("first");
    return Response{200, "text/plain", {}, w.stream};
  });
  const auto answer =
      stream(service.path(), {"POST", "/", "", ""}, [](std::string_view) { return false; });
  REQUIRE(answer);
  const auto end = steady_clock::now() + seconds(5);
  while (!w.left && steady_clock::now() < end) std::this_thread::yield();
  CHECK(w.left);
}

TEST_CASE("a stream takes no more than its limit for a reader that does not read") {
  BodyStream stream(10);
  CHECK(stream.write("12345"));
  CHECK(stream.write("67890"));
  CHECK_FALSE(stream.write("1"));
}

TEST_CASE("a reader that takes nothing is dropped when its time is over") {
  Writing w;
  w.stream = std::make_shared<BodyStream>(16 << 20);
  Service service({.idle_timeout_s = 1}, [&](const Request&) {
    w.stream->on_reader_left = [&] { w.left = true; };
    w.stream->write(std::string(8 << 20, 'x'));  // more than a socket takes
    return Response{200, "text/plain", {}, w.stream};
  });
  RawClient client(service.path());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  const auto end = steady_clock::now() + seconds(5);
  while (!w.left && steady_clock::now() < end) std::this_thread::yield();
  CHECK(w.left);
}

TEST_CASE("a server that stops ends its streams") {
  Writing w;
  auto service = std::make_unique<Service>(Limits{}, [&](const Request&) {
    w.stream->on_reader_left = [&] { w.left = true; };
    w.stream->write("x");
    return Response{200, "text/plain", {}, w.stream};
  });
  RawClient client(service->path());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  CHECK(client.receive("x\r\n").find("chunked") != std::string::npos);
  service->stop();
  CHECK(w.left);
}

}  // namespace
}  // namespace weft::http::server_test
