#pragma once
/// admit: what flow could not settle. A packet that no session knows is judged and opens one; of a
/// session whose decision no longer holds it is taken anew.

#include "stages/judge.hpp"

namespace weft::stage {

inline constexpr std::string_view admit_name = "admit";

/// The VIF that a next hop leads to by its adjacency; invalid: the fabric. Nothing: the way there
/// is being taken away.
inline std::optional<VifId> vif_behind(const Tables& tables, const NexthopEntry& nexthop,
                                       const AdjacencyEntry* adjacency) {
  if (nexthop.kind != NexthopKind::interface) return VifId{};
  if (adjacency != nullptr && adjacency->buckets != 0) return VifId{};
  const PortEntry* port = adjacency != nullptr ? tables.ports.get(adjacency->port) : nullptr;
  if (port == nullptr || port->id != adjacency->port) return std::nullopt;
  return port->port.vif;
}
/// The same of a next hop that packets of a session took.
inline std::optional<VifId> vif_behind(const Tables& tables, NexthopId id) {
  const NexthopEntry* nexthop = id.valid() ? tables.nexthops.get(id) : nullptr;
  if (nexthop == nullptr || nexthop->id != id) return std::nullopt;
  return vif_behind(tables, *nexthop, tables.adjacencies.get(nexthop->adjacency));
}

/// Whether sessions are opened for packets on this way: a VIF at either end may do without.
inline bool wants_session(const Tables& tables, const Parties& parties) {
  const auto keeps = [&](VifId id) {
    const VifEntry* vif = id.valid() ? tables.vifs.get(id) : nullptr;
    return vif != nullptr && (vif->flows || vif->policy.valid());
  };
  return (!parties.from.valid() && !parties.to.valid()) || keeps(parties.from) || keeps(parties.to);
}

/// The VRF in which packets of the other direction arrive.
inline VrfId return_vrf(const Tables& tables, const PacketContext& p, VifId egress) {
  if (p.nexthop->kind == NexthopKind::tunnel) return p.vrf->id;
  const VifEntry* vif = egress.valid() ? tables.vifs.get(egress) : nullptr;
  return vif != nullptr ? vif->vrf : underlay_vrf;
}

/// The VRF whose route gave the packet its next hop; invalid: decapsulation did, straight to a VIF.
inline VrfId route_vrf(const Tables& tables, const PacketContext& p) {
  const DecapEntry* decap = p.tunnels != 0 ? tables.decaps_by_id.get(p.decap) : nullptr;
  return decap != nullptr && decap->decap.nexthop == p.nexthop->id ? VrfId{} : p.vrf->id;
}

/// Writes down what holds from now on. Only the owner may, whom the first packet makes.
template <class Key>
inline void restamp(FlowEntry<Key>& entry, std::uint8_t worker, FlowStamp stamp,
                    const PacketContext& p, VrfId vrf) {
  std::uint8_t owner = FlowEntry<Key>::nobody;
  if (!entry.owner.compare_exchange_strong(owner, worker, std::memory_order_relaxed) &&
      owner != worker) {
    return;
  }
  entry.nexthop.set(p.nexthop->id.raw());
  entry.vrf.set(vrf.raw());
  entry.ingress.set(p.in->vif.raw());
  entry.stamp.store(stamp, std::memory_order_release);
}

/// One packet's way through admit.
template <class Key, class Tracer>
class Admission {
 public:
  /// `egress`: the VIF that it goes to.
  Admission(StageContext<Tracer>& ctx, PacketContext& p, VifId egress)
      : ctx_(ctx),
        tables_(ctx.tables),
        table_(ctx.tables.flows->template of<Key>()),
        p_(p),
        parties_{p.in->vif, egress},
        tally_(ctx.flows),
        // As it was before the route was searched: what changes since, the next packet finds out.
        stamp_(ctx.flows != nullptr ? ctx.flows->stamp()
                                    : tables_.flows->stamp.load(std::memory_order_acquire)) {}

  Next decide() {
    if (p_.care == FlowCare::unsearched && !under_policy(tables_, parties_)) return Next::forward;
    direction_ = p_.flow;
    if (direction_ != 0) {
      key_ = table_.entry(direction_).key;
    } else {
      const auto ports = flow_ports<Key>(*tables_.flows, tally_, p_);
      if (!ports) return pass_alone();
      key_ = flow_key<Key>(p_, arrival_vrf(p_).id, *ports);
      // The packet before it in the burst may have opened one.
      direction_ = table_.find(key_, table_.hash(key_));
    }
    const bool anew = direction_ != 0 && begins_anew(table_, direction_, p_);
    if (direction_ == 0 || anew) {
      const Next next = open();
      if (direction_ == 0) return next;
    }
    return pass_with_session();
  }

 private:
  /// No session can be opened for it.
  Next pass_alone() {
    direction_ = flow_of_error(table_, p_);
    if (direction_ != 0 && comes_from_its_end() && !answers_another() &&
        (policies_hold() || !judge_session().denied())) {
      note("an error about a packet of a session, with which it may pass");
      return Next::forward;
    }
    direction_ = 0;
    const auto question = question_alone<Key>(p_);
    const Judgement judgement = judge(tables_, parties_, question);
    note(judgement);
    if (judgement.denied()) return deny(judgement, question.tuple);
    note("belongs to no session that could be opened");
    return Next::forward;
  }

  /// Judges it as the first packet of a session, which is opened then; one that is over and has the
  /// same key gives way. Where there is no session afterwards, it answers where the packet goes.
  Next open() {
    const std::uint64_t hash = table_.hash(key_);
    const std::uint32_t over = std::exchange(direction_, 0);
    const Key reverse = key_.reverse(return_vrf(tables_, p_, parties_.to));
    if (ctx_.flows != nullptr) table_.prefetch(ctx_.flows->template of<Key>(), reverse);
    const Question question{tuple_of(key_), true};
    const Judgement judgement = judge(tables_, parties_, question);
    if (judgement.denied()) {
      // Unless the other side has opened it at this moment.
      if (over == 0) direction_ = table_.find(key_, hash);
      if (direction_ != 0) return Next::forward;
      note(judgement);
      return deny(judgement, question.tuple);
    }
    note(judgement);
    // An answer that nobody has asked for is no reason to let a question in.
    if (are_answers(key_.ports, key_.protocol()) || !wants_session(tables_, parties_))
      return Next::forward;
    if (ctx_.flows == nullptr) {
      note("a new session would be opened");
      return Next::forward;
    }
    FlowWriter& writer = ctx_.flows->template of<Key>();
    if (over != 0) table_.close(writer, over);
    FlowOpening<Key> opening;
    opening.forward = key_;
    opening.reverse = reverse;
    opening.forward_hash = hash;
    opening.stamp = stamp_;
    opening.ingress = parties_.from;
    opening.charged = parties_.from.valid() ? parties_.from : parties_.to;
    opening.nexthop = p_.nexthop->id;
    opening.vrf = route_vrf(tables_, p_);
    opening.now = tally_.now;
    direction_ = table_.open(writer, opening);
    if (direction_ != 0 || !under_policy(tables_, parties_)) return Next::forward;
    return drop(p_, writer.refusal);
  }

  /// Whether it came, and goes, where the session's packets do.
  [[nodiscard]] bool has_its_ends() const {
    const FlowEntry<Key>& entry = table_.entry(direction_);
    const FlowEntry<Key>& other = table_.entry(FlowTable<Key>::other(direction_));
    const auto nexthop = NexthopId::from_raw(entry.nexthop.get());
    if (nexthop.valid()) {
      return entry.ingress.get() == parties_.from.raw() && nexthop == p_.nexthop->id;
    }
    // The first packet back: from where the others went, to where they came.
    const auto led_to = NexthopId::from_raw(other.nexthop.get());
    return other.ingress.get() == parties_.to.raw() && vif_behind(tables_, led_to) == parties_.from;
  }

  /// Whether it came from where the session's packets come, or where those the other way go.
  [[nodiscard]] bool comes_from_its_end() const {
    const FlowEntry<Key>& entry = table_.entry(direction_);
    const FlowEntry<Key>& other = table_.entry(FlowTable<Key>::other(direction_));
    const bool known = NexthopId::from_raw(entry.nexthop.get()).valid();
    return (known && entry.ingress.get() == parties_.from.raw()) ||
           vif_behind(tables_, NexthopId::from_raw(other.nexthop.get())) == parties_.from;
  }

  /// The direction of the session's first packet.
  [[nodiscard]] const FlowEntry<Key>& first() const {
    const bool forward = FlowTable<Key>::is_forward(direction_);
    return table_.entry(forward ? direction_ : FlowTable<Key>::other(direction_));
  }
  /// The VIF that sends in it, or has sent last; invalid: the fabric does.
  [[nodiscard]] VifId asking_vif() const { return VifId::from_raw(first().ingress.get()); }
  /// Whether it would reach a VIF as the answer to what came from the fabric: that VIF has asked
  /// for nothing, whatever its egress rules allow it.
  [[nodiscard]] bool answers_another() const {
    return !FlowTable<Key>::is_forward(direction_) && parties_.to.valid() && !asking_vif().valid();
  }
  /// The other way: a VIF itself asks what came from the fabric before.
  [[nodiscard]] bool asks_itself() const {
    return FlowTable<Key>::is_forward(direction_) && parties_.from.valid() && !asking_vif().valid();
  }
  /// Whether the fabric sends it as if it were a VIF that is here.
  [[nodiscard]] bool asks_for_another() const {
    if (!FlowTable<Key>::is_forward(direction_) || parties_.from.valid()) return false;
    const VifId asking = asking_vif();
    const VifEntry* const vif = asking.valid() ? tables_.vifs.get(asking) : nullptr;
    return vif != nullptr && vif->id == asking;
  }

  /// Whether the session was let through by the policies that there are now.
  [[nodiscard]] bool policies_hold() const {
    return table_.entry(direction_).stamp.load(std::memory_order_relaxed) >> 32 == stamp_ >> 32;
  }

  /// What the rules say of the session's first packet, had it come between these two.
  [[nodiscard]] Judgement judge_session() const {
    const bool forward = FlowTable<Key>::is_forward(direction_);
    const Parties parties = forward ? parties_ : Parties{parties_.to, parties_.from};
    return judge(tables_, parties, Question{tuple_of(first().key), true});
  }

  /// Whether the rules let the session through between the ends that it has.
  [[nodiscard]] bool stands_elsewhere() const {
    if (policies_hold()) return true;
    const auto to = vif_behind(tables_, NexthopId::from_raw(first().nexthop.get()));
    if (!to) return true;
    return !judge(tables_, {asking_vif(), *to}, Question{tuple_of(first().key), true}).denied();
  }

  /// Whether a route has led the session's packets to where answers arrive in another VRF than
  /// before: nobody would know them.
  [[nodiscard]] bool answers_come_elsewhere() const {
    if (!FlowTable<Key>::is_forward(direction_)) return false;
    const FlowEntry<Key>& back = table_.entry(FlowTable<Key>::other(direction_));
    return back.key.vrf_index() != return_vrf(tables_, p_, parties_.to).index();
  }

  /// The session is judged again where the policies changed, or the VIFs at its ends. `instead`: of
  /// one that has just been ended; another worker may have opened it at this moment.
  Next pass_with_session(bool instead = false) {
    bool own = has_its_ends();
    if (!own && asks_for_another()) return pass_between_others();
    if (!own && (answers_another() || asks_itself())) {
      const Next next = open();  // and what the fabric asked for gives way
      if (direction_ == 0) return next;
      own = has_its_ends();
    }
    if (!own || !policies_hold()) {
      const Judgement judgement = judge_session();
      note(judgement);
      if (judgement.denied() && (instead || (!own && stands_elsewhere()))) {
        return pass_between_others();
      }
      if (judgement.denied()) {
        end_session();
        const Next next = open();  // as if it had not been
        return direction_ == 0 ? next : pass_with_session(true);
      }
    }
    if (answers_come_elsewhere()) {
      const Next next = open();  // and the old one gives way
      if (direction_ == 0) return next;
    }
    p_.flow = direction_;
    const bool opened =
        FlowTable<Key>::is_forward(direction_) && table_.entry(direction_).packets.get() == 0;
    note(opened ? "admitted" : "the session stands");
    if (!tally_.counts) return Next::forward;
    FlowEntry<Key>& entry = table_.entry(direction_);
    restamp(entry, tally_.worker, stamp_, p_, route_vrf(tables_, p_));
    (void)tally_.count(table_, entry, direction_, p_);
    return Next::forward;
  }

  /// It has the addresses of a session that would not be between these two: it is judged as if
  /// there were none, and lets that one be.
  Next pass_between_others() {
    const auto tuple = tuple_of(table_.entry(std::exchange(direction_, 0)).key);
    const Judgement judgement = judge(tables_, parties_, Question{tuple, true});
    note(judgement);
    if (judgement.denied()) return deny(judgement, tuple);
    note("belongs to no session that could be opened");
    return Next::forward;
  }

  void end_session() {
    if (ctx_.flows == nullptr) return;
    FlowWriter& writer = ctx_.flows->template of<Key>();
    if (table_.close(writer, direction_)) writer.cleared.add(1);
  }

  /// `packet`: itself, whatever rules were asked about.
  template <class Tuple>
  Next deny(const Judgement& judgement, const Tuple& packet) {
    const PolicyDecision& by = judgement.decisions().back();
    if (ctx_.flows != nullptr) {
      ctx_.flows->denied().add(ctx_.flows->now(),
                               [&] { return denied_packet(by, arrival_vrf(p_).id, packet); });
    }
    return drop(p_,
                by.egress ? DropReason::policy_egress_denied : DropReason::policy_ingress_denied);
  }

  void note(const Judgement& judgement) {
    if constexpr (Tracer::enabled) {
      for (const PolicyDecision& decision : judgement.decisions()) {
        ctx_.tracer.note(
            admit_name, p_, [&] { return text_of(decision); }, decision);
      }
    }
  }
  void note(const char* text) {
    if constexpr (Tracer::enabled) {
      ctx_.tracer.note(admit_name, p_, [&] {
        if (direction_ == 0) return std::string(text);
        return std::string(text) + ", session " +
               std::to_string(table_.session_of(direction_).id.get());
      });
    }
  }

  StageContext<Tracer>& ctx_;
  const Tables& tables_;
  FlowTable<Key>& table_;
  PacketContext& p_;
  Parties parties_;
  FlowTally tally_;
  FlowStamp stamp_;
  std::uint32_t direction_ = 0;  ///< of its session; 0: none
  Key key_ = Key::none();
};

template <class Key, class Tracer>
[[gnu::noinline]] Next admit(StageContext<Tracer>& ctx, PacketContext& p) {
  const auto egress = vif_behind(ctx.tables, *p.nexthop, p.adjacency);
  if (!egress) return drop(p, DropReason::port_missing);
  return Admission<Key, Tracer>(ctx, p, *egress).decide();
}

template <class Tracer>
[[gnu::always_inline]] inline Next admit_one(StageContext<Tracer>& ctx, PacketContext& p) {
  return p.v4 ? admit<FlowKey4>(ctx, p) : admit<FlowKey6>(ctx, p);
}

}  // namespace weft::stage
