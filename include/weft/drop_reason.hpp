#pragma once
/// Why a packet died. Every dropped packet has exactly one reason, and every reason one cause.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft {

// WEFT_DROP_REASONS(X): X(name, stage that decides it, explanation for the operator)
#define WEFT_DROP_REASONS(X)                                                                      \
  X(frame_truncated, "parse", "the frame ends inside a header that it announces")                 \
  X(l2_destination_unknown, "parse", "the destination MAC is not this router's")                  \
  X(ethertype_unsupported, "parse", "neither IPv4, IPv6 nor ARP")                                 \
  X(vlan_unknown, "parse", "tagged with a VLAN that no port of the device has as its `vlan`")     \
  X(vlan_missing, "input", "no VLAN tag, and every port of the device has a `vlan`")              \
  X(spoofed_mac, "parse", "the VIF sent from a MAC that is not its own")                          \
  X(spoofed_ip, "parse", "the VIF sent from an IP address that is not among its `addresses`")     \
  X(ipv4_version, "parse", "EtherType IPv4, but the version field is not 4")                      \
  X(ipv4_header_length, "parse", "the IPv4 header length is below 20 or beyond the packet")       \
  X(ipv4_total_length, "parse", "the IPv4 total length is beyond the frame or below the header")  \
  X(ipv4_checksum, "parse", "the IPv4 header checksum is wrong")                                  \
  X(ipv6_version, "parse", "EtherType IPv6, but the version field is not 6")                      \
  X(ipv6_payload_length, "parse", "the IPv6 payload length is beyond the frame")                  \
  X(ip_source_invalid, "parse", "the source address is multicast, loopback or unspecified")       \
  X(ip_destination_unsupported, "parse", "the destination is multicast, broadcast or link-local") \
  X(checksum_unfinished, "parse",                                                                 \
    "a TCP or UDP checksum that the sender's kernel left to hardware; on the peer end of the "    \
    "veth run: ethtool -K IF tx off")                                                             \
  X(outer_fragment, "resolve", "a fragment of a tunnel packet, and `reassembly` is off")          \
  X(fragment_malformed, "decap",                                                                  \
    "a fragment that cannot be one, or denies where another one ends")                            \
  X(fragment_overlap, "decap", "fragments of a tunnel packet overlap: none of them is taken")     \
  X(fragment_duplicate, "decap", "a fragment of a tunnel packet that was there already")          \
  X(fragment_limit, "decap", "a tunnel packet in more than 64 fragments")                         \
  X(fragment_timeout, "decap", "the other fragments of a tunnel packet did not come in time")     \
  X(fragment_evicted, "decap", "fragments of a tunnel packet gave way to those of newer ones")    \
  X(outer_udp_length, "decap", "the outer UDP length disagrees with the IP length")               \
  X(outer_udp_checksum, "decap", "the outer UDP checksum is wrong")                               \
  X(outer_udp_checksum_missing, "decap",                                                          \
    "no outer UDP checksum over IPv6, and the decap does not say zero_udp_checksum6")             \
  X(tunnel_header_truncated, "decap", "the packet ends inside the tunnel header")                 \
  X(tunnel_header_invalid, "decap",                                                               \
    "the tunnel header lacks what its kind requires, or names another IP version than is inside") \
  X(tunnel_payload_unsupported, "decap", "the tunnel holds neither Ethernet nor IP")              \
  X(tunnel_option_unknown, "decap", "a critical option of the tunnel header is not known here")   \
  X(tunnel_checksum, "decap", "the checksum in the tunnel header is wrong")                       \
  X(tunnel_option_missing, "decap", "the packet lacks an option that the decap names")            \
  X(label_unexpected, "decap", "the labels in front are not those of the decap's `labels`")       \
  X(srv6_segments_left, "decap", "segments are left where the SID is the last, or none for End")  \
  X(decap_unknown_vni, "decap", "no decap profile has this kind, port, VNI and destination")      \
  X(decap_source_unlisted, "decap", "the outer source is not among the decap's `sources`")        \
  X(outer_ce_inner_not_ect, "decap",                                                              \
    "congestion experienced outside (ECN CE), and the packet inside is not capable of ECN")       \
  X(tunnel_nesting, "decap", "more than four tunnels inside each other")                          \
  X(inner_mac_unknown, "parse", "the inner destination MAC is not the VRF's router MAC")          \
  X(no_route, "resolve", "the VRF has no route to the destination")                               \
  X(discard_route, "resolve", "the route says discard")                                           \
  X(nexthop_missing, "resolve", "the route's next hop is being replaced or was deleted")          \
  X(vrf_missing, "resolve", "the VRF is being deleted")                                           \
  X(lookup_loop, "resolve", "next hops of kind lookup lead on through more than four VRFs")       \
  X(tunnel_unresolved, "resolve", "the underlay has no route to the tunnel's remote")             \
  X(policy_egress_denied, "admit", "the policy of the VIF that sent it does not let it out")      \
  X(policy_ingress_denied, "admit", "the policy of the VIF that it is for does not let it in")    \
  X(flow_table_full, "admit", "a policy wants a session, and the flow table has no room for one") \
  X(flow_vif_limit, "admit", "a policy wants a session, and the VIF has as many as it may")       \
  X(ttl_expired, "rewrite", "TTL or hop limit ran out here")                                      \
  X(nsh_ttl_expired, "decap", "an NSH packet that has passed as many forwarders as it may")       \
  X(too_big, "rewrite", "larger than the way out allows, and not to be fragmented")               \
  X(too_big_fragmentable, "rewrite", "larger than the way out allows, in more than 64 pieces")    \
  X(headroom_short, "encap", "no room in the buffer for the outer header")                        \
  X(port_missing, "output", "the way out leads to a port that is gone")                           \
  X(frame_too_big_for_port, "output", "the frame is larger than the port can send")               \
  X(tx_queue_full, "output", "the port did not take the frame")                                   \
  X(hold_queue_full, "output", "too many packets wait for a neighbour to answer")                 \
  X(neighbour_unresolved, "output", "the neighbour did not answer ARP or ND in time")             \
  X(punt_neighbour_limited, "punt", "ARP or ND above the rate or queue of the control thread")    \
  X(punt_local_limited, "punt", "packets to the router itself above rate or queue")               \
  X(punt_liveness_limited, "punt", "BFD above what a worker takes in a second")                   \
  X(bfd_ttl, "punt", "a BFD packet whose TTL is not 255: it does not come from this link")        \
  X(bfd_malformed, "punt", "a BFD packet that breaks its format")                                 \
  X(bfd_session_unknown, "punt", "a BFD packet of a neighbour that there is no session with")     \
  X(local_unsupported, "punt", "to the router itself, but not something it answers")              \
  X(neighbour_malformed, "punt", "an ARP or ND message that breaks its format")                   \
  X(neighbour_not_ours, "punt", "an ARP or ND message that asks for or tells nothing of ours")    \
  X(inject_queue_full, "input", "control sent more packets than the workers took")                \
  X(buffer_exhausted, "input", "no packet buffer was free")                                       \
  X(handoff_ring_full, "input", "the worker that its flow belongs to does not keep up")           \
  X(arrival_port_gone, "input", "its port was taken away before its flow's worker came to it")

/// `none` is no drop; the others are explained by describe().
enum class DropReason : std::uint8_t {
  none,
#define X(name, stage, text) name,
  WEFT_DROP_REASONS(X)
#undef X
};

struct DropReasonInfo {
  std::string_view name;
  std::string_view stage;
  std::string_view explanation;
};

inline constexpr std::array drop_reasons{DropReasonInfo{"none", "", "not dropped"},
#define X(name, stage, text) DropReasonInfo{#name, stage, text},
                                         WEFT_DROP_REASONS(X)
#undef X
};

inline constexpr std::size_t drop_reason_count = drop_reasons.size();

constexpr const DropReasonInfo& describe(DropReason reason) {
  return drop_reasons[static_cast<std::size_t>(reason)];
}

}  // namespace weft
