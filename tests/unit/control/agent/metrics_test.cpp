#include "agent/metrics.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <sstream>

#include "agent/log_limit.hpp"
#include "log_lines.hpp"
#include "service.hpp"

namespace weft::agent::metrics_test {
namespace {

using namespace test;

std::string text_of(Service& s) {
  const auto response = s.api.handle({"GET", "/metrics", "", ""});
  CHECK(response.status == 200);
  CHECK(response.content_type == "text/plain; version=0.0.4; charset=utf-8");
  return response.body;
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST_CASE("metrics: values with their labels") {
  Service s;
  s.agent.set_process({"1.2.3", 1700000000});
  const auto& model = s.agent.model();
  auto& c = s.plane.counters_now;
  c.drops[static_cast<std::size_t>(DropReason::no_route)] = 4;
  c.punts[1] = {7, 2};
  c.ports.push_back({model.ports.at("fab0").id, {10, 1000}, {20, 2000}, 0, 11});
  c.ports.push_back({model.vifs.at("vm1").port, {3, 300}, {5, 500}, 0, 12});
  c.buffers = {1300, 17000};
  s.plane.flow_counts = {6, 1024, 21, 8, 4, 3, 5, 4096, 2048};
  c.ports.push_back({model.vifs.at("vm2").port, {4, 400}, {6, 600}});
  c.workers.push_back(
      {3, 1000, 500, 200, 4000, 16000, 9, 60, 20, 1, {"fab0/0"}, {{"parse", 32, 640}}});
  s.plane.nexthop_counts[model.tunnels.at("to-b").nexthop] = {8, 800};
  const auto text = text_of(s);
  for (const auto* line : {
           R"(weft_build_info{version="1.2.3"} 1)",
           R"(weft_port_receive_packets_total{port="fab0"} 10)",
           R"(weft_port_transmit_bytes_total{port="fab0"} 2000)",
           R"(weft_vif_receive_packets_total{vif="vm1",vrf="blue"} 3)",
           R"(weft_vrf_receive_packets_total{vrf="blue"} 7)",
           R"(weft_vrf_transmit_bytes_total{vrf="blue"} 1100)",
           R"(weft_vrf_receive_packets_total{vrf="underlay"} 10)",
           R"(weft_vrf_receive_packets_total{vrf="red"} 0)",
           R"(weft_tunnel_transmit_packets_total{tunnel="to-b",kind="vxlan"} 8)",
           R"(weft_port_receive_no_buffer_packets_total{port="fab0"} 11)",
           R"(weft_vif_receive_no_buffer_packets_total{vif="vm1",vrf="blue"} 12)",
           "weft_buffers 17000",
           "weft_buffers_in_use 1300",
           R"(weft_tunnel_resolved{tunnel="to-b"} 0)",
           R"(weft_decap_receive_bytes_total{decap="from-fabric",vrf="blue",vif=""} 300)",
           R"(weft_drop_packets_total{reason="no_route",stage="resolve"} 4)",
           R"(weft_drop_packets_total{reason="ttl_expired",stage="rewrite"} 0)",
           R"(weft_punt_limited_packets_total{class="local"} 2)",
           R"(weft_worker_idle_ratio{lcore="3"} 0.75)",
           R"(weft_worker_sleeps_total{lcore="3"} 9)",
           R"(weft_worker_handed_off_packets_total{lcore="3"} 60)",
           R"(weft_worker_taken_over_packets_total{lcore="3"} 20)",
           R"(weft_stage_cycles_total{lcore="3",stage="parse"} 640)",
           R"(weft_stage_packets_total{lcore="3",stage="parse"} 32)",
           R"(weft_port_up{port="fab0"} 1)",
           R"(weft_neighbours{state="failed"} 0)",
           R"(weft_vrf_routes{vrf="red"} 2)",
           R"(weft_flow_sessions{family="ipv4"} 6)",
           R"(weft_flow_capacity{family="ipv4"} 1024)",
           R"(weft_flow_opened_total{family="ipv4"} 21)",
           R"(weft_flow_expired_total{family="ipv4"} 8)",
           R"(weft_flow_evicted_total{family="ipv4"} 4)",
           R"(weft_flow_cleared_total{family="ipv4"} 3)",
           R"(weft_flow_refused_total{family="ipv4"} 5)",
           R"(weft_flow_memory_bytes{family="ipv4"} 4096)",
           R"(weft_flow_hugepage_bytes{family="ipv4"} 2048)",
           R"(weft_flow_sessions{family="ipv6"} 0)",
           "process_start_time_seconds 1700000000",
       }) {
    INFO(line);
    CHECK(has_line(text, line));
  }
}

TEST_CASE("metrics: each family is told once, with help and type, and counters end in _total") {
  Service s;
  std::istringstream lines(text_of(s));
  std::set<std::string> families;
  std::string family;
  std::string type;
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    std::istringstream words(line);
    std::string hash;
    std::string what;
    if (line.starts_with("# HELP ")) {
      words >> hash >> what >> family;
      CHECK(families.insert(family).second);
    } else if (line.starts_with("# TYPE ")) {
      std::string named;
      words >> hash >> what >> named >> type;
      CHECK(named == family);
      CHECK(family.ends_with("_total") == (type == "counter"));
    } else {
      CHECK(line.starts_with(family));
    }
  }
  CHECK(families.size() > 30);
}

TEST_CASE("metrics: labels are escaped") {
  MetricsText text;
  text.family("a", "gauge", "Help.");
  text.sample({{"x", "q\"b\\n\nend"}}, std::uint64_t{1});
  text.sample({}, 0.5);
  const std::string written = std::move(text).take();
  CHECK(written == "# HELP a Help.\n# TYPE a gauge\na{x=\"q\\\"b\\\\n\\nend\"} 1\na 0.5\n");
}

TEST_CASE("metrics: handler times are cumulated") {
  Service s;
  using std::chrono::microseconds;
  s.agent.handler_times().record("tick", microseconds(10));
  s.agent.handler_times().record("tick", microseconds(700));
  s.agent.handler_times().record("tick", microseconds(200000));
  const auto text = text_of(s);
  const std::string start = R"(weft_handler_duration_seconds_bucket{handler="tick",le=)";
  CHECK(has_line(text, start + R"("1e-05"} 1)"));
  CHECK(has_line(text, start + R"("0.0005"} 1)"));
  CHECK(has_line(text, start + R"("0.001"} 2)"));
  CHECK(has_line(text, start + R"("0.1"} 2)"));
  CHECK(has_line(text, start + R"("+Inf"} 3)"));
  CHECK(has_line(text, R"(weft_handler_duration_seconds_count{handler="tick"} 3)"));
  CHECK(has_line(text, R"(weft_handler_duration_seconds_sum{handler="tick"} 0.20071)"));
}

TEST_CASE("health: workers that stand still and links that are down") {
  Service s;
  auto& workers = s.plane.counters_now.workers;
  workers.push_back({2, 100, 0, 0, 0, 0, 0, 0, 0, 0, {}, {}});
  workers.push_back({3, 100, 0, 0, 0, 0, 0, 0, 0, 0, {}, {}});
  const auto turn = [&](std::chrono::milliseconds time) {
    s.now += time;
    s.agent.watch_workers();
  };
  turn(std::chrono::seconds(1));
  CHECK(s.call("GET", "/healthz").status == 200);
  CHECK(s.call("GET", "/healthz").body == Json::parse(R"({"status":"ok","reasons":[]})"));

  s.plane.workers_stand_still = true;
  workers[0].loops = 200;
  turn(std::chrono::milliseconds(1500));
  CHECK(s.call("GET", "/healthz").status == 200);
  turn(std::chrono::milliseconds(1500));
  const auto answer = s.call("GET", "/healthz");
  CHECK(answer.status == 503);
  REQUIRE(answer.body["reasons"].size() == 1);
  CHECK_THAT(answer.body["reasons"][0].get<std::string>(), Catch::Contains("lcore 3"));
  s.plane.workers_stand_still = false;
  turn(std::chrono::seconds(1));
  CHECK(s.call("GET", "/healthz").status == 200);

  s.plane.opened[0].link_up = false;
  CHECK_THAT(s.call("GET", "/healthz").body["reasons"][0].get<std::string>(),
             Catch::Contains("fab0"));
}

TEST_CASE("logs: each place has its own rate, and what is left out is counted") {
  auto behind = std::make_shared<Collect>();
  Time now{std::chrono::hours(1)};
  LimitedSink sink(behind, [&] { return now; });
  const auto log = [&](int line, const char* text) {
    sink.log({spdlog::source_loc{"a.cpp", line, "f"}, "weftd", spdlog::level::warn, text});
  };
  for (int i = 0; i < 100; ++i) log(7, "storm");
  CHECK(behind->lines.size() == 10);
  log(8, "another place");
  CHECK(behind->lines.back() == "another place");
  now += std::chrono::seconds(1);
  log(7, "storm");
  CHECK(behind->lines.back() == "storm (90 more like this were not logged)");
  now += std::chrono::seconds(1);
  log(7, "storm");
  CHECK(behind->lines.back() == "storm");
}

}  // namespace
}  // namespace weft::agent::metrics_test
