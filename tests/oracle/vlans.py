"""VLANs of ports (IEEE 802.1Q): which ports have some, how frames are tagged on the way, and which of them wrongly."""

import wire

MOST = 4094            # 0 says that a frame is in none, 4095 is reserved
SPOILED, PRIORITY = 0.04, 0.03


def give(random, ports):
    """Some of the ports, which are two at most, have a VLAN; both of one device two."""
    if random.random() < 0.25:
        return
    for port in ports:
        if random.random() < 0.85:
            port["vlan"] = random.choice((1, MOST, random.randint(1, MOST), random.randint(1, MOST)))
    if len(ports) == 2 and random.random() < 0.7:
        first, second = ports
        second.update(device=f"{first['device']}:{first['name']}", mtu=first["mtu"])
        vlan = first.get("vlan", 0)
        if second.get("vlan", 0) == vlan or random.random() < 0.5:
            second["vlan"] = near(random, vlan)


def near(random, vlan):
    """Another one, mostly by one bit."""
    return random.choice([v for v in (vlan ^ 1 << n for n in range(12)) if 1 <= v <= MOST])


def kind_of(device):
    return device.partition(":")[0]


def interface_of(port):
    """Where its device ends: two ports may have one, which is named by the first of them."""
    return port["device"].partition(":")[2] or port["name"]


def tagged(frame, vlan, control=0):
    """`control`: priority and whether it may be dropped first."""
    return frame[:12] + wire.VLAN.to_bytes(2, "big") + (control << 12 | vlan).to_bytes(2, "big") + frame[12:]


def untagged(frame):
    return frame[:12] + frame[16:]


def on_wire(random, ports, name, frame, spoiled=SPOILED):
    """(interface, frame) of a frame for a port or VIF as it comes to the router, now and then with a wrong tag."""
    port = next((p for p in ports if p["name"] == name), None)
    if port is None:
        return name, frame
    vlan, control = port.get("vlan", 0), random.choice((0, 0, random.randrange(16)))
    if random.random() < spoiled:
        vlan = random.choice((0, near(random, vlan), near(random, vlan), random.randrange(MOST + 2)))
    if vlan == 0 and random.random() >= (PRIORITY if spoiled else 0):
        return interface_of(port), frame
    return interface_of(port), tagged(frame, vlan, control)
