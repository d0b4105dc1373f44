#include <catch2/catch.hpp>

#include "agent/flow_ranking.hpp"
#include "service.hpp"

namespace weft::agent::flow_test {
namespace {

using namespace test;

FlowRecord session(std::uint64_t id, std::uint8_t protocol, const char* source,
                   const char* destination) {
  FlowRecord r;
  r.id = id;
  r.protocol = protocol;
  r.forward.source = r.reverse.destination = ip(source);
  r.forward.destination = r.reverse.source = ip(destination);
  r.forward.source_port = r.reverse.destination_port = 4711;
  r.forward.destination_port = r.reverse.source_port = 80;
  return r;
}

std::vector<std::string> ids(const Json& rows) {
  std::vector<std::string> out;
  for (const auto& row : rows) out.push_back(row["id"]);
  return out;
}

TEST_CASE("flows: a session with the names of what it uses") {
  Service s;
  const auto& model = s.agent.model();
  auto tcp = session(72057594037927937, 6, "10.1.0.11", "10.1.0.12");
  tcp.state = FlowState::established;
  tcp.age_ms = 61'234;
  tcp.idle_ms = 1'060;
  tcp.forward.vrf = VrfId(model.vrfs.at("blue").id.index());
  tcp.forward.ingress = model.vifs.at("vm1").id;
  tcp.forward.nexthop = model.tunnels.at("to-b").nexthop;
  tcp.forward.packets = 7;
  tcp.forward.bytes = 700;
  tcp.reverse.packets = 5;
  tcp.reverse.bytes = 5000;
  s.plane.sessions.push_back(tcp);
  CHECK(s.rows("flow") ==
        Json::parse(R"([{"id":"72057594037927937","protocol":"tcp","state":"established",
          "vrf":"blue","source":"10.1.0.11:4711","destination":"10.1.0.12:80","from":"vif vm1",
          "to":"tunnel to-b","packets":7,"bytes":700,"back_packets":5,"back_bytes":5000,
          "age_s":61.2,"idle_s":1.1}])"));
}

TEST_CASE("flows: ends as their protocol has them, and what is gone") {
  Service s;
  s.plane.sessions = {session(1, 17, "fd00:1::11", "fd00:1::12"),
                      session(2, 1, "10.1.0.11", "10.1.0.12"),
                      session(3, 47, "10.1.0.11", "10.1.0.12")};
  s.plane.sessions[2].forward.vrf = VrfId(77);
  s.plane.sessions[2].forward.ingress = VifId(77);
  s.plane.sessions[2].forward.nexthop = NexthopId(77);
  const auto rows = s.rows("flow");
  CHECK(rows[0]["source"] == "[fd00:1::11]:4711");
  CHECK(rows[0]["destination"] == "[fd00:1::12]:80");
  CHECK(rows[0]["from"] == "fabric");
  CHECK(rows[0]["to"].is_null());
  CHECK(rows[1]["protocol"] == "icmp");
  CHECK(rows[1]["source"] == "10.1.0.11:4711");
  CHECK(rows[1]["destination"] == "10.1.0.12");
  CHECK(rows[2]["protocol"] == "47");
  CHECK(rows[2]["source"] == "10.1.0.11");
  CHECK(rows[2]["vrf"] == "gone");
  CHECK(rows[2]["from"] == "vif gone");
  CHECK(rows[2]["to"] == "gone");
}

TEST_CASE("flows: the filter is handed to the data plane") {
  Service s;
  s.rows(
      "flow?vrf=red&vif=vm1&source=10.1.0.0/24&destination=fd00:1::12&address=10.1.0.11"
      "&protocol=icmpv6&port=53&state=one-way&id=72057594037927937");
  const auto& f = s.plane.flow_filter;
  CHECK(f.vrf == s.agent.model().vrfs.at("red").id);
  CHECK(f.vif == s.agent.model().vifs.at("vm1").id);
  CHECK(f.source == net("10.1.0.0/24"));
  CHECK(f.destination == net("fd00:1::12/128"));
  CHECK(f.address == net("10.1.0.11/32"));
  CHECK(f.protocol == 58);
  CHECK(f.port == 53);
  CHECK(f.state == FlowState::one_way);
  CHECK(f.id == 72057594037927937);
  s.rows("flow?protocol=89");
  CHECK(s.plane.flow_filter.protocol == 89);
  CHECK_FALSE(s.plane.flow_filter.vrf);
}

TEST_CASE("flows: what cannot be a filter is refused") {
  Service s;
  const auto refused = [&](const std::string& query, unsigned status, const char* part) {
    s.refused("GET", "/v1/flow?" + query, "", status, part);
  };
  refused("vrf=blu", 404, "did you mean \"blue\"");
  refused("vif=vm", 404, "did you mean \"vm1\"");
  refused("vfi=vm1", 400, "did you mean \"vif\"");
  refused("source=10.1", 400, "source: wanted a prefix");
  refused("protocol=tpc", 400, "did you mean \"tcp\"");
  refused("protocol=256", 400, "protocol");
  refused("port=65536", 400, "port: wanted a number from 0 to 65535");
  refused("port=http", 400, "port");
  refused("state=opned", 400, "wanted one of one-way, answered, opening, established, closing");
  refused("state=openin", 400, "did you mean \"opening\"");
  refused("sort=byte", 400, "did you mean \"bytes\"");
  refused("sort=found", 400, "packets, bytes, age, idle");
  refused("limit=0", 400, "limit: wanted a number from 1 to 10000");
  refused("id=-1", 400, "id: wanted the number of a session");
  refused("id=18446744073709551616", 400, "id");
  refused("vrf=%2", 400, "percent");
  std::string many = "a=1";
  for (int i = 0; i < 3000; ++i) many += "&" + std::to_string(i);
  refused(many, 400, "unknown key");
  CHECK(s.plane.flow_slices == 0);
  s.refused("GET", "/v1/flows", "", 404, "did you mean \"flow\"");
  s.refused("PUT", "/v1/flow", "{}", 405, "PUT is not for /v1/flow");
}

TEST_CASE("flows: sorted, and no more than wanted") {
  Service s;
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    auto record = session(i, 17, "10.1.0.11", "10.1.0.12");
    record.forward.packets = i * 7919 % 1000;
    record.reverse.bytes = 1000 - i;
    record.age_ms = i * 7907 % 1009;
    record.idle_ms = i <= 500 ? i : 0;
    s.plane.sessions.push_back(record);
  }
  CHECK(ids(s.rows("flow?sort=bytes&limit=3")) == std::vector<std::string>{"1", "2", "3"});
  CHECK(ids(s.rows("flow?sort=idle&limit=2")) == std::vector<std::string>{"500", "499"});
  CHECK(ids(s.rows("flow?limit=2")) == std::vector<std::string>{"1", "2"});
  const auto packets = s.rows("flow?sort=packets&limit=10000");
  REQUIRE(packets.size() == 1000);
  CHECK(std::ranges::is_sorted(packets, std::greater<>(),
                               [](const Json& row) { return row["packets"].get<unsigned>(); }));
  CHECK(s.rows("flow?sort=age&limit=1")[0]["age_s"] == 1.0);

  const auto answer = s.call("GET", "/v1/flow").body;
  CHECK(answer["title"] == "Sessions");
  CHECK(answer["rows"].size() == 100);
  CHECK(answer["matched"] == 1000);
  CHECK(answer["truncated"] == true);
  CHECK_THAT(answer["note"].get<std::string>(), Catch::StartsWith("900 more match:"));
  const auto all = s.call("GET", "/v1/flow?limit=1000").body;
  CHECK_FALSE(all.contains("note"));
  CHECK_FALSE(all.contains("truncated"));
  CHECK(s.call("GET", "/v1/flow?limit=999")
            .body["note"]
            .get<std::string>()
            .starts_with("1 more matches:"));
}

TEST_CASE("flows: of equals those that came first stay") {
  FlowRanking ranking(FlowOrder::packets, 2);
  for (const std::uint64_t id : {1, 2, 3, 4}) {
    auto record = session(id, 6, "10.1.0.11", "10.1.0.12");
    record.forward.packets = id == 4 ? 1 : 0;
    ranking.add(record);
  }
  ranking.sort();
  REQUIRE(ranking.size() == 2);
  CHECK(ranking[0].id == 4);
  CHECK(ranking[1].id == 1);
  CHECK(ranking.seen() == 4);
}

TEST_CASE("flows: others have their turn while many sessions are looked at") {
  Service s;
  s.plane.sessions.resize(200'000, session(1, 6, "10.1.0.11", "10.1.0.12"));
  const auto response = s.api.handle({"GET", "/v1/flow", "sort=bytes&limit=10000", ""});
  REQUIRE(response.later);
  std::optional<http::Response> given;
  response.later([&](http::Response later) { given = std::move(later); });
  CHECK_FALSE(given);
  unsigned turns = 0;
  for (; !given; ++turns) {
    const auto before = s.plane.flow_slices;
    s.io.restart();
    s.io.run_one();
    CHECK(s.plane.flow_slices - before <= 8);
  }
  CHECK(turns > 50);
  CHECK(Json::parse(given->body)["rows"].size() == 10'000);
}

TEST_CASE("flows: an answer that is not finished when the router ends") {
  Service s;
  s.plane.sessions.resize(10'000, session(1, 6, "10.1.0.11", "10.1.0.12"));
  const auto response = s.api.handle({"GET", "/v1/flow", "", ""});
  bool given = false;
  response.later([&](const http::Response&) { given = true; });
  s.io.run_one();
  CHECK(s.plane.flow_slices > 0);
  CHECK_FALSE(given);
  s.agent.stop();
}

TEST_CASE("flows: closed by a filter, or all") {
  Service s;
  s.plane.sessions.resize(600, session(1, 6, "10.1.0.11", "10.1.0.12"));
  const auto answer = s.call("DELETE", "/v1/flow", R"({"vif":"vm1","port":80})");
  CHECK(answer.status == 200);
  CHECK(answer.message() == "600 sessions closed");
  CHECK(answer.body["closed"] == 600);
  CHECK(s.plane.flow_filter.vif == s.agent.model().vifs.at("vm1").id);
  CHECK(s.plane.flow_filter.port == 80);
  CHECK(s.plane.reclaims > 0);
  s.plane.sessions.resize(1);
  CHECK(s.done("DELETE", "/v1/flow", R"({"all":true})") == "1 session closed");
  s.plane.sessions.clear();
  CHECK(s.done("DELETE", "/v1/flow", R"({"id":"7"})") == "0 sessions closed");
  CHECK(s.done("DELETE", "/v1/flow", R"({"id":7,"protocol":17})") == "0 sessions closed");

  s.refused("DELETE", "/v1/flow", "{}", 400, "say which sessions to close");
  s.refused("DELETE", "/v1/flow", R"({"all":false})", 400, "say which sessions to close");
  s.refused("DELETE", "/v1/flow", R"({"all":true,"vif":"vm1"})", 400, "leave either out");
  s.refused("DELETE", "/v1/flow", R"({"vif":"vm"})", 404, "did you mean \"vm1\"");
  s.refused("DELETE", "/v1/flow", R"({"al":true})", 400, "did you mean \"all\"");
  s.refused("DELETE", "/v1/flow", R"({"limit":3})", 400, "unknown key");
  s.refused("DELETE", "/v1/flow", "[]", 400, "wanted a JSON object");
  s.refused("DELETE", "/v1/flow", "", 400, "not JSON");
}

}  // namespace
}  // namespace weft::agent::flow_test
