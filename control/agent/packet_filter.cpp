#include "agent/packet_filter.hpp"

#include <pcap/pcap.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "weft/address.hpp"

namespace weft::agent {
namespace {

constexpr std::size_t expression_max_bytes = 1000;
constexpr int snap_bytes = 65535;

// The words of pcap-filter(7), libpcap 1.10, sorted; what belongs to links that Weft has not (FDDI,
// ATM, PPP, Wi-Fi, pf) is left out.
constexpr std::array keywords = std::to_array<std::string_view>({
    "aarp",    "ah",      "and",   "arp",        "atalk",    "broadcast", "byte",    "carp",
    "clnp",    "decnet",  "dst",   "esis",       "esp",      "ether",     "gateway", "geneve",
    "greater", "host",    "icmp",  "icmp6",      "igmp",     "igrp",      "inbound", "ip",
    "ip6",     "ipx",     "is-is", "isis",       "iso",      "l1",        "l2",      "lat",
    "len",     "less",    "link",  "mask",       "moprc",    "mopdl",     "mpls",    "multicast",
    "net",     "netbeui", "not",   "or",         "outbound", "pim",       "port",    "portrange",
    "pppoed",  "pppoes",  "proto", "protochain", "radio",    "rarp",      "sca",     "sctp",
    "src",     "stp",     "tcp",   "udp",        "vlan",     "vrrp",
});

/// Constants such as tcp-syn, tcpflags and icmp-echo.
bool is_constant(std::string_view word) {
  return word.starts_with("tcp-") || word.starts_with("icmp-") || word.starts_with("icmp6-") ||
         word == "tcpflags" || word == "icmptype" || word == "icmpcode" || word == "icmp6type" ||
         word == "icmp6code";
}

bool is_word_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
         c == ':' || c == '-' || c == '_';
}

/// Hexadecimal digits, with the signs of MAC and IPv6 addresses and of ranges.
bool is_number_or_address(std::string_view word) {
  if (word.starts_with("0x") || word.starts_with("0X")) word.remove_prefix(2);
  const bool colons = word.find(':') != word.npos;
  return parse_ip(word).has_value() || parse_mac(word).has_value() ||
         word.find_first_not_of("0123456789.-") == word.npos ||
         (colons && word.find_first_not_of("0123456789abcdefABCDEF:.") == word.npos) ||
         word.find_first_not_of("0123456789abcdefABCDEF") == word.npos;
}

std::vector<std::string_view> words_of(std::string_view expression) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at < expression.size();) {
    const std::size_t start = at;
    while (at < expression.size() && is_word_character(expression[at])) ++at;
    if (at != start)
      words.push_back(expression.substr(start, at - start));
    else
      ++at;
  }
  return words;
}

/// The first word that libpcap would ask the resolver for; empty: there is none.
std::string_view name_to_look_up(const std::vector<std::string_view>& words) {
  std::string_view before;
  for (const auto word : words) {
    // Ports and protocols are found in files of this host.
    const bool of_files =
        before == "port" || before == "portrange" || before == "proto" || before == "protochain";
    if (!of_files && !is_constant(word) && !is_number_or_address(word) &&
        std::find(keywords.begin(), keywords.end(), word) == keywords.end()) {
      return word;
    }
    before = word;
  }
  return {};
}

/// Whether one of the words says where the rest of the expression looks.
bool moves_on(const std::vector<std::string_view>& words) {
  constexpr auto movers = std::to_array<std::string_view>({"geneve", "mpls", "pppoes", "vlan"});
  return std::any_of(words.begin(), words.end(), [&](const auto word) {
    return std::find(movers.begin(), movers.end(), word) != movers.end();
  });
}

struct Close {
  void operator()(pcap_t* p) const { pcap_close(p); }
};

}  // namespace

Result<PacketFilter> compile_filter(const std::string& expression) {
  PacketFilter filter;
  if (expression.find_first_not_of(" \t\n") == std::string::npos) return filter;
  const auto fail = [&](const std::string& why) {
    return Error{"packet filter `" + expression.substr(0, 80) + "`: " + why};
  };
  if (expression.size() > expression_max_bytes) {
    return fail("longer than " + std::to_string(expression_max_bytes) + " characters");
  }
  if (expression.find('\0') != std::string::npos) return fail("it holds a NUL character");
  const auto words = words_of(expression);
  if (const auto name = name_to_look_up(words); !name.empty()) {
    return fail("`" + std::string(name) +
                "` is no word of pcap-filter(7); names of hosts are not looked up, write the "
                "address, and `port NAME` for a port's name");
  }
  const std::unique_ptr<pcap_t, Close> handle(pcap_open_dead(DLT_EN10MB, snap_bytes));
  if (!handle) return fail("no memory");
  bpf_program program{};
  const auto compile = [&](const std::string& text) {
    return pcap_compile(handle.get(), &program, text.c_str(), 1, PCAP_NETMASK_UNKNOWN) == 0;
  };
  if (!compile(expression)) return fail(pcap_geterr(handle.get()));
  if (!moves_on(words)) {  // what it says holds behind a VLAN tag as well
    pcap_freecode(&program);
    if (!compile("(ether[12:2] != 0x8100 and (" + expression + ")) or (vlan and (" + expression +
                 "))")) {
      return fail(pcap_geterr(handle.get()));
    }
  }
  for (unsigned i = 0; i < program.bf_len; ++i) {
    const bpf_insn& insn = program.bf_insns[i];
    filter.instructions.push_back(insn.code | std::uint64_t{insn.jt} << 16 |
                                  std::uint64_t{insn.jf} << 24 | std::uint64_t{insn.k} << 32);
  }
  pcap_freecode(&program);
  return filter;
}

}  // namespace weft::agent
