#include "channel/route_codec.hpp"

#include <catch2/catch.hpp>

#include "support/routes.hpp"
#include "support/xml.hpp"

namespace weft::channel::route_codec_test {
namespace {

using test::from_xml;
using test::rd;
using vpn::Encapsulation;

/// As in draft-ietf-l3vpn-end-system-06.
constexpr const char* short_form = R"(
  <entry xmlns='http://ietf.org/protocol/bgpvpn'>
    <nlri af='1'>10.1.0.11/32</nlri>
    <next-hop af='1'>192.0.2.1</next-hop>
    <version id='7'/>
    <label>10000</label>
  </entry>)";

/// As deployed controllers write it: without a namespace of its own, and with things that mean
/// nothing here.
constexpr const char* deployed_form = R"(
  <entry>
    <nlri><af>1</af><safi>1</safi><address>10.1.0.11/32</address></nlri>
    <next-hops>
      <next-hop>
        <af>1</af><address>192.0.2.1</address><mac></mac><label>47</label><vni>0</vni>
        <tunnel-encapsulation-list>
          <tunnel-encapsulation>udp</tunnel-encapsulation>
          <tunnel-encapsulation>gre</tunnel-encapsulation>
        </tunnel-encapsulation-list>
        <virtual-network>default-domain:default:blue</virtual-network>
        <tag-list><tag>65543</tag></tag-list>
      </next-hop>
      <next-hop>
        <af>2</af><address>2001:db8::2</address><mac>02:00:00:00:00:02</mac>
        <label>0</label><vni>5000</vni>
        <tunnel-encapsulation-list>
          <tunnel-encapsulation>vxlan</tunnel-encapsulation>
          <tunnel-encapsulation>of-tomorrow</tunnel-encapsulation>
        </tunnel-encapsulation-list>
      </next-hop>
    </next-hops>
    <version>3</version>
    <virtual-network>default-domain:default:blue</virtual-network>
    <mobility seqno="4" sticky="true"/>
    <sequence-number>4</sequence-number>
    <security-group-list><security-group>8000001</security-group>
      <security-group>web</security-group></security-group-list>
    <community-tag-list/>
    <local-preference>200</local-preference>
    <med>50</med>
    <load-balance>
      <load-balance-fields>
        <load-balance-field-list>l3-source-address</load-balance-field-list>
        <load-balance-field-list>l4-destination-port</load-balance-field-list>
      </load-balance-fields>
      <load-balance-decision>field-hash</load-balance-decision>
    </load-balance>
    <sub-protocol>interface</sub-protocol>
  </entry>)";

RouteEntry read(const std::string& text) {
  const auto entry = parse_entry(from_xml(text), rd("1:1"));
  if (!entry) FAIL(entry.error().message);
  return *entry;
}

std::string error_of(const std::string& text) {
  const auto entry = parse_entry(from_xml(text), rd("1:1"));
  return entry ? "" : entry.error().message;
}

/// A sound entry of the rich form with one part in place of another.
std::string with(const std::string& part, const std::string& instead) {
  std::string text =
      "<entry><nlri><af>1</af><safi>1</safi><address>10.1.0.11/32</address></nlri><next-hops>"
      "<next-hop><af>1</af><address>192.0.2.1</address><label>16</label></next-hop></next-hops>"
      "</entry>";
  const auto at = text.find(part);
  REQUIRE(at != std::string::npos);
  return text.replace(at, part.size(), instead);
}

}  // namespace

TEST_CASE("route codec: the short form of the draft", "[channel]") {
  const auto entry = read(short_form);
  CHECK(entry.nlri == test::route("10.1.0.11/32"));
  CHECK(entry.version == 7);
  CHECK(entry.attributes == test::via("192.0.2.1", 10000));
  CHECK(entry.attributes.next_hops[0].encapsulations == vpn::EncapsulationList{Encapsulation::gre});
}

TEST_CASE("route codec: the form that deployed systems write", "[channel]") {
  const auto entry = read(deployed_form);
  CHECK(entry.nlri == test::route("10.1.0.11/32"));
  CHECK(entry.version == 3);
  const auto& a = entry.attributes;
  REQUIRE(a.next_hops.size() == 2);
  CHECK(a.next_hops[0] ==
        vpn::NextHop{
            parse_ip("192.0.2.1").value(), {}, 47, {}, {Encapsulation::udp, Encapsulation::gre}});
  CHECK(a.next_hops[1] == vpn::NextHop{parse_ip("2001:db8::2").value(),
                                       parse_mac("02:00:00:00:00:02").value(),
                                       {},
                                       5000,
                                       {Encapsulation::vxlan}});
  CHECK(a.virtual_network == "default-domain:default:blue");
  CHECK(a.mobility == vpn::Mobility{4, true});
  CHECK(a.security_groups == std::vector<std::string>{"8000001", "web"});
  CHECK(a.local_preference == 200);
  CHECK(a.med == 50);
  CHECK(a.load_balance == vpn::LoadBalance{true, false, false, false, true});
  CHECK(a.origin.empty());
}

TEST_CASE("route codec: what is written", "[channel]") {
  RouteEntry entry{test::route("10.1.0.11/32"), test::mobile(test::via("192.0.2.1", 47, "a"), 4)};
  entry.attributes.next_hops[0].encapsulations = {Encapsulation::geneve, Encapsulation::gre};
  entry.attributes.next_hops[0].vni = 5000;
  entry.attributes.virtual_network = "blue";
  entry.attributes.security_groups = {"web"};
  entry.attributes.targets = {test::target("64512:100")};
  entry.attributes.load_balance.protocol = true;
  CHECK(test::to_xml(entry_element(entry)) ==
        "<entry xmlns='http://ietf.org/protocol/bgpvpn'><nlri><af>1</af><safi>1</safi>"
        "<address>10.1.0.11/32</address></nlri><next-hops><next-hop><af>1</af>"
        "<address>192.0.2.1</address><label>47</label><vni>5000</vni><tunnel-encapsulation-list>"
        "<tunnel-encapsulation>geneve</tunnel-encapsulation>"
        "<tunnel-encapsulation>gre</tunnel-encapsulation></tunnel-encapsulation-list></next-hop>"
        "</next-hops><version>1</version><virtual-network>blue</virtual-network>"
        "<origin>a</origin><mobility seqno='4' sticky='false'/><sequence-number>4</sequence-number>"
        "<security-group-list><security-group>web</security-group></security-group-list>"
        "<route-target-list><route-target>target:64512:100</route-target></route-target-list>"
        "<local-preference>100</local-preference><med>0</med><load-balance><load-balance-fields>"
        "<load-balance-field-list>l4-protocol</load-balance-field-list></load-balance-fields>"
        "<load-balance-decision>field-hash</load-balance-decision></load-balance></entry>");
}

TEST_CASE("route codec: EVPN", "[channel]") {
  const auto of = [](const std::string& rest) {
    return read(with("<af>1</af><safi>1</safi><address>10.1.0.11/32</address>",
                     "<af>25</af><safi>242</safi>" + rest))
        .nlri;
  };
  const MacAddress mac{{2, 0, 0, 0, 1, 1}};
  const IpAddress ip = Ipv4Address{0x0a01000b};
  const std::string written = "<mac>02:00:00:00:01:01</mac>";
  CHECK(of(written) == vpn::Nlri::mac_ip(rd("1:1"), 0, mac));
  CHECK(of(written + "<address/>") == vpn::Nlri::mac_ip(rd("1:1"), 0, mac));
  CHECK(of(written + "<address>0.0.0.0/32</address>") == vpn::Nlri::mac_ip(rd("1:1"), 0, mac));
  CHECK(of(written + "<address>::</address>") == vpn::Nlri::mac_ip(rd("1:1"), 0, mac));
  CHECK(of(written + "<address>10.1.0.11</address>") == vpn::Nlri::mac_ip(rd("1:1"), 0, mac, ip));
  CHECK(of(written + "<ethernet-tag>9</ethernet-tag><address>10.1.0.11/32</address>") ==
        vpn::Nlri::mac_ip(rd("1:1"), 9, mac, ip));
  // BGP's number, and the label that is a VNI.
  const auto by_label =
      read("<entry><nlri><af>25</af><safi>70</safi>" + written +
           "</nlri><next-hops><next-hop><address>192.0.2.1</address><label>16000000</label>"
           "<tunnel-encapsulation-list><tunnel-encapsulation>vxlan</tunnel-encapsulation>"
           "</tunnel-encapsulation-list></next-hop></next-hops></entry>");
  CHECK(by_label.attributes.next_hops[0].vni == 16000000U);
  CHECK_FALSE(by_label.attributes.next_hops[0].label);

  const RouteEntry entry{vpn::Nlri::mac_ip(rd("1:1"), 9, mac, ip), test::via("192.0.2.1")};
  CHECK(test::to_xml(entry_element(entry))
            .find("<nlri><af>25</af><safi>242</safi><ethernet-tag>9</ethernet-tag>"
                  "<mac>02:00:00:00:01:01</mac><address>10.1.0.11</address></nlri>") !=
        std::string::npos);
}

TEST_CASE("route codec: families", "[channel]") {
  CHECK(read(with("<safi>1</safi>", "<safi>4</safi>")).nlri == test::route("10.1.0.11/32"));
  CHECK(read(with("<safi>1</safi>", "")).nlri == test::route("10.1.0.11/32"));
  CHECK(read(with("10.1.0.11/32", "10.1.7.9/16")).nlri == test::route("10.1.0.0/16"));
  CHECK(read(with("<af>1</af><safi>1</safi><address>10.1.0.11/32",
                  "<af>2</af><safi>1</safi><address> 2001:db8::1/128\n"))
            .nlri == test::route("2001:db8::1/128"));
}

TEST_CASE("route codec: encapsulations and what they need", "[channel]") {
  const auto hop = [](const std::string& rest) {
    return read(with("<label>16</label>", rest)).attributes.next_hops.at(0);
  };
  const auto list = [](std::initializer_list<const char*> names) {
    std::string text = "<tunnel-encapsulation-list>";
    for (const std::string name : names) {
      text += "<tunnel-encapsulation>" + name + "</tunnel-encapsulation>";
    }
    return text + "</tunnel-encapsulation-list>";
  };
  using List = vpn::EncapsulationList;
  CHECK(hop("<label>16</label>").encapsulations == List{Encapsulation::gre});
  CHECK(hop("<label>16</label><vni>5</vni>").encapsulations == List{Encapsulation::gre});
  CHECK(hop("<vni>5</vni>").encapsulations == List{Encapsulation::vxlan});
  CHECK(hop("<label>16</label>" + list({})).encapsulations == List{Encapsulation::gre});
  CHECK(hop("<label>16</label>" + list({"vxlan", "udp", "udp"})).encapsulations ==
        List{Encapsulation::udp});
  CHECK(hop(list({"srv6"})).encapsulations == List{Encapsulation::srv6});
  CHECK(hop("<label>17</label>" + list({"gre", "vxlan"})).label == 17U);
  CHECK(hop("<label>17</label>" + list({"geneve", "vxlan"})).vni == 17U);
}

TEST_CASE("route codec: sequences of older systems", "[channel]") {
  const auto mobility = [](const std::string& rest) {
    return read(with("</entry>", rest + "</entry>")).attributes.mobility;
  };
  CHECK_FALSE(mobility(""));
  CHECK_FALSE(mobility("<sequence-number>0</sequence-number>"));
  CHECK(mobility("<sequence-number>5</sequence-number>") == vpn::Mobility{5, false});
  CHECK(mobility("<mobility seqno='0'/>") == vpn::Mobility{0, false});
  CHECK(mobility("<mobility seqno='6' sticky='true'/><sequence-number>5</sequence-number>") ==
        vpn::Mobility{6, true});
}

TEST_CASE("route codec: what is wrong is named", "[channel]") {
  const auto row = [](const std::string& part, const std::string& instead,
                      const std::string& message) {
    CAPTURE(part, instead);
    CHECK(error_of(with(part, instead)) == message);
  };
  const std::string label = "<label>16</label>";
  const std::string address = "<address>192.0.2.1</address>";
  const std::string end = "</entry>";
  row("", "", "");
  CHECK(error_of("<profile/>") == "item: \"profile\": an entry was wanted");
  CHECK(error_of("<entry/>") == "entry: nlri is missing");
  CHECK(error_of("<entry><nlri af='1'>10.1.0.1/32</nlri></entry>") ==
        "entry: a next-hop is missing");
  row("<af>1</af><safi>", "<safi>", "nlri: af is missing");
  row("<af>1</af><safi>", "<af>x</af><safi>", "nlri/af: \"x\": a number of 0 to 65535 was wanted");
  row("<safi>1</safi>", "<safi>2</safi>",
      "nlri/af: \"1/2\": 1/1, 1/4, 2/1, 2/4 or 25/242 was wanted");
  row("<af>1</af><safi>", "<af>3</af><safi>",
      "nlri/af: \"3/1\": 1/1, 1/4, 2/1, 2/4 or 25/242 was wanted");
  row("<af>1</af><safi>", "<af>2</af><safi>",
      "nlri/address: \"10.1.0.11/32\": an IPv6 prefix was wanted");
  row("10.1.0.11/32", "10.1.0.11", "nlri/address: \"10.1.0.11\": an IPv4 prefix was wanted");
  row("10.1.0.11/32", "10.1.0.11/33", "nlri/address: \"10.1.0.11/33\": an IPv4 prefix was wanted");
  row("10.1.0.11/32", "", "nlri/address: \"\": an IPv4 prefix was wanted");
  row("<af>1</af><safi>1</safi>", "<af>25</af>", "nlri: mac is missing");
  row("<af>1</af><safi>1</safi>", "<af>25</af><mac>01:00:00:00:00:01</mac>",
      "nlri/mac: \"01:00:00:00:00:01\": the MAC address of one station was wanted");
  row("<af>1</af><safi>1</safi><address>10.1.0.11/32",
      "<af>25</af><mac>02:00:00:00:00:01</mac><address>10.1.0.0/24",
      "nlri/address: \"10.1.0.0/24\": an IP address was wanted");
  row("</nlri>", "</nlri><nlri><af>1</af></nlri>", "entry/nlri: \"\": only one was wanted");
  row("</safi>", "</safi><safi>1</safi>", "nlri/safi: \"1\": only one was wanted");

  row(address, "", "next-hop: address is missing");
  row("<af>1</af>" + address, "<af>3</af>" + address,
      "next-hop/af: \"3\": a number of 1 to 2 was wanted");
  row("<af>1</af>" + address, "<af>2</af>" + address,
      "next-hop/address: \"192.0.2.1\": an address of family 2 (1 or 2) was wanted");
  row("<af>1</af>" + address, "<address>a</address>",
      "next-hop/address: \"a\": an IP address was wanted");
  for (const std::string bad : {"127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255"}) {
    row("192.0.2.1", bad,
        "next-hop/address: \"" + bad + "\": an address that packets can be routed to was wanted");
  }
  for (const std::string bad : {"::", "::1", "fe80::1", "ff02::1"}) {
    row("<af>1</af>" + address, "<address>" + bad + "</address>",
        "next-hop/address: \"" + bad + "\": an address that packets can be routed to was wanted");
  }
  row(label, "<label>1048576</label>",
      "next-hop/label: \"1048576\": a number of 0 to 1048575 was wanted");
  row(label, "<label>3</label>",
      "next-hop/label: \"3\": a label that is not reserved (16 or more) was wanted");
  row(label, "<label>-1</label>", "next-hop/label: \"-1\": a number of 0 to 1048575 was wanted");
  row(label, "<vni>16777216</vni>",
      "next-hop/vni: \"16777216\": a number of 0 to 16777215 was wanted");
  row(label, "", "next-hop 192.0.2.1: its label is missing");
  row(label,
      "<tunnel-encapsulation-list><tunnel-encapsulation>vxlan</tunnel-encapsulation>"
      "</tunnel-encapsulation-list>",
      "next-hop 192.0.2.1: its vni is missing");
  row(label,
      "<tunnel-encapsulation-list><tunnel-encapsulation>pigeon</tunnel-encapsulation>"
      "</tunnel-encapsulation-list>",
      "next-hop/tunnel-encapsulation-list: \"pigeon\": one that is known was wanted");
  row(label, label + "<mac>02:00</mac>",
      "next-hop/mac: \"02:00\": the MAC address of one station was wanted");

  const std::string u32 = "a number of 0 to 4294967295 was wanted";
  for (const std::string name : {"local-preference", "med", "sequence-number"}) {
    row(end, "<" + name + ">4294967296</" + name + ">" + end,
        "entry/" + name + ": \"4294967296\": " + u32);
  }
  row(end, "<version>-1</version>" + end, "entry/version: \"-1\": " + u32);
  row(end, "<version id='a'/>" + end, "entry/version: \"a\": " + u32);
  row(end, "<mobility seqno='x'/>" + end, "mobility/seqno: \"x\": " + u32);
  row(end, "<mobility sticky='1'/>" + end, "mobility/sticky: \"1\": true or false was wanted");
  row(end, "<virtual-network>a b</virtual-network>" + end,
      "entry/virtual-network: \"a b\": a name of 1 to 255 bytes without spaces was wanted");
  row(end, "<origin>" + std::string(256, 'x') + "</origin>" + end,
      "entry/origin: \"" + std::string(64, 'x') +
          "…\": a name of 1 to 255 bytes without spaces was wanted");
  row(end,
      "<security-group-list><security-group>a</security-group><security-group>a</security-group>"
      "</security-group-list>" +
          end,
      "security-group: \"a\": each only once was wanted");
  row(end, "<security-group-list><security-group/></security-group-list>" + end,
      "security-group: \"\": a name of 1 to 255 bytes without spaces was wanted");
  row(end, "<route-target-list><route-target>1:1</route-target></route-target-list>" + end,
      "route-target: \"1:1\": a target like target:64512:100 was wanted");
  row("<next-hops>", "<next-hops/><next-hops>", "entry/next-hops: \"\": only one was wanted");
  CHECK(error_of("<entry><nlri af='1'>10.1.0.1/32</nlri><next-hop af='2'>192.0.2.1</next-hop>"
                 "<label>16</label></entry>") ==
        "next-hop: \"192.0.2.1\": an address of family 2 (1 or 2) was wanted");
  CHECK(error_of("<entry><nlri af='1'>10.1.0.1/32</nlri><next-hop af='9'>192.0.2.1</next-hop>"
                 "</entry>") == "next-hop/af: \"9\": a number of 1 to 2 was wanted");
  CHECK(error_of("<entry><nlri af='1' safi='128'>10.1.0.1/32</nlri></entry>") ==
        "nlri/af: \"1/128\": 1/1, 1/4, 2/1, 2/4 or 25/242 was wanted");
}

TEST_CASE("route codec: lists are bounded", "[channel]") {
  std::string hops;
  std::string groups;
  std::string targets;
  for (unsigned i = 0; i < 65; ++i) {
    const std::string number = std::to_string(i);
    hops += "<next-hop><address>192.0.2." + number + "</address><label>16</label></next-hop>";
    groups += "<security-group>" + number + "</security-group>";
    targets += "<route-target>target:1:" + number + "</route-target>";
  }
  CHECK(error_of("<entry><nlri af='1'>10.1.0.1/32</nlri><next-hops>" + hops +
                 "</next-hops></entry>") ==
        "next-hops: \"192.0.2.64\": no more than 64 was wanted");
  CHECK(error_of(with("</entry>",
                      "<security-group-list>" + groups + "</security-group-list></entry>")) ==
        "security-group-list: \"64\": no more than 64 was wanted");
  CHECK(error_of(
            with("</entry>", "<route-target-list>" + targets + "</route-target-list></entry>")) ==
        "route-target: \"target:1:64\": no more than 64 was wanted");
}

TEST_CASE("route codec: names of items", "[channel]") {
  const MacAddress mac{{2, 0, 0, 0, 1, 1}};
  const IpAddress v6 = parse_ip("2001:db8::1").value();
  const std::vector<std::pair<std::string, vpn::Nlri>> rows{
      {"1/1/blue/10.1.0.11/32", test::route("10.1.0.11/32")},
      {"2/1/blue/2001:db8::1/128", test::route("2001:db8::1/128")},
      {"1/1/a/b:c/0.0.0.0/0", test::route("0.0.0.0/0")},
      {"25/242/blue/0-02:00:00:00:01:01", vpn::Nlri::mac_ip(rd("1:1"), 0, mac)},
      {"25/242/1/2/7-02:00:00:00:01:01,10.1.0.11",
       vpn::Nlri::mac_ip(rd("1:1"), 7, mac, Ipv4Address{0x0a01000b})},
      {"25/242/blue/0-02:00:00:00:01:01,2001:db8::1", vpn::Nlri::mac_ip(rd("1:1"), 0, mac, v6)}};
  for (const auto& [text, nlri] : rows) {
    CAPTURE(text);
    const auto name = parse_route_name(text, rd("1:1"));
    REQUIRE(name);
    CHECK(name->nlri == nlri);
    CHECK(route_name(name->network, nlri) == text);
  }
  CHECK(parse_route_name("1/4/blue/10.1.0.11/32", rd("1:1"))->nlri == test::route("10.1.0.11/32"));
  CHECK(parse_route_name("25/70/blue/0-02:00:00:00:01:01,10.1.0.11/32", rd("1:1"))->network ==
        "blue");
  for (const char* text : {"",
                           "1",
                           "1/1",
                           "1/1/",
                           "1/1/blue",
                           "1/1/blue/",
                           "1/1/10.1.0.0/24",
                           "1/1//10.1.0.0/24",
                           "2/1/blue/10.1.0.0/24",
                           "1/2/blue/10.1.0.0/24",
                           "1/1/blue/10.1.0.0/33",
                           "25/242/blue/10.1.0.0/24",
                           "1/1/blue/0-02:00:00:00:01:01",
                           "x/1/blue/10.1.0.0/24",
                           "25/242/blue/02:00:00:00:01:01",
                           "25/242/blue/0-02:00:00:00:01:01,10.1.0.0/24",
                           "25/242/blue/0-02:00:00:00:01:01,",
                           "1/1/a b/10.1.0.0/24",
                           "1/1/blue/10.1.0.0/24/",
                           "////",
                           "1/1/blue//24"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_route_name(text, rd("1:1")));
  }
}

TEST_CASE("route codec: names of items between controllers", "[channel]") {
  const std::string text = "compute-a/1/1/a/b/10.1.0.11/32";
  const auto name = parse_peer_route_name(text);
  REQUIRE(name);
  CHECK(name->node == "compute-a");
  CHECK(name->route.network == "a/b");
  CHECK(peer_route_name("compute-a", "a/b", name->route.nlri) == text);
  for (const char* wrong : {"", "compute-a", "/1/1/blue/10.1.0.11/32", "1/1/blue/10.1.0.11/32",
                            "a b/1/1/blue/10.1.0.11/32", "compute-a/1/1/blue/10.1.0.33/33"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_peer_route_name(wrong));
  }
  const PeerMember member{"compute-a", "a/b"};
  CHECK(peer_member_name(member) == "compute-a/a/b");
  CHECK(parse_peer_member_name("compute-a/a/b").value() == member);
  for (const char* wrong : {"", "compute-a", "compute-a/", "/blue", "compute-a/a b"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_peer_member_name(wrong));
  }
}

TEST_CASE("route codec: items stand or fall alone", "[channel]") {
  const auto entry = [](const std::string& prefix) {
    return "<entry><nlri af='1'>" + prefix +
           "</nlri><next-hop af='1'>192.0.2.1</next-hop><label>16</label></entry>";
  };
  const auto items = from_xml(
      "<items xmlns='http://jabber.org/protocol/pubsub#event' node='blue'><unknown/>"
      "<item id='1/1/blue/10.1.0.1/32'>" +
      entry("10.1.0.1/32") +
      "</item>"
      "<item id='10.1.0.2/32'>" +
      entry("10.1.0.2/32") +
      "</item>"
      "<item>" +
      entry("10.1.0.3/32") +
      "</item>"
      "<item id='1/1/red/10.1.0.4/32'>" +
      entry("10.1.0.4/32") +
      "</item>"
      "<item id='1/1/blue/10.1.0.5/32'>" +
      entry("10.1.0.6/32") +
      "</item>"
      "<item id='1/1/blue/10.1.0.1/32'>" +
      entry("10.1.0.1/32") +
      "</item>"
      "<item id='1/1/blue/10.1.0.7/32'/>"
      "<item id='1/1/blue/10.1.0.8/32'><entry/></item>"
      "<item id='what'>" +
      entry("10.1.0.9/32") +
      "</item>"
      "<retract id='1/1/blue/10.1.0.10/32'/><retract id='10.1.0.11/32'/>"
      "<retract id='1/1/blue/10.1.0.1/32'/><retract/><retract id='1/1/red/10.1.0.12/32'/>"
      "</items>");
  const auto read = parse_route_items(items, "blue", rd("1:1"));
  REQUIRE(read.routes.size() == 3);
  CHECK(read.routes[0].nlri == test::route("10.1.0.1/32"));
  CHECK(read.routes[1].nlri == test::route("10.1.0.2/32"));
  CHECK(read.routes[2].nlri == test::route("10.1.0.3/32"));
  CHECK(read.withdrawn == std::vector{test::route("10.1.0.10/32"), test::route("10.1.0.11/32")});
  CHECK(read.errors == std::vector<std::string>{
                           "item 1/1/red/10.1.0.4/32: it belongs to network red, not to blue",
                           "item 1/1/blue/10.1.0.5/32: its entry is about 10.1.0.6/32",
                           "item 1/1/blue/10.1.0.1/32: told twice; the first stands",
                           "item 1/1/blue/10.1.0.7/32: entry is missing",
                           "item 1/1/blue/10.1.0.8/32: entry: nlri is missing",
                           "item what: \"what\": AFI/SAFI/NETWORK/PREFIX was wanted",
                           "retract 1/1/blue/10.1.0.1/32: told twice; the first stands",
                           "retract without id: id is missing",
                           "retract 1/1/red/10.1.0.12/32: it belongs to network red, not to blue"});
}

TEST_CASE("route codec: what is sent is understood", "[channel]") {
  xmpp::Element items{"items", "http://jabber.org/protocol/pubsub#event", {{"node", "blue"}}};
  const RouteEntry entry{test::route("10.1.0.1/32"), test::via("192.0.2.1")};
  items.add(route_item("blue", entry));
  items.add(route_retract("blue", test::route("2001:db8::/64")));
  const auto read = parse_route_items(from_xml(test::to_xml(items)), "blue", rd("1:1"));
  CHECK(read.errors.empty());
  CHECK(read.routes == std::vector{entry});
  CHECK(read.withdrawn == std::vector{test::route("2001:db8::/64")});
  CHECK_FALSE(is_end_of_rib(items));
  CHECK(is_end_of_rib(from_xml(test::to_xml(end_of_rib()))));
  CHECK(test::to_xml(end_of_rib()) ==
        "<items xmlns='http://jabber.org/protocol/pubsub#event' node='0/0/EndOfRib'/>");
}

}  // namespace weft::channel::route_codec_test
