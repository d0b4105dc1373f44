"""What a router must do with a frame: slow, obvious, and written from documents alone.

README.md, drop_reason.hpp, RFC 791, 792, 1812, 4443, 8200, and those of the tunnels (kinds.py). A packet that breaks
several rules at once may be dropped for any of them; one that breaks a single rule has a single reason.
"""

from dataclasses import replace

import answers
import kinds
import segments
import sizes
from faults import ip4_faults, ip6_faults, is_fragment4, trimmed, unfinished, unforwardable
from identity import identity
from sessions import Crossing, Sessions
from tables import UNDERLAY, Tables
from tunnels import ecn_inside, encapsulate, relay, takes, traffic_class, with_class
from verdict import Unknown, Verdict, Where
from vlans import tagged, untagged
from wire import (ARP, DONT_FRAGMENT, ETHERNET, ETHERNET_BYTES, EXTENSIONS, FRAGMENT, GRE, IPV4, IPV6, ROUTING, UDP,
                  VLAN, addresses, checksum, covers, ethernet, flow, fragment_protocol, ones_sum, pseudo, upper)

SERVICE_VLAN = 0x88A8   # IEEE 802.1ad
TAGGED_BYTES = 18   # of the header with a tag
LEAST_TAGGED = 20   # bytes of a frame whose tag Linux can take off (skb_vlan_untag)


def _ip_inside(tunnel):
    """The IP packet in a tunnel, with whatever is behind it; None: there is none, or not its whole header."""
    inside, data = tunnel.inside, tunnel.data
    if inside == ETHERNET:
        inside, data = int.from_bytes(data[12:14], "big"), data[ETHERNET_BYTES:]
    wanted = {IPV4: (4, 20), IPV6: (6, 40)}.get(inside)
    return data if wanted and data and data[0] >> 4 == wanted[0] and len(data) >= wanted[1] else None


class Oracle:
    """One router. `config` is weft.yaml as a dict; change it and call `changed`."""

    def __init__(self, config, port_macs):
        self.config = config
        self.port_macs = port_macs
        self.sessions = None
        self.changed()

    def changed(self):
        self.tables = Tables(self.config, self.port_macs)
        if self.sessions is None:
            self.sessions = Sessions(self.tables)
        self.sessions.changed(self.tables, self._way_now)
        # By UDP port, any of those that share it; None: some kind of GRE
        self.kinds = {d.port: d.kind for d in self.tables.decaps if d.sources and not d.behaviour}
        self.sids = {d.local: d for d in self.tables.decaps if d.behaviour}
        self.on_ethernet = {d.kind for d in self.tables.decaps if kinds.KINDS[d.kind].ethertype}

    def process(self, name, frame):
        verdict = Verdict()
        try:
            if name in self.tables.interfaces():
                self._at_device(verdict, [p for p in self.tables.ports.values() if p.interface == name], frame)
            else:
                vif = self.tables.vifs[name]
                mac = self.tables.vrfs[vif.vrf].mac
                self._ethernet(verdict, Where("vif", vif, vif.vrf, mac, vif.mtu), frame)
        except Unknown as why:
            verdict.unknown = str(why)
        for sent in (verdict.out, verdict.maybe):
            sent[:] = [self._leaving(s) for s in sent]
        return verdict

    def _leaving(self, sent):
        """What is sent by a port as it leaves its device."""
        port = self.tables.ports.get(sent.interface)
        if port is None:
            return sent
        ways = [(way.interface, tagged(frame, way.vlan) if way.vlan else frame)
                for way, frame in ((self.tables.ports[name], frame) for name, frame in sent.ways)]
        return replace(sent, interface=ways[0][0], frame=ways[0][1], others=tuple(ways[1:]))

    def learn(self, verdict):
        """The frame of this verdict has been sent: those after it may depend on it."""
        if verdict.crossing is not None:
            self.sessions.learn(verdict.crossing, verdict.admitted)
        elif verdict.lost:
            self.sessions.missed(*verdict.lost)

    def touches(self, verdict):
        """Of which conversations and datagrams the verdict depends, or what it changes: see Sessions.touches."""
        return self.sessions.touches(verdict.crossing) if verdict.crossing is not None else []

    def _at_device(self, verdict, ports, frame):
        """A frame goes to the port of its VLAN (IEEE 802.1Q); one without a tag, or whose tag names none, to the port
        that has none."""
        kernel = ports[0].device == "af_packet"
        if kernel and is_fragment4(frame):
            raise Unknown("the kernel joins IPv4 fragments before af_packet shows them")
        kind = int.from_bytes(frame[12:14], "big")
        if kernel and kind in (VLAN, SERVICE_VLAN) and len(frame) < LEAST_TAGGED:
            raise Unknown("a VLAN tag with nothing behind it, which the kernel cannot take off")
        if kernel and kind == SERVICE_VLAN:
            raise Unknown("a tag of another kind, which DPDK's af_packet driver does not tell apart")
        vlan = int.from_bytes(frame[14:16], "big") & 0xFFF if kind == VLAN and len(frame) >= TAGGED_BYTES else 0
        port = next((p for p in ports if p.vlan == vlan), None)
        if port is None:
            stray = frame[:6] != ports[0].mac and not frame[0] & 1
            return verdict.drop("vlan_unknown" if vlan else "vlan_missing", *["l2_destination_unknown"] * stray)
        where = Where("port", port, UNDERLAY, port.mac, port.mtu, kernel, outer=(port.name,))
        return self._ethernet(verdict, where, untagged(frame) if vlan else frame)

    def _ethernet(self, verdict, where, frame):
        """A frame from a port, a VIF or a tunnel."""
        if len(frame) < ETHERNET_BYTES:
            return verdict.drop("frame_truncated")
        destination, source = frame[:6], frame[6:12]
        ethertype = int.from_bytes(frame[12:14], "big")
        where = where.at(destination, source)
        data = frame[ETHERNET_BYTES:]
        group = bool(destination[0] & 1)
        faults = set()
        if destination != where.mac and not group:
            faults.add("inner_mac_unknown" if where.kind == "tunnel" else "l2_destination_unknown")
        if where.kind == "vif" and where.device.strict and source != where.device.mac:
            faults.add("spoofed_mac")
        if ethertype == VLAN and where.kind == "port":
            return self._behind_tag(verdict, where, frame, faults)
        if kinds.ON_ETHERNET.get(ethertype) in self.on_ethernet and where.kind == "port":
            return self._decap_frame(verdict, where, kinds.ON_ETHERNET[ethertype], data, faults, group)
        if ethertype not in (IPV4, IPV6, ARP):
            return verdict.drop("ethertype_unsupported", *faults)
        if ethertype == ARP:
            if faults:
                return verdict.drop(*faults)
            return answers.arp(self.tables, verdict, where, data)
        return self._ip(verdict, where, ethertype, data, faults, group)

    def _behind_tag(self, verdict, where, frame, faults):
        """A tag that is not the port's: it may carry but a priority, and there may be one."""
        if len(frame) < TAGGED_BYTES:
            return verdict.drop("frame_truncated", *faults)
        if int.from_bytes(frame[14:16], "big") & 0xFFF:
            return verdict.drop("vlan_unknown", *faults)
        if frame[16:18] == VLAN.to_bytes(2, "big"):
            return verdict.drop("ethertype_unsupported", *faults)
        return self._ethernet(verdict, where, untagged(frame))

    def _ip(self, verdict, where, ethertype, data, faults, group):
        faults |= (ip4_faults if ethertype == IPV4 else ip6_faults)(data)
        if group and faults:
            faults.add("ip_destination_unsupported")
        if "frame_truncated" in faults:
            return verdict.drop(*faults)
        packet = trimmed(ethertype, data) if not faults else data
        if where.kind == "tunnel":
            inner = traffic_class(packet)
            ecn = ecn_inside(where.outer_class & 3, inner & 3)
            if ecn is None:
                faults.add("outer_ce_inner_not_ect")
            elif not faults:
                packet = with_class(packet, (where.outer_class if where.device.copy_dscp else inner) & 0xFC | ecn)
        source, destination = addresses(packet) if packet[0] >> 4 in (4, 6) and len(packet) >= 20 else (b"", b"")
        if len(source) != len(destination) or len(source) != (4 if ethertype == IPV4 else 16):
            return verdict.drop(*faults)
        if ethertype == IPV6 and not faults and answers.is_neighbour_message(packet):
            return answers.nd(self.tables, verdict, where, packet)
        if where.kind == "vif" and where.device.strict and source not in where.device.addresses:
            faults.add("spoofed_ip")
        if unforwardable(source):
            faults.add("ip_source_invalid")
        if unforwardable(destination) or group:
            faults.add("ip_destination_unsupported")
        if where.kernel and faults <= {"ip_destination_unsupported"} and unfinished(packet):
            if where.kind != "port" or not self._is_tunnel(packet, where):
                faults.add("checksum_unfinished")
        if faults:
            return verdict.drop(*faults)
        if where.kind == "port" and self.sids and self._is_local(destination):
            visit = self._visit(packet)
            if visit is not None:
                return self._at_segment(verdict, where, packet, visit)
        if where.kind == "port" and self._is_tunnel(packet, where):
            return self._decap(verdict, where, packet)
        return self._forward(verdict, where, packet)

    # --- tunnels --------------------------------------------------------------------------------

    def _is_local(self, address):
        entry, _ = self.tables.walk(UNDERLAY, address)
        return entry not in (None, "loop") and entry.kind == "receive"

    def _is_tunnel(self, packet, where):
        protocol, at, _, fragment = upper(packet)
        if fragment:
            protocol = fragment_protocol(packet)
        if protocol not in (UDP, GRE) or not self._is_local(addresses(packet)[1]):
            return False
        if protocol == GRE:
            return None in self.kinds and (fragment or self._is_claimed(packet[at:]))
        if fragment:
            return True
        return len(packet) >= at + 8 and int.from_bytes(packet[at + 2:at + 4], "big") in self.kinds

    def _visit(self, packet):
        """How a packet to one of our addresses visits a segment; None: it is none of SRv6."""
        six, (protocol, _, _, fragment) = packet[0] >> 4 == 6, upper(packet)
        if six and fragment and fragment_protocol(packet) in (*segments.INSIDE, ROUTING):
            return segments.Visit({"outer_fragment"}, whole=False)
        if not six and protocol in (*segments.INSIDE, ROUTING):
            raise Unknown("IP in IPv4, which is no SRv6")
        return segments.opened(packet) if six else None

    def _at_segment(self, verdict, where, packet, visit):
        """RFC 8986 §4."""
        source, sid = addresses(packet)
        if not visit.whole:
            return verdict.drop(*visit.faults)
        decap = self.sids.get(sid)
        if decap is None:
            return verdict.drop("decap_unknown_vni", "srv6_segments_left", "local_unsupported", "punt_local_limited",
                                *visit.faults)
        faults = segments.refusal(decap.behaviour, visit)
        if not any(covers(net, source) for net in decap.sources):
            faults.add("decap_source_unlisted")
        if faults:
            return verdict.drop(*faults)
        if decap.behaviour not in segments.PASS_ON:
            tunnel = kinds.Opened("srv6", inside=visit.inside, data=visit.data)
            return self._let_in(verdict, where, decap, tunnel, (*where.outer, *flow(packet)), traffic_class(packet))
        verdict.decap = decap.name
        if packet[7] <= 1:   # S05 to S08, before anything changes
            return self._error(verdict, where, packet, "ttl_expired", "expired")
        if unforwardable(visit.following) or self._is_local(visit.following):
            raise Unknown("a segment behind which there is none, or another one of ours")
        packet = segments.passed_on(packet, visit)
        if decap.behaviour == "End":
            return self._forward(verdict, where, packet)
        port, mac = self.tables.port_of(decap.gateway), self.tables.neighbours[decap.gateway]
        for piece in self._fitting(verdict, where, packet, (None, port.mtu)):
            verdict.send(interface=port.name, frame=self._frame(mac, port.mac, piece))
        return None

    def _is_claimed(self, header):
        """Whether some decap is for GRE of this kind: with labels, with a key, with neither."""
        tunnel = kinds.opened("gre", header)
        return len(header) < kinds.GRE_BYTES or any(
            d.kind == tunnel.kind and (d.kind != "gre" or (d.network is not None) == tunnel.keyed)
            for d in self.tables.decaps)

    def _decap(self, verdict, where, packet):
        source, destination = addresses(packet)
        protocol, at, _, fragment = upper(packet)
        if fragment:
            return verdict.drop("outer_fragment")
        faults, port, unsummed = set(), None, False
        if protocol == UDP:
            port, length, check = (int.from_bytes(packet[n:n + 2], "big") for n in (at + 2, at + 4, at + 6))
            if length != len(packet) - at:
                faults.add("outer_udp_length")
            if check and ones_sum(pseudo(source, destination, UDP, len(packet) - at) + packet[at:]) != 0xFFFF:
                faults.add("outer_udp_checksum")
                if where.kernel and unfinished(packet):
                    faults.add("checksum_unfinished")
            unsummed = not check and len(source) == 16
            at += 8
        tunnel = kinds.opened(self.kinds[port], packet[at:])
        faults |= tunnel.faults
        if protocol == GRE and len(packet) < at + kinds.GRE_BYTES:   # of whatever kind it is
            faults |= {"local_unsupported", "punt_local_limited"}
        if not tunnel.whole:
            return verdict.drop(*faults)
        found = self._decaps_of(tunnel, port, destination, faults)
        if (tunnel.kind, port) not in [(d.kind, d.port) for d in self.tables.decaps]:   # but one that shares the port
            faults.add("tunnel_payload_unsupported")
        if found and not any(covers(net, source) for d in found for net in d.sources):
            faults.add("decap_source_unlisted")
        if unsummed and not (found and all(d.zero_checksum6 for d in found)):
            faults.add("outer_udp_checksum_missing")
        if faults:
            return verdict.drop(*faults)
        return self._let_in(verdict, where, found[0], tunnel, (*where.outer, *flow(packet)), traffic_class(packet))

    def _decap_frame(self, verdict, where, kind, data, faults, group):
        """What a frame holds of a kind that needs no IP."""
        if faults or group:   # such frames are of no tunnel
            return verdict.drop("ethertype_unsupported", "l2_destination_unknown", *faults)
        tunnel = kinds.opened(kind, data)
        if not tunnel.whole:
            return verdict.drop(*tunnel.faults)
        faults = set(tunnel.faults)
        found = self._decaps_of(tunnel, None, None, faults)
        if faults:
            return verdict.drop(*faults)
        return self._let_in(verdict, where, found[0], tunnel, where.outer, 0)

    def _decaps_of(self, tunnel, port, destination, faults):
        """Those that take the packet, or would if something else stood in front; what is wrong goes to the faults."""
        alike = [d for d in self.tables.decaps if (d.kind, d.port, d.local) == (tunnel.kind, port, destination) and
                 kinds.last(d.kind, d.network) == kinds.last(tunnel.kind, tunnel.network)]
        found = [d for d in alike if d.network == tunnel.network]
        labels = kinds.KINDS[tunnel.kind].has_labels
        if not alike or not found and not labels:
            faults.add("decap_unknown_vni")
        if not found and labels and (alike or len(tunnel.network) > 1):
            faults.add("label_unexpected")
        return found or alike

    def _let_in(self, verdict, where, decap, tunnel, outer, outer_class):
        """`outer`, `outer_class`: port, and flow and traffic class of the outer IP header, 0 where there is none."""
        verdict.decap, verdict.mark = decap.name, decap.mark_of(tunnel.bits)
        if decap.tunnel:
            return self._relay(verdict, decap, tunnel, outer, outer_class)
        inside = Where("tunnel", decap, decap.vrf, self.tables.vrfs[decap.vrf].mac, where.mtu, where.kernel,
                       outer=outer, outer_class=outer_class, bare=tunnel.inside != ETHERNET)
        if not inside.bare:
            return self._ethernet(verdict, inside, tunnel.data)
        return self._ip(verdict, inside, tunnel.inside, tunnel.data, set(), False)

    def _relay(self, verdict, decap, tunnel, outer, outer_class):
        """On to the next forwarder of a service path (RFC 8300 §2.2)."""
        packet, service = _ip_inside(tunnel), tunnel.service
        if packet is not None:
            inner = traffic_class(packet)
            ecn = ecn_inside(outer_class & 3, inner & 3)
            now = (outer_class if decap.copy_dscp else inner) & 0xFC | (ecn or 0)
            faults = (ip4_faults if packet[0] >> 4 == 4 else ip6_faults)(packet)
            if faults and (ecn is None or now != inner):
                raise Unknown("what outer headers tell a broken packet with NSH")
            if ecn is None:
                return verdict.drop("outer_ce_inner_not_ect")
            if not faults:
                verdict.flow = flow(packet)
                if packet[0] >> 4 == 6 and packet[6] in EXTENSIONS | {FRAGMENT}:   # it need not look behind these
                    verdict.flow = ()
                verdict.path = outer, verdict.flow, b""
                packet = with_class(packet, now)
            service = service[:len(service) - len(packet)] + packet
        target = self.tables.tunnels[decap.tunnel]
        way = self.tables.underlay_way(target.remote)
        if way is None:
            return verdict.drop("tunnel_unresolved")
        if not takes(target, way, len(service)):
            return verdict.drop("too_big")
        return verdict.send(**relay(self.tables, target, kinds.next_forwarder(service), packet))

    # --- routing --------------------------------------------------------------------------------

    def _forward(self, verdict, where, packet):
        destination = addresses(packet)[1]
        verdict.flow = flow(packet)
        _, at, _, fragment = upper(packet)
        has_ports = bool(verdict.flow[3])
        verdict.path = where.outer, verdict.flow, b"" if has_ports else packet[at:at + 8]
        verdict.lost = where.vrf, identity(packet)
        if where.kind == "tunnel" and where.device.vif:
            return self._to_vif(verdict, where, packet, self.tables.vifs[where.device.vif])
        entry, vrf = self.tables.walk(where.vrf, destination)
        if entry == "loop":
            return verdict.drop("lookup_loop")
        if entry is None or entry.kind == "discard":
            reason = "discard_route" if entry else "no_route"
            return self._error(verdict, where, packet, reason, "unreachable")
        if entry.kind == "receive":
            return answers.local(self, verdict, where, packet)
        if entry.kind == "vif":
            return self._to_vif(verdict, where, packet, self.tables.vifs[entry.target])
        if entry.kind == "tunnel":
            return self._to_tunnel(verdict, where, packet, self.tables.tunnels[entry.target], vrf)
        way = self.tables.next_hop(entry, destination)
        if not self._admitted(verdict, where, ("port", ""), vrf):
            return
        for piece in self._fitting(verdict, where, packet, (None, way.mtu), way.takes(len(packet))):
            verdict.send(**way.frames(IPV4 if piece[0] >> 4 == 4 else IPV6, piece))

    def _admitted(self, verdict, where, target, vrf):
        """Whether policies let it through; `vrf`: where answers come in."""
        origin = ("vif", where.device.name) if where.kind == "vif" else (where.kind, "")
        direct = where.kind == "tunnel" and where.device.vif is not None
        verdict.crossing = Crossing(verdict.lost[1], where.vrf, origin, vrf, target, direct)
        reason = self.sessions.judge(verdict.crossing)
        verdict.admitted = reason is None
        if reason:
            verdict.drop(reason)
        return verdict.admitted

    def _way_now(self, crossing):
        """(VRF, target) where routes lead with a packet that went this way once; target None where to nothing."""
        entry, vrf = self.tables.walk(crossing.vrf, crossing.packet.destination)
        kind = entry.kind if entry not in (None, "loop") else ""
        if kind == "vif":
            return self.tables.vifs[entry.target].vrf, ("vif", entry.target)
        return vrf, {"tunnel": ("tunnel", ""), "gateway": ("port", ""), "connected": ("port", "")}.get(kind)

    def _to_vif(self, verdict, where, packet, vif):
        if not self._admitted(verdict, where, ("vif", vif.name), vif.vrf):
            return
        mac = self.tables.vrfs[vif.vrf].mac
        for piece in self._fitting(verdict, where, packet, (vif.mss_clamp, vif.mtu)):
            verdict.send(interface=vif.name, frame=self._frame(vif.mac, mac, piece))

    def _to_tunnel(self, verdict, where, packet, tunnel, vrf):
        way = self.tables.underlay_way(tunnel.remote)
        if way is None:
            self._error(verdict, where, packet, "tunnel_unresolved", "host")
            return
        if not self._admitted(verdict, where, ("tunnel", ""), vrf):
            return
        fits = takes(tunnel, way, len(packet))
        for piece in self._fitting(verdict, where, packet, (tunnel.mss_clamp, way.mtu - tunnel.overhead), fits):
            inner = self._frame(tunnel.inner_mac, self.tables.vrfs[vrf].mac, piece)
            verdict.send(**encapsulate(self.tables, tunnel, inner))

    @staticmethod
    def _frame(destination, source, packet):
        return ethernet(destination, source, IPV4 if packet[0] >> 4 == 4 else IPV6, packet)

    @staticmethod
    def aged(packet):
        """One less to live, with the header's checksum made anew."""
        if packet[0] >> 4 == 6:
            return packet[:7] + bytes([packet[7] - 1]) + packet[8:]
        header = (packet[0] & 15) * 4
        head = packet[:8] + bytes([packet[8] - 1, packet[9], 0, 0]) + packet[12:header]
        return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + packet[header:]

    def _fitting(self, verdict, where, packet, way, fits=None):
        """The packet as it goes on, in pieces where it must; [] for what has lived too long or cannot fit. `way`: see
        sizes.lowered; `fits`: where its MTU does not say."""
        reasons = set()
        v6, mtu = packet[0] >> 4 == 6, way[1]
        fits = len(packet) <= mtu if fits is None else fits
        if packet[7 if v6 else 8] <= 1:
            reasons.add("ttl_expired")
        if not fits and (v6 or int.from_bytes(packet[6:8], "big") & DONT_FRAGMENT):
            reasons.add("too_big")
        if "ttl_expired" in reasons:
            self._error(verdict, where, packet, "ttl_expired", "expired")
        if "too_big" in reasons:
            self._error(verdict, where, packet, "too_big", "too_big", mtu)
        if reasons:
            verdict.drop(*reasons)
            return []
        packet = sizes.lowered(self.aged(packet), [way, *self._ways_back(where, packet)])
        made = [packet] if fits else sizes.pieces4(packet, mtu)
        if not made:
            verdict.drop("too_big_fragmentable")
        return made

    def _ways_back(self, where, packet):
        """(clamp, MTU) of the way to the packet's sender, where there is one that leads out."""
        if where.kind == "vif":
            return [(where.device.mss_clamp, where.mtu)]
        vrf = self.tables.vifs[where.device.vif].vrf if where.kind == "tunnel" and where.device.vif else where.vrf
        source = addresses(packet)[0]
        entry = self.tables.vrfs[vrf].longest(source)
        if entry is None or entry.kind not in ("vif", "tunnel", "gateway", "connected"):
            return []
        if entry.kind in ("gateway", "connected"):
            known = entry.kind == "gateway" or source in self.tables.neighbours
            return [(None, self.tables.next_hop(entry, source).mtu)] if known else []
        clamp = (self.tables.vifs if entry.kind == "vif" else self.tables.tunnels)[entry.target].mss_clamp
        mtu = self.tables.way_mtu(entry, source)
        return [(clamp, mtu)] if mtu else []

    def _error(self, verdict, where, packet, reason, kind, mtu=0):
        verdict.drop(reason)
        message = answers.error(self.tables, where, packet, kind, mtu)
        if message is not None:
            self.originate(verdict, where, message, kind)

    def _fits(self, entry, destination, size):
        """Whether a packet of that size may go that way as it is."""
        if entry.kind == "vif":
            return size <= self.tables.vifs[entry.target].mtu
        if entry.kind == "tunnel":
            tunnel = self.tables.tunnels[entry.target]
            way = self.tables.underlay_way(tunnel.remote)
            return way is None or takes(tunnel, way, size)
        return self.tables.next_hop(entry, destination).takes(size)

    def originate(self, verdict, where, packet, what):
        """A packet of the router's own goes back into the VRF from which came what it answers, as limits allow."""
        entry, vrf = self.tables.walk(where.vrf, addresses(packet)[1])
        if entry == "loop":
            return verdict.may_drop("lookup_loop")
        if entry is None or entry.kind == "discard":
            return verdict.may_drop("discard_route" if entry else "no_route")
        if entry.kind == "receive":
            return verdict.may_drop("local_unsupported", "punt_local_limited")
        mtu = self.tables.way_mtu(entry, addresses(packet)[1])
        if not self._fits(entry, addresses(packet)[1], len(packet)):
            if packet[0] >> 4 == 6:
                return verdict.may_drop("too_big")
            for piece in sizes.pieces4(packet, mtu):
                self._send_own(verdict, entry, vrf, piece, what)
            return None
        return self._send_own(verdict, entry, vrf, packet, what)

    def _send_own(self, verdict, entry, vrf, packet, what):
        """A packet of the router's own leaves, and fits."""
        if entry.kind == "vif":
            vif = self.tables.vifs[entry.target]
            frame = self._frame(vif.mac, self.tables.vrfs[vif.vrf].mac, packet)
            return verdict.may_send(what, interface=vif.name, frame=frame)
        if entry.kind == "tunnel":
            tunnel = self.tables.tunnels[entry.target]
            done = encapsulate(self.tables, tunnel, self._frame(tunnel.inner_mac, self.tables.vrfs[vrf].mac, packet))
            if done is None:
                return verdict.may_drop("tunnel_unresolved")
            return verdict.may_send(what, **done)
        way = self.tables.next_hop(entry, addresses(packet)[1])
        return verdict.may_send(what, **way.frames(IPV4 if packet[0] >> 4 == 4 else IPV6, packet))
