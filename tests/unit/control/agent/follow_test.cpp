// Objects of controllers between those of the file and those of the API, and their journal.
#include <catch2/catch.hpp>
#include <filesystem>

#include "agent/channel_journal.hpp"
#include "config_sample.hpp"
#include "service.hpp"

namespace weft::agent::follow_test {
namespace {

using test::read_file;
using test::Scratch;
using test::Service;
using test::write_file;

TunnelConfig tunnel(const std::string& name, const char* remote, std::uint32_t vni) {
  TunnelConfig out;
  out.name = name;
  out.profile.local = *parse_ip("192.0.2.1");
  out.profile.remote = *parse_ip(remote);
  out.profile.vni = vni;
  out.profile.inner_destination_mac = default_router_mac;
  return out;
}

RouteConfig route(const char* prefix, const std::string& via,
                  BesideVif beside = BesideVif::behind) {
  RouteConfig out{.vrf = "blue", .prefix = *parse_prefix(prefix), .via = {}, .beside_vif = beside};
  out.via.tunnel = via;
  return out;
}

template <class Object>
void put(Update& update, const Object& object) {
  (update.*ObjectKind<Object>::changes).put.push_back({object, Owner::channel});
}

/// What a controller says, with nothing refused.
void told(Service& s, const Update& update) {
  const auto refused = s.agent.manager().follow(update);
  for (const auto& [label, why] : refused) UNSCOPED_INFO(label << ": " << why);
  CHECK(refused.empty());
}

std::string owner_of(Service& s, const std::string& prefix) {
  return s.row("route", "prefix", prefix).at("owner").get<std::string>();
}

TEST_CASE("follow: a controller's objects come and go in one batch") {
  Service s;
  const auto batches = s.plane.batches.size();
  Update update;
  put(update, tunnel("t-c", "192.0.2.3", 100));
  put(update, route("10.1.0.30/32", "t-c"));
  told(s, update);
  CHECK(s.plane.batches.size() == batches + 1);
  CHECK(s.row("route", "prefix", "10.1.0.30/32").at("via") == "tunnel t-c");
  CHECK(owner_of(s, "10.1.0.30/32") == "channel");

  SECTION("the same again changes nothing") {
    told(s, update);
    CHECK(s.plane.batches.size() == batches + 1);
  }
  SECTION("a tunnel that a route uses stays until that has gone") {
    Update first;
    first.tunnels.erase.emplace_back("t-c");
    told(s, first);
    CHECK(s.agent.model().tunnels.contains("t-c"));
    Update second;
    second.routes.erase.push_back({"blue", *parse_prefix("10.1.0.30/32")});
    told(s, second);
    CHECK_FALSE(s.agent.model().tunnels.contains("t-c"));
  }
  SECTION("one that cannot be had is refused alone") {
    Update bad;
    put(bad, route("10.1.0.31/32", "nowhere"));
    put(bad, route("10.1.0.32/32", "t-c"));
    const auto refused = s.agent.manager().follow(bad);
    REQUIRE(refused.size() == 1);
    CHECK(refused[0].label == "route 10.1.0.31/32 in blue");
    CHECK_THAT(refused[0].why, Catch::Contains("nowhere"));
    CHECK(owner_of(s, "10.1.0.32/32") == "channel");
  }
}

TEST_CASE("follow: the API goes before a controller, a controller before the file") {
  Service s;
  Update update;
  put(update, tunnel("t-c", "192.0.2.3", 100));
  put(update, route("10.1.0.12/32", "t-c"));
  told(s, update);
  CHECK(owner_of(s, "10.1.0.12/32") == "channel over file");

  SECTION("taken back, the file's is there again") {
    Update gone;
    gone.routes.erase.push_back({"blue", *parse_prefix("10.1.0.12/32")});
    told(s, gone);
    CHECK(owner_of(s, "10.1.0.12/32") == "file");
  }
  SECTION("the API stands in its place, and gives it back") {
    s.done("PUT", "/v1/route",
           R"({"vrf": "blue", "prefix": "10.1.0.12/32", "via": {"discard": true}})");
    CHECK(owner_of(s, "10.1.0.12/32") == "api over channel");
    Update changed;
    put(changed, tunnel("t-d", "192.0.2.4", 100));
    put(changed, route("10.1.0.12/32", "t-d"));
    told(s, changed);
    CHECK(owner_of(s, "10.1.0.12/32") == "api over channel");
    CHECK(s.done("DELETE", "/v1/route", R"({"vrf": "blue", "prefix": "10.1.0.12/32"})") ==
          "route 10.1.0.12/32 in blue leads via tunnel t-d again, as the channel says");
    CHECK(s.row("route", "prefix", "10.1.0.12/32").at("via") == "tunnel t-d");
  }
  SECTION("the API cannot delete it") {
    s.refused("DELETE", "/v1/route", R"({"vrf": "blue", "prefix": "10.1.0.12/32"})", 409,
              "comes from the controller");
  }
}

TEST_CASE("follow: a route beside a VIF of the same address") {
  Service s;
  const auto via = [&] { return s.row("route", "prefix", "10.1.0.11/32").at("via"); };
  Update update;
  put(update, tunnel("t-c", "192.0.2.3", 100));
  put(update, route("10.1.0.11/32", "t-c"));
  told(s, update);
  CHECK(via() == "vif vm1");
  Update moved;
  put(moved, route("10.1.0.11/32", "t-c", BesideVif::before));
  told(s, moved);
  CHECK(via() == "tunnel t-c");
  told(s, update);
  CHECK(via() == "vif vm1");
  Update gone;
  gone.routes.erase.push_back({"blue", *parse_prefix("10.1.0.11/32")});
  told(s, gone);
  CHECK(via() == "vif vm1");
}

TEST_CASE("follow: what is checked before it is put") {
  Service s;
  const auto& manager = s.agent.manager();
  const auto decap = [&](const char* text) {
    return manager.checked<DecapConfig>("d", Json::parse(text));
  };
  const auto good = decap(
      R"({"name": "d", "kind": "geneve", "vni": 100, "vrf": "blue", "sources": ["192.0.2.0/24"]})");
  REQUIRE(good);
  CHECK(good->local == *parse_ip("192.0.2.1"));
  const auto nowhere = decap(
      R"({"name": "d", "kind": "geneve", "vni": 100, "vrf": "green", "sources": ["192.0.2.0/24"]})");
  REQUIRE_FALSE(nowhere);
  CHECK_THAT(nowhere.error().message, Catch::Contains("green"));
  CHECK_FALSE(decap(R"({"name": "d", "kind": "geneve"})"));
}

struct Journal {
  Scratch scratch;
  std::string path = scratch.file("state.json.channel");
  Config config = load(sample);

  ChannelJournal::Read read() { return ChannelJournal::read(path, config); }
  std::unique_ptr<ChannelJournal> begin(const ObjectSet& objects) {
    return std::make_unique<ChannelJournal>(path, objects, config.node);
  }
};

TEST_CASE("journal: what could not be written is written when it can be") {
  Journal j;
  j.path = j.scratch.file("folder") + "/journal";
  {
    const auto journal = j.begin({});
    Update update;
    put(update, tunnel("t-c", "192.0.2.3", 100));
    journal->note(update);
    std::filesystem::create_directory(j.scratch.file("folder"));
    Update next;
    put(next, tunnel("t-c", "192.0.2.3", 101));
    journal->note(next);
  }
  CHECK(j.read().damage.empty());
  CHECK(j.read().lines == 1);
  CHECK(j.read().objects.tunnels.at("t-c") == tunnel("t-c", "192.0.2.3", 101));
}

TEST_CASE("journal: what was noted is read again") {
  Journal j;
  CHECK(empty(j.read().objects));
  {
    const auto journal = j.begin({});
    Update update;
    put(update, tunnel("t-c", "192.0.2.3", 100));
    put(update, route("10.1.0.30/32", "t-c", BesideVif::before));
    journal->note(update);
    Update next;
    put(next, tunnel("t-c", "192.0.2.3", 101));
    put(next, route("10.1.0.31/32", "t-c"));
    next.routes.erase.push_back({"blue", *parse_prefix("10.1.0.30/32")});
    journal->note(next);
  }
  const auto read = j.read();
  CHECK(read.damage.empty());
  CHECK(read.objects.tunnels.at("t-c") == tunnel("t-c", "192.0.2.3", 101));
  REQUIRE(read.objects.routes.size() == 1);
  CHECK(read.objects.routes.begin()->second == route("10.1.0.31/32", "t-c"));

  SECTION("begun anew it has one line for each") {
    j.begin(read.objects).reset();
    CHECK(j.read().lines == 2);
    CHECK(j.read().objects.routes == read.objects.routes);
  }
  SECTION("a last line that was cut off is not missed") {
    auto text = read_file(j.path);
    write_file(j.path, text + R"({"list": "routes", "key)");
    CHECK(j.read().damage.empty());
    CHECK(j.read().objects.routes == read.objects.routes);
  }
  SECTION("damage is told, and costs only what is damaged") {
    auto text = read_file(j.path);
    auto damaged = text;
    damaged[damaged.rfind("remote")] = 'R';
    write_file(j.path, damaged);
    CHECK_FALSE(j.read().damage.empty());
    write_file(j.path, "no journal\n" + text);
    CHECK_THAT(j.read().damage, Catch::Contains("first line"));
    CHECK(empty(j.read().objects));
  }
  SECTION("another node's is none") {
    j.config.node.name = "compute-b";
    CHECK_FALSE(j.read().damage.empty());
  }
}

TEST_CASE("journal: grows no further than a few times what it holds") {
  Journal j;
  {
    const auto journal = j.begin({});
    for (std::uint32_t i = 0; i < 20000; ++i) {
      Update update;
      put(update, tunnel("t-c", "192.0.2.3", i));
      journal->note(update);
    }
  }
  CHECK(std::filesystem::file_size(j.path) < 4 << 20);
  CHECK(j.read().objects.tunnels.at("t-c").profile.vni == 19999);
}

}  // namespace
}  // namespace weft::agent::follow_test
