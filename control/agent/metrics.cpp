#include "agent/metrics.hpp"

#include <fmt/format.h>

#include "agent/api_json.hpp"

namespace weft::agent {

namespace {

/// Label values by the format's rules: backslash, quotation mark and line feed are escaped.
std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return out;
}

using Labels = std::vector<MetricsText::Label>;

/// Packets and bytes of many objects: two families.
class Counts {
 public:
  void add(Labels labels, const PacketCount& count) { all_.emplace_back(std::move(labels), count); }
  void write(MetricsText& out, const std::string& name, const std::string& help) const {
    out.family(name + "_packets_total", "counter", "Packets " + help);
    for (const auto& [labels, count] : all_) out.sample(labels, count.packets);
    out.family(name + "_bytes_total", "counter", "Bytes of packets " + help);
    for (const auto& [labels, count] : all_) out.sample(labels, count.bytes);
  }

 private:
  std::vector<std::pair<Labels, PacketCount>> all_;
};

void write_ports(MetricsText& out, Agent& agent, const CountersSnapshot& counters) {
  const auto& model = agent.model();
  std::map<PortId, const PortCounters*> by_id;
  for (const auto& port : counters.ports) by_id[port.port] = &port;
  const auto of = [&](PortId id) {
    const auto found = by_id.find(id);
    return found == by_id.end() ? PortCounters{} : *found->second;
  };
  std::map<PortId, bool> up;
  for (const auto& status : agent.plane().ports()) up[status.id] = status.link_up;

  Counts received;
  Counts sent;
  Counts vif_received;
  Counts vif_sent;
  Counts vrf_received;
  Counts vrf_sent;
  for (const auto& [name, port] : model.ports) {
    received.add({{"port", name}}, of(port.id).rx);
    sent.add({{"port", name}}, of(port.id).tx);
  }
  std::map<std::string, PortCounters> vrfs;
  for (const auto& [name, vrf] : model.vrfs) vrfs[name];
  for (const auto& [name, vif] : model.vifs) {
    const auto count = of(vif.port);
    vif_received.add({{"vif", name}, {"vrf", vif.config.vrf}}, count.rx);
    vif_sent.add({{"vif", name}, {"vrf", vif.config.vrf}}, count.tx);
    vrfs[vif.config.vrf].rx += count.rx;
    vrfs[vif.config.vrf].tx += count.tx;
  }
  for (const auto& [name, port] : model.ports) {
    vrfs[underlay_name].rx += of(port.id).rx;
    vrfs[underlay_name].tx += of(port.id).tx;
  }
  for (const auto& [name, count] : vrfs) {
    vrf_received.add({{"vrf", name}}, count.rx);
    vrf_sent.add({{"vrf", name}}, count.tx);
  }
  received.write(out, "weft_port_receive", "that a port of the underlay received.");
  sent.write(out, "weft_port_transmit", "that a port of the underlay sent.");
  vif_received.write(out, "weft_vif_receive", "that came from a VIF.");
  vif_sent.write(out, "weft_vif_transmit", "that went to a VIF.");
  vrf_received.write(out, "weft_vrf_receive", "that came from the VIFs or ports of a VRF.");
  vrf_sent.write(out, "weft_vrf_transmit", "that went to the VIFs or ports of a VRF.");
  out.family("weft_port_receive_no_buffer_packets_total", "counter",
             "Packets that the device of a port lost since no packet buffer was free.");
  for (const auto& [name, port] : model.ports) {
    out.sample({{"port", name}}, of(port.id).rx_no_buffer);
  }
  out.family("weft_vif_receive_no_buffer_packets_total", "counter",
             "Packets that the device of a VIF lost since no packet buffer was free.");
  for (const auto& [name, vif] : model.vifs) {
    out.sample({{"vif", name}, {"vrf", vif.config.vrf}}, of(vif.port).rx_no_buffer);
  }
  out.family("weft_buffers", "gauge", "Packet buffers that there are.");
  out.sample({}, counters.buffers.total);
  out.family("weft_buffers_in_use", "gauge",
             "Packet buffers that hold packets, or with which devices wait for packets.");
  out.sample({}, counters.buffers.in_use);
  for (std::size_t i = 0; i < size_event_count; ++i) {
    out.family("weft_" + std::string(size_events[i].name) + "_total", "counter",
               std::string(size_events[i].explanation) + ".");
    out.sample({}, counters.sizes[i]);
  }
  out.family("weft_port_up", "gauge", "Whether the link of a port of the underlay is up.");
  for (const auto& [name, port] : model.ports) {
    out.sample({{"port", name}}, std::uint64_t{up[port.id]});
  }
  out.family("weft_vif_up", "gauge", "Whether the link of a VIF is up.");
  for (const auto& [name, vif] : model.vifs)
    out.sample({{"vif", name}}, std::uint64_t{up[vif.port]});
}

void write_tunnels(MetricsText& out, Agent& agent) {
  const auto& model = agent.model();
  Counts tunnels;
  for (const auto& [name, tunnel] : model.tunnels) {
    tunnels.add({{"tunnel", name}, {"kind", std::string(describe(tunnel.profile.kind).name)}},
                agent.nexthop_count(tunnel.nexthop));
  }
  tunnels.write(out, "weft_tunnel_transmit", "that were sent into a tunnel.");
  out.family("weft_tunnel_resolved", "gauge",
             "Whether a next hop to the tunnel's remote can be used: its MAC address is known, its "
             "link up, and BFD, where that is spoken.");
  for (const auto& [name, tunnel] : model.tunnels) {
    const bool resolved = std::ranges::any_of(
        tunnel.via, [&](const NeighbourKey& key) { return model.adjacencies.at(key).usable(); });
    out.sample({{"tunnel", name}}, std::uint64_t{resolved});
  }
  out.family(
      "weft_tunnel_path_mtu_bytes", "gauge",
      "Largest outer packet that leaves by the tunnel in one piece; absent where it has no way.");
  for (const auto& [name, tunnel] : model.tunnels) {
    if (const auto mtu = path_mtu(model, tunnel)) {
      out.sample({{"tunnel", name}}, std::uint64_t{*mtu});
    }
  }
  const auto& messages = agent.path_mtu().counters();
  out.family("weft_path_mtu_messages_total", "counter",
             "ICMP errors about what the paths of tunnels take.");
  out.sample({{"result", "learned"}}, messages.learned);
  out.sample({{"result", "ignored"}}, messages.ignored);
  // Profiles that share an entry of the data plane share its counters: each entry is told once.
  Counts decaps;
  Counts marks;
  for (const auto& [key, entry] : model.decap_entries) {
    const auto& config = model.decaps.find(entry.profiles.front())->second.config;
    std::string names;
    for (const auto& name : entry.profiles) names += (names.empty() ? "" : ",") + name;
    decaps.add({{"decap", names}, {"vrf", config.vrf}, {"vif", config.vif}},
               agent.decap_count(entry));
    for (const auto& [mark, id] : entry.marks) {
      marks.add({{"decap", names}, {"mark", mark}}, agent.decap_count(id));
    }
  }
  decaps.write(out, "weft_decap_receive", "that came out of a tunnel.");
  marks.write(out, "weft_decap_mark_receive", "that came out of a tunnel with a mark.");
}

void write_bfd(MetricsText& out, Agent& agent) {
  const auto statuses = agent.plane().bfd();
  const auto each = [&](const char* name, const char* type, const char* help, auto&& value) {
    out.family(name, type, help);
    for (const auto& [key, entry] : agent.bfd().entries()) {
      const auto now = std::ranges::find(statuses, entry.status.id, &BfdStatus::id);
      if (now == statuses.end()) continue;
      out.sample(
          {{"port", agent.model().port_names.at(key.port)}, {"neighbour", to_string(key.address)}},
          std::uint64_t{value(*now, entry)});
    }
  };
  using Entry = BfdKeeper::Entry;
  each("weft_bfd_up", "gauge", "Whether the BFD session with a gateway is up.",
       [](const BfdStatus& s, const Entry&) { return s.state == BfdState::up ? 1U : 0U; });
  each("weft_bfd_downs_total", "counter", "Times that it was up and is no more.",
       [](const BfdStatus&, const Entry& e) { return e.downs; });
  each("weft_bfd_transmit_packets_total", "counter", "BFD packets that were sent.",
       [](const BfdStatus& s, const Entry&) { return s.sent; });
  each("weft_bfd_receive_packets_total", "counter", "BFD packets that came for the session.",
       [](const BfdStatus& s, const Entry&) { return s.received; });
}

void write_channel(MetricsText& out, const Channel* channel) {
  if (channel == nullptr) return;
  const auto controllers = channel->controllers();
  const auto each = [&](const char* name, const char* type, const char* help, auto&& value) {
    out.family(name, type, help);
    for (const auto& controller : controllers) {
      out.sample({{"controller", controller.address}}, std::uint64_t{value(controller)});
    }
  };
  using Status = Channel::ControllerStatus;
  each("weft_controller_up", "gauge", "Whether the session to the controller is up.",
       [](const Status& s) { return s.state == xmpp::ClientState::up ? 1U : 0U; });
  each("weft_controller_sessions_total", "counter", "Sessions to it that came up.",
       [](const Status& s) { return s.sessions; });
  each("weft_controller_routes", "gauge", "Routes that it tells.",
       [](const Status& s) { return s.routes; });
  each("weft_controller_stale_routes", "gauge", "Of these, told by a session that ended.",
       [](const Status& s) { return s.stale; });
  each("weft_certificate_expiry_timestamp_seconds", "gauge",
       "When our certificate for it ends, as Unix time.", [](const Status& s) {
         return static_cast<std::uint64_t>(std::chrono::system_clock::to_time_t(s.expires));
       });
  out.family("weft_profiles_refused", "gauge", "Objects of controllers that have no place here.");
  out.sample({}, std::uint64_t{channel->profiles().refused().size()});
}

void write_workers(MetricsText& out, const CountersSnapshot& counters) {
  const auto each = [&](std::string_view name, std::string_view type, std::string_view help,
                        auto value) {
    out.family(name, type, help);
    for (const auto& worker : counters.workers) {
      out.sample({{"lcore", std::to_string(worker.lcore)}}, value(worker));
    }
  };
  each("weft_worker_packets_total", "counter", "Packets that a worker took from ports.",
       [](const auto& w) { return w.packets; });
  each("weft_worker_handed_off_packets_total", "counter",
       "Of those, packets that a worker gave to the workers of their flows.",
       [](const auto& w) { return w.handed_off; });
  each("weft_worker_taken_over_packets_total", "counter",
       "Packets that a worker was given by others, which took them from ports.",
       [](const auto& w) { return w.taken_over; });
  each("weft_worker_busy_cycles_total", "counter", "TSC cycles of turns that found packets.",
       [](const auto& w) { return w.busy_cycles; });
  each("weft_worker_cycles_total", "counter", "TSC cycles since the worker started.",
       [](const auto& w) { return w.total_cycles; });
  each("weft_worker_idle_ratio", "gauge",
       "Share of its time since the start that a worker found nothing to do.", [](const auto& w) {
         const auto total = static_cast<double>(w.total_cycles);
         return total == 0 ? 1.0 : 1 - static_cast<double>(w.busy_cycles) / total;
       });
  const auto stages = [&](std::string_view name, std::string_view help, auto value) {
    out.family(name, "counter", help);
    for (const auto& worker : counters.workers) {
      for (const auto& stage : worker.stages) {
        out.sample({{"lcore", std::to_string(worker.lcore)}, {"stage", std::string(stage.stage)}},
                   value(stage));
      }
    }
  };
  stages("weft_stage_cycles_total", "TSC cycles of a stage, in the bursts that were measured.",
         [](const auto& s) { return s.cycles; });
  stages("weft_stage_packets_total", "Packets of a stage, in the bursts that were measured.",
         [](const auto& s) { return s.packets; });
  each("weft_worker_loops_total", "counter", "Turns of a worker's loop.",
       [](const auto& w) { return w.loops; });
  each("weft_worker_sleeps_total", "counter", "Times that a worker went to sleep.",
       [](const auto& w) { return w.sleeps; });
  each("weft_worker_held_packets", "gauge", "Packets that wait for a neighbour.",
       [](const auto& w) { return std::uint64_t{w.held_packets}; });
}

void write_tables(MetricsText& out, Agent& agent) {
  const auto sizes = agent.plane().table_sizes();
  out.family("weft_table_objects", "gauge", "Objects in a table of the data plane.");
  out.sample({{"table", "route"}}, sizes.routes);
  out.sample({{"table", "nexthop"}}, sizes.nexthops);
  out.sample({{"table", "adjacency"}}, sizes.adjacencies);
  out.sample({{"table", "decap"}}, sizes.decaps);
  out.family("weft_table_deferred_objects", "gauge",
             "Objects that wait for the workers to pass a quiescent point before they are freed.");
  out.sample({}, sizes.deferred);
  out.family("weft_fib_memory_bytes", "gauge", "Memory that the FIBs take.");
  out.sample({}, sizes.fib_bytes);
  out.family("weft_vrf_routes", "gauge", "Prefixes that a VRF has a route for.");
  for (const auto& [name, vrf] : agent.model().vrfs) {
    out.sample({{"vrf", name}}, std::uint64_t{agent.model().ribs.at(vrf.id).slots().size()});
  }
  out.family("weft_neighbours", "gauge", "Neighbours of the underlay by state.");
  std::map<std::string_view, std::uint64_t> states;
  for (const auto state :
       {NeighbourState::incomplete, NeighbourState::reachable, NeighbourState::stale,
        NeighbourState::probe, NeighbourState::failed, NeighbourState::fixed}) {
    states[state_name(state)] = 0;
  }
  for (const auto& [key, entry] : agent.neighbours().entries()) ++states[state_name(entry.state)];
  for (const auto& [state, count] : states) out.sample({{"state", std::string(state)}}, count);
}

void write_flows(MetricsText& out, const ForwardingPlane& plane) {
  const FlowCounters families[] = {plane.flow_counters(IpFamily::v4),
                                   plane.flow_counters(IpFamily::v6)};
  const auto each = [&](std::string_view name, std::string_view type, std::string_view help,
                        std::uint64_t FlowCounters::*value) {
    out.family(name, type, help);
    out.sample({{"family", "ipv4"}}, families[0].*value);
    out.sample({{"family", "ipv6"}}, families[1].*value);
  };
  each("weft_flow_sessions", "gauge", "Sessions that there are.", &FlowCounters::sessions);
  each("weft_flow_capacity", "gauge", "Sessions that fit.", &FlowCounters::capacity);
  each("weft_flow_opened_total", "counter", "Sessions that were opened.", &FlowCounters::opened);
  each("weft_flow_expired_total", "counter", "Sessions that no packet came for in time.",
       &FlowCounters::expired);
  each("weft_flow_evicted_total", "counter", "Sessions that gave way to others.",
       &FlowCounters::evicted);
  each("weft_flow_cleared_total", "counter", "Sessions that the operator or a policy closed.",
       &FlowCounters::cleared);
  each("weft_flow_refused_total", "counter",
       "Packets that were forwarded without a session, since there was no room for one.",
       &FlowCounters::refused);
  each("weft_flow_memory_bytes", "gauge",
       "Memory that is set aside for sessions; it is taken as they are used.",
       &FlowCounters::memory_bytes);
  each("weft_flow_hugepage_bytes", "gauge", "Of this, what lies on hugepages that were set aside.",
       &FlowCounters::hugepage_bytes);
}

void write_handlers(MetricsText& out, const HandlerTimes& times) {
  out.family("weft_handler_duration_seconds", "histogram",
             "Time that the control thread's handlers take; none should take more than 5 ms.");
  for (const auto& [handler, histogram] : times.all()) {
    const std::string name(handler);
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
      below += histogram.counts[i];
      const auto bound = i < HandlerTimes::bounds_s.size()
                             ? fmt::format("{:g}", HandlerTimes::bounds_s[i])
                             : std::string("+Inf");
      out.sample({{"handler", name}, {"le", bound}}, static_cast<double>(below), "_bucket");
    }
    out.sample({{"handler", name}}, histogram.sum_s, "_sum");
    out.sample({{"handler", name}}, static_cast<double>(below), "_count");
  }
}

}  // namespace

void MetricsText::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  text_ += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
}

void MetricsText::start(const std::vector<Label>& labels, std::string_view suffix) {
  text_ += name_;
  text_ += suffix;
  for (const auto& label : labels) {
    text_ += fmt::format("{}{}=\"{}\"", &label == labels.data() ? "{" : ",", label.name,
                         escaped(label.value));
  }
  if (!labels.empty()) text_ += '}';
}

void MetricsText::sample(const std::vector<Label>& labels, double value, std::string_view suffix) {
  start(labels, suffix);
  text_ += fmt::format(" {}\n", value);
}

void MetricsText::sample(const std::vector<Label>& labels, std::uint64_t value) {
  start(labels, {});
  text_ += fmt::format(" {}\n", value);
}

http::Response metrics(Agent& agent) {
  MetricsText out;
  const auto counters = agent.counters();
  out.family("weft_build_info", "gauge", "The version, as a label.");
  out.sample({{"version", agent.process().version}}, std::uint64_t{1});
  out.family("process_start_time_seconds", "gauge", "Start of the process, in Unix time.");
  out.sample({}, agent.process().started_s);
  out.family("weft_generation", "gauge", "Changes of the data plane that were applied.");
  out.sample({}, std::uint64_t{agent.resolver().generation()});
  write_ports(out, agent, counters);
  write_tunnels(out, agent);
  out.family("weft_drop_packets_total", "counter", "Packets that were dropped, by reason.");
  for (std::size_t i = 1; i < drop_reason_count; ++i) {
    out.sample({{"reason", std::string(drop_reasons[i].name)},
                {"stage", std::string(drop_reasons[i].stage)}},
               counters.drops[i]);
  }
  out.family("weft_punt_packets_total", "counter", "Packets handed to the control thread.");
  for (std::size_t i = 0; i < punt_class_count; ++i) {
    out.sample({{"class", std::string(class_name(static_cast<PuntClass>(i)))}},
               counters.punts[i].accepted);
  }
  out.family("weft_punt_limited_packets_total", "counter",
             "Packets that were not handed to the control thread, since there were too many.");
  for (std::size_t i = 0; i < punt_class_count; ++i) {
    out.sample({{"class", std::string(class_name(static_cast<PuntClass>(i)))}},
               counters.punts[i].limited);
  }
  write_bfd(out, agent);
  write_channel(out, agent.channel());
  write_workers(out, counters);
  write_tables(out, agent);
  write_flows(out, agent.plane());
  write_handlers(out, agent.handler_times());
  return {200, "text/plain; version=0.0.4; charset=utf-8", std::move(out).take()};
}

http::Response health(Agent& agent) {
  const auto reasons = agent.ailments();
  const Json body{{"status", reasons.empty() ? "ok" : "failing"}, {"reasons", reasons}};
  return {reasons.empty() ? 200U : 503U, "application/json", body.dump() + "\n"};
}

}  // namespace weft::agent
