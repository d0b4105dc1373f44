"""Small ways to break the forwarder. Each is a regular expression that must match once in the sources, and what stands
there instead: no file is named, so that code may move.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    name: str
    wanted: str     # regular expression; white space in it matches any white space
    instead: str


MUTANTS = [
    # VRFs
    Mutant("decap into another VRF", r"p\.vrf = tables\.vrfs\.get\(vrf\);",
           "p.vrf = tables.vrfs.get(entry.decap.vni % 2 == 0 ? vrf : VrfId(1));"),
    Mutant("VIF in another VRF", r"in\.vrf = tables\.vrfs\.get\(vif->vrf\);",
           "in.vrf = tables.vrfs.get(vif->vrf.index() == 2 ? VrfId(1) : vif->vrf);"),
    Mutant("lookup chain ends early", r"max_lookups = 4;", "max_lookups = 1;"),
    Mutant("lookup stays in its VRF", r"const std::uint32_t found = fib_lookup\(p\); if",
           "const std::uint32_t found = fib_lookup(p); p.vrf = tables.vrfs.get(VrfId(1)); if"),
    # routes and next hops
    Mutant("stale next hop", r"put\(tables_\.nexthops, batch\.nexthops, compiled\.nexthops, nexthops_\);",
           "if (!batch.nexthops.empty() && tables_.nexthops.get(batch.nexthops[0].id) == nullptr) "
           "put(tables_.nexthops, batch.nexthops, compiled.nexthops, nexthops_);"),
    Mutant("withdrawn route stays", r"if \(routes_\.erase\(prefix\(key, length\)\) == 0\) return false;",
           "if (routes_.erase(prefix(key, length)) == 0) return false; if (length > 8) return true;"),
    Mutant("prefix matches one bit short", r"key\.starts_with\(path\.key, path\.length\)\) return false;",
           "key.starts_with(path.key, path.length > 1 ? path.length - 1U : 1U)) return false;"),
    Mutant("prefix leaves out its end", r"set_route\(node\[i\], relative \+ 1, nexthop\);",
           "if (i + 1 < first + count || count == 1) set_route(node[i], relative + 1, nexthop);"),
    Mutant("shorter prefix wins", r"\(node\[i\]\.load\(std::memory_order_relaxed\)\) <= relative \+ 1",
           "(node[i].load(std::memory_order_relaxed)) <= 32"),
    Mutant("discard counted as no route", r"return drop_notify\(p, DropReason::discard_route\);",
           "return drop_notify(p, DropReason::no_route);"),
    # TTL and MTU
    Mutant("TTL not counted down", r"ip\.decrement_ttl\(\);", "(void)ip;"),
    Mutant("IPv4 checksum not updated", r"\(checksum\) \+ 1U;", "(checksum) + 0U;"),
    Mutant("hop limit down by two", r"--ip\.hop_limit;", "ip.hop_limit -= 2;"),
    Mutant("TTL 1 forwarded", r"ip\.ttl <= 1\b", "ip.ttl < 1"),
    Mutant("hop limit 1 forwarded", r"ip\.hop_limit <= 1\b", "ip.hop_limit < 1"),
    Mutant("MTU off by 14", r"p\.l3_bytes \+ overhead > limit\b", "p.l3_bytes + overhead > limit + 14"),
    Mutant("MTU one too small", r"p\.l3_bytes \+ overhead > limit\b", "p.l3_bytes + overhead >= limit"),
    Mutant("MTU told with the outer header", r"limit > overhead \? limit - overhead : 0", "limit"),
    Mutant("DF ignored", r"!flags_fragment\.any_of\(dont_fragment\);", "!flags_fragment.any_of(0x8000);"),
    # what a VM may send
    Mutant("spoofed IPv4 source", r"if \(!guard->owns\(raw\)\)", "if (false)"),
    Mutant("spoofed IPv6 source", r"!guard->owns\(ip\.source\)\)", "false)"),
    Mutant("spoofed MAC", r"guard != nullptr && !wire::same\(ethernet\.source, guard->mac\)", "false"),
    Mutant("foreign MAC accepted", r"if \(!ours && !ethernet\.destination\.multicast\(\)\)", "if (false)"),
    Mutant("foreign MAC taken for ordinary", r"\(\(words\[0\] & mask_\[0\]\) \^ wanted_\[0\]\) \|", "0 |"),
    Mutant("inner MAC looked at in part", r"\(theirs \^ ours\) << 16 == 0", "(theirs ^ ours) << 24 == 0"),
    Mutant("broadcast accepted", r"if \(!ours\) return drop\(p, DropReason::ip_destination_unsupported\);", ""),
    Mutant("martian source accepted", r"if \(!Ipv4Address\{ip\.source\.get\(\)\}\.forwardable\(\)\)", "if (false)"),
    Mutant("multicast IPv6 forwarded", r"if \(ip\.destination\.multicast\(\) \|\| ip\.destination\.link_local\(\)",
           "if (ip.destination.link_local()"),
    Mutant("IPv4 checksum not looked at", r"if \(!sound\) return", "if (total == 0) return"),
    Mutant("padding taken along", r"p\.l3_bytes = total; p\.l4_offset",
           "p.l3_bytes = static_cast<std::uint16_t>(available); p.l4_offset"),
    Mutant("IPv6 length beyond the frame", r"if \(total > available \|\| total > 0xffff\)", "if (total > available + 8)"),
    Mutant("fragment taken for a whole packet", r"p\.fragment = ip\.fragment\(\);", "p.fragment = false;"),
    Mutant("unfinished checksum passes", r"return wire::checksum_fold\(pseudo \+ p\.packet\.sum\(l4, l4_bytes\)\) "
           r"!= 0xffff;", "return false;"),
    # decapsulation
    Mutant("source not looked at", r"if \(!source_accepted\(\*entry, p\)\)", "if (false)"),
    Mutant("VNI of 16 bits", r"return vni_reserved\.get\(\) >> 8;", "return vni_reserved.get() >> 8 & 0xffff;"),
    Mutant("any local address", r"return local4 == raw;", "return local4 != 0 || raw == 0;"),
    Mutant("every UDP port a tunnel", r"return tables\.udp_kinds\[p\.l4_ports >> 16\]\.load\(std::memory_order_relaxed\);",
           "return (p.l4_ports >> 16 & 0xff) < 0x9c ? TunnelKind::vxlan : tables.udp_kinds[p.l4_ports >> 16].load();"),
    Mutant("transit refused", r"if \(!to_local_address\(tables, p\)\) return DropReason::none;", ""),
    Mutant("VXLAN without VNI flag", r"\(header\.flags & wire::Vxlan::vni_valid\) == 0", "header.flags == 1"),
    Mutant("outer UDP length not looked at", r"\.length\.get\(\) != l4_bytes",
           ".length.get() > l4_bytes + 65536U"),
    Mutant("outer UDP checksum not looked at", r"== 0xffff \? DropReason::none : DropReason::outer_udp_checksum;",
           "== 0xffff ? DropReason::none : DropReason::none;"),
    Mutant("no outer checksum over IPv6", r"return p\.v4 \|\| entry\.decap\.zero_udp_checksum6 \?",
           "return p.v4 || entry.id.valid() ?"),
    # encapsulation
    Mutant("VNI sent of 16 bits", r"profile\.vni << 8;", "(profile.vni & 0xffff) << 8;"),
    Mutant("wrong inner source MAC", r"p\.vrf->router\.write\(outer \+ inner_offset \+ sizeof\(MacAddress\), p\.v4\);",
           "p.vrf->router.write(outer + inner_offset + sizeof(MacAddress), p.v4); outer[inner_offset + 6] ^= 4;"),
    Mutant("inner EtherType always IPv4", r"inner_offset \+ sizeof\(MacAddress\), p\.v4\);",
           "inner_offset + sizeof(MacAddress), p.v4 || p.l3_bytes > 200);"),
    Mutant("UDP length too long", r"udp\.length = udp_bytes;",
           "udp.length = static_cast<std::uint16_t>(udp_bytes + 8);"),
    Mutant("outer DF not set", r"ip\.flags_fragment = wire::Ipv4::dont_fragment;", ""),
    Mutant("outer ID not zero", r"ip\.flags_fragment = wire::Ipv4::dont_fragment;",
           "ip.flags_fragment = wire::Ipv4::dont_fragment; ip.identification = 1;"),
    Mutant("outer TTL fixed", r"ip\.ttl = profile\.ttl;", "ip.ttl = 64;"),
    Mutant("outer DSCP shifted", r"profile\.dscp << 2", "profile.dscp << 3"),
    Mutant("all flows one port", r"source_ports\.choose\(hash\)", "source_ports.choose(7)"),
    Mutant("port by packet, not by flow", r"source_ports\.choose\(hash\)",
           "source_ports.choose(hash + (p.l3_bytes << 20))"),
    Mutant("IPv6 UDP checksum of another length", r"static_cast<std::uint8_t>\(wire::IpProtocol::udp\), udp_bytes\);",
           "static_cast<std::uint8_t>(wire::IpProtocol::udp), udp_bytes + 1U);"),
    # what the router says
    Mutant("host for network unreachable", r"return \{unreachable, code_network_unreachable, \{\}, \{\}\};",
           "return {unreachable, code_host_unreachable, {}, {}};"),
    Mutant("ICMP quotes too little", r"ipv4_error_bytes = 576;", "ipv4_error_bytes = 572;"),
    Mutant("ICMP about ICMP errors", r"return type != unreachable && type != source_quench",
           "return type != source_quench"),
    Mutant("ARP answers a VM's own address",
           r"q\.sender == q\.target \|\| contains\(config\.addresses, q\.target\) \|\|",
           "q.sender == q.target ||"),
    Mutant("ARP for another's name", r"!contains\(config\.addresses, q\.sender\)\)", "false)"),
]
