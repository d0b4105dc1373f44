#include "agent/packet_filter.hpp"

#include <pcap/pcap.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

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

/// The first word that libpcap would ask the resolver for; empty: there is none.
std::string_view name_to_look_up(std::string_view expression) {
  std::string_view before;
  for (std::size_t at = 0; at < expression.size();) {
    if (!is_word_character(expression[at])) {
      ++at;
      continue;
    }
    const std::size_t start = at;
    while (at < expression.size() && is_word_character(expression[at])) ++at;
    const auto word = expression.substr(start, at - start);
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
  if (const auto name = name_to_look_up(expression); !name.empty()) {
    return fail("`" + std::string(name) +
                "` is no word of pcap-filter(7); names of hosts are not looked up, write the "
                "address, and `port NAME` for a port's name");
  }
  const std::unique_ptr<pcap_t, Close> handle(pcap_open_dead(DLT_EN10MB, snap_bytes));
  if (!handle) return fail("no memory");
  bpf_program program{};
  if (pcap_compile(handle.get(), &program, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
    return fail(pcap_geterr(handle.get()));
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
