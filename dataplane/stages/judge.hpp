#pragma once
/// judge: may it go from here to there? What the policies of the VIFs at both ends say.

#include <array>
#include <span>
#include <string>

#include "policy/compiled_policy.hpp"
#include "stages/flow.hpp"

namespace weft::stage {

/// The VIFs at the ends of a session, as it was opened; invalid: the fabric.
struct Parties {
  VifId from;
  VifId to;
};

/// nullptr: it is being deleted, or another one has taken its place.
inline const VifEntry* vif_of(const Tables& tables, VifId id) {
  const VifEntry* vif = tables.vifs.get(id);
  return vif != nullptr && vif->id == id ? vif : nullptr;
}

/// Whether somebody must agree to what the VIF sends or gets. Of one that is being deleted nobody
/// knows any more what it may, so that it may do nothing.
inline bool under_policy(const Tables& tables, VifId id) {
  if (!id.valid()) return false;
  const VifEntry* vif = vif_of(tables, id);
  return vif == nullptr || vif->policy.valid();
}
inline bool under_policy(const Tables& tables, const Parties& parties) {
  return under_policy(tables, parties.from) || under_policy(tables, parties.to);
}

/// The rules of the VIF's policy; nullptr: it or the VIF is being deleted.
inline const CompiledRules* rules_of(const Tables& tables, VifId id,
                                     CompiledRules PolicyTries::*direction) {
  const VifEntry* vif = vif_of(tables, id);
  const PolicyEntry* entry = vif != nullptr ? tables.policies.get(vif->policy) : nullptr;
  if (entry == nullptr || entry->id != vif->policy) return nullptr;
  return &(static_cast<const PolicyTries&>(*entry->policy).*direction);
}

/// Whether it is known what the packet carries. Too many extension headers hide it, and so do those
/// that a datagram in pieces begins with: one's own number then stands for the protocol, and rules
/// that go by protocol must not be asked.
inline bool shows_protocol(const PolicyTuple4&) { return true; }
inline bool shows_protocol(const PolicyTuple6& tuple) {
  return !wire::is_extension_header(tuple.protocol);
}

/// What rules see of the packets of a flow. ICMP queries have code 0.
template <class Tuple>
inline void set_ports(Tuple& tuple, FlowPorts ports) {
  if (wire::is_icmp(tuple.protocol)) {
    tuple.source_port = static_cast<std::uint16_t>(ports >> 16);  // the type comes first
    return;
  }
  tuple.source_port = static_cast<std::uint16_t>(ports);
  tuple.destination_port = static_cast<std::uint16_t>(ports >> 16);
}
inline PolicyTuple4 tuple_of(const FlowKey4& key) {
  PolicyTuple4 tuple;
  tuple.protocol = key.protocol();
  tuple.source = static_cast<std::uint32_t>(key.addresses);
  tuple.destination = static_cast<std::uint32_t>(key.addresses >> 32);
  set_ports(tuple, key.ports);
  return tuple;
}
inline PolicyTuple6 tuple_of(const FlowKey6& key) {
  PolicyTuple6 tuple;
  tuple.protocol = key.protocol();
  std::memcpy(tuple.source, key.addresses, sizeof tuple.source + sizeof tuple.destination);
  set_ports(tuple, key.ports);
  return tuple;
}

/// What rules are asked about: the first packet of a session, or one that belongs to none.
template <class Tuple>
struct Question {
  Tuple tuple;
  bool shows_ports = true;  ///< else the tuple's say nothing
};
template <class Tuple>
Question(Tuple, bool) -> Question<Tuple>;

/// What the VIFs with a policy say of it, in the order in which they are asked. Who denies it is
/// the last one.
class Judgement {
 public:
  void add(const PolicyDecision& decision) { decisions_[count_++] = decision; }
  [[nodiscard]] std::span<const PolicyDecision> decisions() const {
    return {decisions_.data(), count_};
  }
  [[nodiscard]] bool denied() const {
    return count_ != 0 && decisions_[count_ - 1].action == PolicyAction::deny;
  }

 private:
  std::array<PolicyDecision, 2> decisions_;
  unsigned count_ = 0;
};

/// What is being deleted lets nothing through, and what does not show its protocol is denied where
/// there are rules: by none of them.
template <class Tuple>
inline Judgement judge(const Tables& tables, const Parties& parties,
                       const Question<Tuple>& question) {
  Judgement judgement;
  const auto agrees = [&](VifId id, bool egress) {
    if (!under_policy(tables, id)) return true;
    PolicyDecision decision;
    decision.vif = id;
    decision.egress = egress;
    const CompiledRules* rules =
        rules_of(tables, id, egress ? &PolicyTries::egress : &PolicyTries::ingress);
    if (rules != nullptr && (rules->free() || shows_protocol(question.tuple))) {
      const PolicyVerdict verdict = question.shows_ports
                                        ? rules->judge(question.tuple)
                                        : rules->judge_without_ports(question.tuple);
      decision.action = verdict.action;
      if (verdict.rule != PolicyVerdict::none) decision.rule = verdict.rule;
    }
    judgement.add(decision);
    return decision.action == PolicyAction::allow;
  };
  if (agrees(parties.from, true)) agrees(parties.to, false);
  return judgement;
}

/// For who looks on: which rule of whom.
inline std::string text_of(const PolicyDecision& decision) {
  const bool allows = decision.action == PolicyAction::allow;
  std::string text = decision.egress ? "egress" : "ingress";
  text += " policy of vif " + std::to_string(decision.vif.index()) + ": ";
  if (!decision.rule) return text + "no rule takes it, " + (allows ? "allowed" : "denied");
  return text + "rule " + std::to_string(*decision.rule) + (allows ? " allows" : " denies");
}

inline void set_addresses(DeniedPacket& packet, const PolicyTuple4& tuple) {
  packet.source = Ipv4Address{__builtin_bswap32(tuple.source)};
  packet.destination = Ipv4Address{__builtin_bswap32(tuple.destination)};
}
inline void set_addresses(DeniedPacket& packet, const PolicyTuple6& tuple) {
  Ipv6Address address;
  std::memcpy(address.bytes.data(), tuple.source, sizeof tuple.source);
  packet.source = address;
  std::memcpy(address.bytes.data(), tuple.destination, sizeof tuple.destination);
  packet.destination = address;
}
/// A packet that arrived in `vrf`, as rules see it.
template <class Tuple>
inline DeniedPacket denied_packet(const PolicyDecision& by, VrfId vrf, const Tuple& tuple) {
  DeniedPacket packet;
  packet.by = by;
  packet.vrf = vrf;
  set_addresses(packet, tuple);
  packet.protocol = tuple.protocol;
  packet.source_port = __builtin_bswap16(tuple.source_port);
  packet.destination_port = __builtin_bswap16(tuple.destination_port);
  return packet;
}

inline std::uint32_t source_of(const FlowKey4& key) {
  return static_cast<std::uint32_t>(key.addresses);
}
inline std::uint32_t destination_of(const FlowKey4& key) {
  return static_cast<std::uint32_t>(key.addresses >> 32);
}
inline std::array<std::uint64_t, 2> source_of(const FlowKey6& key) {
  return {key.addresses[0], key.addresses[1]};
}
inline std::array<std::uint64_t, 2> destination_of(const FlowKey6& key) {
  return {key.addresses[2], key.addresses[3]};
}

/// The direction that an ICMP error goes along: the packet that it tells of went the other way, and
/// with its session the error is let through (RFC 4787 §10, RFC 5382 §7). 0: none, or it is no
/// error.
template <class Key>
inline std::uint32_t flow_of_error(FlowTable<Key>& table, const PacketContext& p) {
  constexpr bool v4 = is_key4<Key>;
  const std::uint8_t* const l4 = p.l3 + p.l4_offset;
  const auto icmp = v4 ? wire::IpProtocol::icmp : wire::IpProtocol::icmpv6;
  const bool whole = !p.fragment && p.protocol == static_cast<std::uint8_t>(icmp);
  const std::size_t readable = whole ? readable_l4(p) : 0;
  const std::size_t header = v4 ? sizeof(wire::Ipv4) : sizeof(wire::Ipv6);
  if (readable < sizeof(wire::Icmp) + header) return 0;
  const bool error = v4 ? l4[0] == wire::icmpv4::unreachable ||
                              l4[0] == wire::icmpv4::time_exceeded ||
                              l4[0] == wire::icmpv4::parameter_problem
                        : l4[0] < wire::icmpv6::first_informational;
  if (!error) return 0;
  PacketContext told = p;
  told.l3 = const_cast<std::uint8_t*>(l4) + sizeof(wire::Icmp);
  told.l3_bytes = static_cast<std::uint16_t>(readable - sizeof(wire::Icmp));
  if constexpr (v4) {
    const auto& ip = header_at<wire::Ipv4>(told.l3);
    if (ip.version() != 4 || ip.header_bytes() < header || ip.later_fragment()) return 0;
    told.l4_offset = static_cast<std::uint16_t>(ip.header_bytes());
    told.protocol = ip.protocol;
  } else {
    const auto upper = wire::find_upper_layer({told.l3, told.l3_bytes});
    if (header_at<wire::Ipv6>(told.l3).version() != 6 || !upper.complete) return 0;
    told.l4_offset = upper.offset;
    told.protocol = upper.protocol;
  }
  const auto ports = ports_in(told);
  if (!ports) return 0;
  const VrfId vrf = arrival_vrf(p).id;
  const Key there = flow_key<Key>(told, vrf, *ports);
  const Key back = there.reverse(vrf);
  // It must go to whom it tells of.
  const bool to_sender = destination_of(flow_key<Key>(p, vrf, 0)) == source_of(there);
  return to_sender ? table.find(back, table.hash(back)) : 0;
}

/// Of a packet that no session can be opened for.
template <class Key>
inline auto question_alone(const PacketContext& p) {
  const bool icmp =
      p.protocol ==
      static_cast<std::uint8_t>(is_key4<Key> ? wire::IpProtocol::icmp : wire::IpProtocol::icmpv6);
  const bool begins = !p.fragment || piece_of(p).first;
  const bool shows = begins && (!icmp || readable_l4(p) >= sizeof(wire::Icmp));
  auto tuple = tuple_of(flow_key<Key>(p, arrival_vrf(p).id, 0));
  if (icmp && shows) std::memcpy(&tuple.source_port, p.l3 + p.l4_offset, sizeof tuple.source_port);
  return Question{tuple, shows && !wire::has_ports(p.protocol)};
}

}  // namespace weft::stage
