"""Random security groups: rules, members, VIFs in them, and changes of all that."""

import copy

from deviations import OPEN
from policies import listed

NAMES = ("web", "db", "admin", "tag", "any", "nobody")   # tag has no rules, nobody is in the last
NETS4 = ("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/24", "10.1.0.0/29", "10.1.0.0/28", "10.2.0.0/16", "10.2.3.4/30",
         "172.16.0.0/12", "128.0.0.0/1", "0.0.0.0/1")
NETS6 = ("::/0", "fd00::/8", "fd00:1::/64", "fd00:1::/125", "fd00:2::/48", "2000::/3")
PORTS = (53, 80, 443, 22, 9, 4789, "1-79", "50-60", "80-80", "54-79", "1000-2000", "0-65535", "0-1023", "32768-65535")
SOURCE_PORTS = ("1000-1003", "1-32767", 1004, "1005-65535", "0-999", "0-65535")
PROTOCOLS = ("tcp", "udp", "sctp", "icmp", "icmpv6", 6, 17, 132, 1, 58)
PROTOCOLS += () if "protocol-numbers" in OPEN else (2, 47, 50, 89, 0, 255)
TYPES = {"icmp": (8, 8, 3, 3, 11, 0, 13), "icmpv6": (128, 128, 1, 3, 129)}


def _some(random, choices, most):
    return random.sample(choices, random.randint(1, min(most, len(choices))))


def _ends(random, config, names):
    """Who a rule is for: prefixes and addresses, some of them of VIFs, and groups."""
    vifs = [a for v in config["vifs"] for a in v["addresses"]]
    found = []
    for _ in range(random.choice((1, 1, 2, 3))):
        kind = random.random()
        if kind < 0.2:
            end = random.choice(vifs)
            end += f"/{128 if ':' in end else 32}" if random.random() < 0.5 else ""
        elif kind < 0.55:
            end = random.choice(NETS4 + NETS6)
        else:
            end = f"group:{random.choice(names)}"
        if end not in found:
            found.append(end)
    return found


def _rule(random, config, names, direction):
    rule = {}
    if random.random() < 0.3:
        rule["action"] = random.choice(("deny", "deny", "deny", "allow"))
    if random.random() < 0.7:
        rule["protocol"] = random.choice(PROTOCOLS[:5] if random.random() < 0.7 else PROTOCOLS)
    if rule.get("protocol") in PROTOCOLS[:3] + (6, 17, 132) and random.random() < 0.6:
        rule["ports"] = _some(random, PORTS, 3) if random.random() < 0.8 else ["0-65535"]
    if rule.get("protocol") in PROTOCOLS[:3] and random.random() < 0.15:
        rule["source_ports"] = _some(random, SOURCE_PORTS, 2)
    if rule.get("protocol") in TYPES and random.random() < 0.7:
        rule["icmp_type"] = random.choice(TYPES[rule["protocol"]])
        if random.random() < 0.5:
            rule["icmp_code"] = random.choice((0, 0, 1, 3))
    for key, towards in (("from", "ingress"), ("to", "egress")):
        if random.random() < (0.5 if towards == direction else 0.15):
            rule[key] = _ends(random, config, names)
    for key in ("from", "to", "ports", "source_ports"):
        if len(rule.get(key, ())) == 1 and random.random() < 0.5:
            rule[key] = rule[key][0]   # one, or a list
    return rule


def _rules(random, config, names, direction):
    rules = [_rule(random, config, names, direction) for _ in range(random.choice((0, 1, 2, 3, 5, 8)))]
    if random.random() < 0.35:
        rules.append({})   # the rest
    return rules


def _members(random, config):
    vifs = [a for v in config["vifs"] for a in v["addresses"]]
    return sorted(set(_some(random, NETS4[2:] + NETS6[2:] + tuple(vifs), 3)))


def _group(name, random, config, names):
    group = {"name": name}
    if random.random() < 0.3 and name != "nobody":
        group["members"] = _members(random, config)
    for direction in ("ingress", "egress"):
        if name != "tag" and random.random() < 0.7:
            group[direction] = _rules(random, config, names, direction)
    return group


def _mine(random, config):
    """Groups that somebody is in, in an order that counts."""
    names = [g["name"] for g in config["security_groups"] if g["name"] != "nobody"]
    return random.sample(names, min(len(names), random.choice((0, 0, 1, 1, 1, 1, 2, 2, 3))))


def add_groups(random, config):
    """Security groups, and who is in them."""
    names = random.sample(NAMES, random.randint(1, len(NAMES)))
    config["security_groups"] = [_group(name, random, config, names) for name in names]
    for vrf in config["vrfs"]:
        if random.random() < 0.6:
            vrf["security_groups"] = _mine(random, config)
    for vif in config["vifs"]:
        if random.random() < 0.6:
            vif["security_groups"] = _mine(random, config)
        if random.random() < 0.12:
            vif["flows"] = False


# --- changes ----------------------------------------------------------------------------------------

# Each returns what changed: a VRF, a VIF or a group, and words about it. `keep`: no key goes.

def _change_owner(random, config, keep):
    owner = random.choice(config["vrfs"] + config["vifs"] * 2)
    if random.random() < 0.25 and "security_groups" in owner and not keep:
        del owner["security_groups"]
    else:
        owner["security_groups"] = _mine(random, config)
    return owner, f"{owner['name']}: {owner.get('security_groups', 'no groups of its own')}"


def _change_members(random, config, keep):
    group = random.choice([g for g in config["security_groups"] if g["name"] != "nobody"] or config["security_groups"])
    if "members" in group and random.random() < 0.4 and not keep:
        del group["members"]
    else:
        group["members"] = _members(random, config)
    return group, f"{group['name']}: members {group.get('members')}"


def _change_rules(random, config, keep):
    names = [g["name"] for g in config["security_groups"]]
    group, direction = random.choice(config["security_groups"]), random.choice(("ingress", "egress"))
    rules = group.setdefault(direction, [])
    kind = random.random()
    if kind < 0.12 and not keep:
        del group[direction]
    elif kind < 0.3 or not rules:
        rules.insert(random.randint(0, len(rules)), _rule(random, config, names, direction))
    elif kind < 0.45:
        del rules[random.randrange(len(rules))]
    elif kind < 0.6:
        random.shuffle(rules)
    elif kind < 0.8:
        rule = random.choice(rules)
        rule["action"] = "allow" if rule.get("action") == "deny" else "deny"
    else:
        group[direction] = _rules(random, config, names, direction)
    return group, f"{group['name']}: {direction} {group.get(direction)}"


def remembered(config):
    """A function that sets groups, and who is in them, to what they are now."""
    owners = config["vrfs"] + config["vifs"]
    groups = copy.deepcopy(config["security_groups"])
    mine = [list(o["security_groups"]) if "security_groups" in o else None for o in owners]

    def restore():
        config["security_groups"] = groups
        for owner, names in zip(owners, mine):
            owner.pop("security_groups", None)
            if names is not None:
                owner["security_groups"] = names
    return restore


def _spoken(rule):
    """A rule as weftctl takes it."""
    words = [rule.get("action", "allow")]
    for key, word in (("protocol", ""), ("icmp_type", "type"), ("icmp_code", "code"), ("from", "from"), ("to", "to"),
                      ("ports", "port"), ("source_ports", "source-port")):
        if key in rule:
            words += [word, ",".join(map(str, listed(rule[key])))]
    return " ".join(filter(None, words))


def _command(config, changed):
    """The arguments of weftctl that say what the changed thing is now."""
    if changed not in config["security_groups"]:
        kind = "vif" if changed in config["vifs"] else "vrf"
        names = changed.get("security_groups", [])
        words = [word for name in names for word in ("--security-group", name)]
        return [kind, "set", changed["name"], *(words or ["--no-security-groups"])]
    words = ["security-group", "set", changed["name"]]
    for direction in ("ingress", "egress"):
        if direction in changed:
            rules = [_spoken(rule) for rule in changed[direction]] or ["none"]
            words += [word for rule in rules for word in (f"--{direction}", rule)]
    return words + [word for member in changed.get("members", []) for word in ("--member", member)]


def change_groups(random, config, by_api):
    """Changes something about groups; says by which arguments of weftctl, by a reload unless `by_api`, and what."""
    change = random.choices((_change_owner, _change_members, _change_rules), (4, 1, 6))[0]
    changed, what = change(random, config, by_api)
    return (_command(config, changed), "") if by_api else (["reload"], what)
