// Traces and captures as the API gives them: what is asked of the data plane, what is answered, and
// when it ends.
#include <pcap/pcap.h>
#include <spdlog/spdlog.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "agent/api.hpp"
#include "agent/packet_filter.hpp"
#include "agent/pcapng.hpp"
#include "node.hpp"
#include "support/hex.hpp"

namespace weft::agent::observe_test {
namespace {

using namespace test;
using weft::test::hex;
using weft::test::to_hex;
using Json = nlohmann::ordered_json;

struct Service {
  boost::asio::io_context io;
  FakePlane plane;
  Time now{std::chrono::hours(1)};
  Agent agent{io, plane, [this] { return now; }};
  Api api{agent};

  Service() {
    if (const auto started = agent.start(sample_node()); !started) {
      throw std::runtime_error(started.error().message);
    }
  }
  http::Response post(const std::string& path, const std::string& body) {
    return api.handle({"POST", path, "", body});
  }
  std::string refusal(const std::string& path, const std::string& body) {
    const auto response = post(path, body);
    REQUIRE(response.stream == nullptr);
    REQUIRE(response.status >= 400);
    return Json::parse(response.body)["error"];
  }
  /// As the data plane tells it, through the agent.
  void traced(PortId port) {
    ExplainReport report;
    report.steps = {{"parse", "IPv4", {}, {}, {}, {}}};
    report.verdict = "drop";
    report.reason = DropReason::no_route;
    agent.on_trace({plane.observers.begin()->first, 1'700'000'000'123'456'789, 1, port, report});
  }
  void captured(PortId port, CapturePoint point, const std::vector<std::uint8_t>& bytes) {
    agent.on_capture({plane.observers.begin()->first, 0x0000000100000002, port, point,
                      point == CapturePoint::dropped ? DropReason::spoofed_ip : DropReason::none,
                      100, bytes});
  }
  [[nodiscard]] PortId vm1() const { return agent.model().vifs.find("vm1")->second.port; }
};

TEST_CASE("a trace asks for what was named, and ends when it has it") {
  Service s;
  const auto response =
      s.post("/v1/trace", R"({"vifs":["vm1"],"port":"fab0","packets":2,"filter":"icmp"})");
  REQUIRE(response.stream);
  CHECK(response.status == 200);
  REQUIRE(s.plane.traces.size() == 1);
  CHECK(s.plane.traces[0].ports == std::vector{s.vm1(), s.agent.model().ports.at("fab0").id});
  CHECK(s.plane.traces[0].packets == 2);
  CHECK_FALSE(s.plane.traces[0].filter.instructions.empty());
  const auto table = s.api.handle({"GET", "/v1/observers", "", ""});
  CHECK(Json::parse(table.body)["rows"][0]["what"] == "trace at vif vm1, port fab0: icmp");
  s.traced(s.vm1());
  CHECK(s.plane.observers.size() == 1);
  s.traced(s.vm1());
  CHECK(s.plane.observers.empty());
}

TEST_CASE("a trace ends when its time is over") {
  Service s;
  const auto response = s.post("/v1/trace", R"({"seconds":5})");
  REQUIRE(response.stream);
  s.agent.observations().tick(s.now + std::chrono::milliseconds(4900));
  CHECK(s.plane.observers.size() == 1);
  s.agent.observations().tick(s.now + std::chrono::seconds(5));
  CHECK(s.plane.observers.empty());
}

TEST_CASE("a reader that leaves ends it at once, and no other reader is told") {
  Service s;
  const auto first = s.post("/v1/capture", "{}");
  const auto second = s.post("/v1/trace", "{}");
  REQUIRE((first.stream && second.stream));
  first.stream->on_reader_left();
  CHECK(s.plane.observers.size() == 1);
  CHECK(s.plane.traces.size() == 1);
  second.stream->on_reader_left();
  CHECK(s.plane.observers.empty());
}

TEST_CASE("a capture asks for what was named") {
  Service s;
  const auto asked = [&](const std::string& body) {
    REQUIRE(s.post("/v1/capture", body).stream);
    s.plane.observers.clear();
    return s.plane.captures.back();
  };
  auto request = asked("{}");
  CHECK((request.in && request.out && !request.dropped));
  request = asked(R"({"direction":"out","snap_bytes":96})");
  CHECK((!request.in && request.out && !request.dropped));
  CHECK(request.snap_bytes == 96);
  request = asked(R"({"dropped":true})");
  CHECK((!request.in && !request.out && request.dropped));
  CHECK(request.reason == DropReason::none);
  request = asked(R"({"dropped":"no_route","direction":"in"})");
  CHECK((request.in && !request.out && request.dropped));
  CHECK(request.reason == DropReason::no_route);
}

TEST_CASE("what is asked wrongly is refused, and nothing runs") {
  Service s;
  CHECK(s.refusal("/v1/trace", "[") == "the body is not JSON");
  CHECK(s.refusal("/v1/trace", R"({"vif":"vm"})").starts_with("there is no vif \"vm\""));
  CHECK(s.refusal("/v1/trace", R"({"ports":"fab0"})") == "ports: wanted a list of names");
  CHECK(s.refusal("/v1/trace", R"({"ports":[1]})") == "ports: wanted a list of names");
  CHECK(s.refusal("/v1/trace", R"({"packets":0})") == "packets: wanted a number from 1 to 10000");
  CHECK(s.refusal("/v1/trace", R"({"pakets":1})").starts_with("pakets: unknown key"));
  CHECK(s.refusal("/v1/trace", R"({"filter":"icmp and"})").find("syntax error") !=
        std::string::npos);
  CHECK(s.refusal("/v1/capture", R"({"direction":"up"})") == "direction: wanted in, out or both");
  CHECK(s.refusal("/v1/capture", R"({"dropped":"no_rout"})").find("did you mean \"no_route\"") !=
        std::string::npos);
  CHECK(s.refusal("/v1/capture", R"({"dropped":7})") == "dropped: wanted true or a reason");
  CHECK(s.plane.observers.empty());
  for (std::size_t i = 0; i < max_observers; ++i) REQUIRE(s.post("/v1/trace", "{}").stream);
  CHECK(s.refusal("/v1/trace", "{}") == "too many observers");
}

TEST_CASE("a filter is what tcpdump makes of it") {
  // `tcpdump -s 65535 -dd -y EN10MB "vlan and icmp"`
  const auto filter = compile_filter("vlan and icmp");
  REQUIRE(filter);
  const auto insn = [](std::uint64_t code, std::uint64_t jt, std::uint64_t jf, std::uint64_t k) {
    return code | jt << 16 | jf << 24 | k << 32;
  };
  CHECK(filter->instructions ==
        std::vector<std::uint64_t>{
            insn(0x28, 0, 0, 0xc), insn(0x15, 2, 0, 0x8100), insn(0x15, 1, 0, 0x88a8),
            insn(0x15, 0, 5, 0x9100), insn(0x28, 0, 0, 0x10), insn(0x15, 0, 3, 0x800),
            insn(0x30, 0, 0, 0x1b), insn(0x15, 0, 1, 1), insn(6, 0, 0, 0xffff), insn(6, 0, 0, 0)});
  REQUIRE(compile_filter(" \n"));
  CHECK(compile_filter("")->instructions.empty());
}

TEST_CASE("filters: what an expression says holds behind a VLAN tag, too, but where it says vlan") {
  // Ether(dst="02:00:00:00:0f:01", src="02:00:00:00:0f:02")/IP(src="192.0.2.2", dst="192.0.2.1",
  // id=7)/ICMP(id=1), and with Dot1Q(vlan=100), by scapy
  const auto untagged =
      hex("020000000f01020000000f0208004500001c000700004001f6d6c0000202c00002010800f7fe00010000");
  const auto tagged =
      hex("020000000f01020000000f028100006408004500001c000700004001f6d6c0000202c00002010800f7fe0001"
          "0000");
  const auto takes = [](const std::string& expression, const std::vector<std::uint8_t>& frame) {
    const auto filter = compile_filter(expression);
    REQUIRE(filter);
    std::vector<bpf_insn> program;
    for (const std::uint64_t word : filter->instructions) {
      program.push_back({static_cast<u_short>(word), static_cast<u_char>(word >> 16),
                         static_cast<u_char>(word >> 24), static_cast<bpf_u_int32>(word >> 32)});
    }
    const auto bytes = static_cast<u_int>(frame.size());
    return bpf_filter(program.data(), frame.data(), bytes, bytes) != 0;
  };
  for (const char* yes : {"icmp", "host 192.0.2.2", "not udp", "ip and not tcp", "icmp or arp",
                          "ether src 02:00:00:00:0f:02", "icmp[icmptype] == icmp-echo"}) {
    INFO(yes);
    CHECK(takes(yes, untagged));
    CHECK(takes(yes, tagged));
  }
  for (const char* no : {"udp", "not icmp", "ip6", "host 192.0.2.3", "not host 192.0.2.1"}) {
    INFO(no);
    CHECK_FALSE(takes(no, untagged));
    CHECK_FALSE(takes(no, tagged));
  }
  for (const char* only_tagged : {"vlan", "vlan 100", "vlan 100 and icmp"}) {
    INFO(only_tagged);
    CHECK(takes(only_tagged, tagged));
    CHECK_FALSE(takes(only_tagged, untagged));
  }
  CHECK_FALSE(takes("vlan 101", tagged));
  CHECK_FALSE(compile_filter("icmp) or (udp"));
}

TEST_CASE("filters: names that a resolver would be asked for are refused, others are not") {
  for (const char* good :
       {"host 192.0.2.1", "net 10.0.0.0/8 and not port 22", "ip6 host fd00::1", "port domain",
        "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "ether host 02:00:00:00:00:01",
        "udp[8:4] == 0x08000000", "portrange 1-1024", "icmp[icmptype] == icmp-echo",
        "ip proto ospf", "vlan 7 and ip", "dst net 192.0.2", "len > 100", "greater 60"}) {
    INFO(good);
    const auto filter = compile_filter(good);
    if (!filter) FAIL(filter.error().message);
  }
  for (const char* bad : {"host localhost", "example.org", "src www.example.org", "net loopback",
                          "dst host router-1", "gateway gw"}) {
    INFO(bad);
    const auto filter = compile_filter(bad);
    REQUIRE_FALSE(filter);
    CHECK(filter.error().message.find("names of hosts are not looked up") != std::string::npos);
  }
  CHECK_FALSE(compile_filter(std::string(1001, '(')));
  CHECK_FALSE(compile_filter(std::string("ip\0x", 4)));
}

std::vector<std::uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

TEST_CASE("pcapng: blocks as the draft pictures them") {
  // draft-ietf-opsawg-pcapng, sections 4.1 to 4.6, written out by hand.
  CHECK(to_hex(bytes_of(pcapng::section_header("weftd"))) ==
        "0a0d0d0a"
        "2c000000"
        "4d3c2b1a"
        "01000000"
        "ffffffffffffffff"
        "04000500"
        "7765667464000000"
        "00000000"
        "2c000000");
  CHECK(to_hex(bytes_of(pcapng::interface_description("vif a", 256))) ==
        "01000000"
        "2c000000"
        "01000000"
        "00010000"
        "02000500"
        "7669662061000000"
        "09000100"
        "09000000"
        "00000000"
        "2c000000");
  const auto data = hex("0102030405");
  CHECK(to_hex(bytes_of(pcapng::enhanced_packet(
            {3, 0x0000000100000002, 9, pcapng::Direction::outbound, "why", data}))) ==
        "06000000"
        "3c000000"
        "03000000"
        "01000000"
        "02000000"
        "05000000"
        "09000000"
        "0102030405000000"
        "02000400"
        "02000000"
        "01000300"
        "77687900"
        "00000000"
        "3c000000");
  CHECK(to_hex(bytes_of(pcapng::interface_statistics(1, 0x0000000100000002, 7, 8))) ==
        "05000000"
        "34000000"
        "01000000"
        "01000000"
        "02000000"
        "04000800"
        "0700000000000000"
        "05000800"
        "0800000000000000"
        "00000000"
        "34000000");
  CHECK(pcapng::block_bytes(pcapng::section_header("")) == 28);
  CHECK_FALSE(pcapng::block_bytes("1234567"));
}

}  // namespace
}  // namespace weft::agent::observe_test
