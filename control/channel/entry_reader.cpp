#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "channel/element_reader.hpp"
#include "channel/route_codec.hpp"
#include "channel/route_fields.hpp"

namespace weft::channel {
namespace {

using vpn::Attributes;
using vpn::Encapsulation;
using vpn::NextHop;
using vpn::Nlri;
using xmpp::Element;

constexpr std::uint32_t most_24_bits = 0xffffff;
/// Labels below are reserved (RFC 3032 §2.1).
constexpr std::uint32_t least_label = 16;
constexpr std::uint32_t most_label = 0xfffff;
constexpr std::size_t most_targets = 64;

class EntryReader {
 public:
  Result<RouteEntry> read(const Element& entry, vpn::RouteDistinguisher rd);

 private:
  Nlri read_nlri(const Element& entry, vpn::RouteDistinguisher rd);
  Nlri read_mac_ip(const Element& nlri, vpn::RouteDistinguisher rd);
  std::optional<IpAddress> read_address(std::string_view text, std::optional<std::uint32_t> afi,
                                        std::string_view where);
  std::optional<MacAddress> read_mac(const Element& parent);
  void read_short_next_hops(const Element& entry);
  void read_next_hop(const Element& next_hop);
  void read_encapsulations(const Element& list, vpn::EncapsulationList& into);
  void add_next_hop(NextHop hop);
  void read_mobility(const Element& entry);
  void read_security_groups(const Element& entry);
  void read_targets(const Element& entry);
  void read_load_balance(const Element& entry);

  ElementReader reader_;
  Attributes attributes_;
};

Result<RouteEntry> EntryReader::read(const Element& entry, vpn::RouteDistinguisher rd) {
  if (entry.name != "entry") reader_.wanted("item", entry.name, "an entry");
  const Nlri nlri = read_nlri(entry, rd);
  if (const Element* const list = reader_.child(entry, "next-hops")) {
    for (const Element& child : list->children) {
      if (child.name == "next-hop") read_next_hop(child);
    }
  } else {
    read_short_next_hops(entry);
  }
  if (attributes_.next_hops.empty()) reader_.missing("entry", "a next-hop");
  std::uint32_t version = 1;
  if (const Element* const element = reader_.child(entry, "version")) {
    const auto text = element->attribute("id").value_or(trimmed(element->text));
    version = static_cast<std::uint32_t>(
        reader_.number_in(text, "entry/version", 0, most_u32).value_or(0));
  }
  attributes_.virtual_network = reader_.name(entry, "virtual-network");
  attributes_.origin = reader_.name(entry, "origin");
  read_mobility(entry);
  read_security_groups(entry);
  read_targets(entry);
  attributes_.local_preference = reader_.number(entry, "local-preference", 0, most_u32)
                                     .value_or(vpn::default_local_preference);
  attributes_.med = reader_.number(entry, "med", 0, most_u32).value_or(0);
  read_load_balance(entry);
  if (reader_.failed()) return reader_.error();
  return RouteEntry{nlri, std::move(attributes_), version};
}

Nlri EntryReader::read_nlri(const Element& entry, vpn::RouteDistinguisher rd) {
  const Element* const nlri = reader_.child(entry, "nlri");
  if (nlri == nullptr) {
    reader_.missing("entry", "nlri");
    return {};
  }
  std::optional<std::uint32_t> afi;
  std::uint32_t safi = 1;
  std::string_view address = trimmed(nlri->text);
  if (const auto short_form = nlri->attribute("af")) {
    const auto read = reader_.number_in(*short_form, "nlri/af", 0, 0xffff);
    if (read) afi = static_cast<std::uint32_t>(*read);
    if (const auto text = nlri->attribute("safi")) {
      safi = static_cast<std::uint32_t>(reader_.number_in(*text, "nlri/safi", 0, 0xff).value_or(1));
    }
  } else {
    afi = reader_.number(*nlri, "af", 0, 0xffff);
    safi = reader_.number(*nlri, "safi", 0, 0xff).value_or(afi == vpn::evpn.afi ? 242 : 1);
    address = reader_.text(*nlri, "address").value_or("");
  }
  if (!afi) {
    reader_.missing("nlri", "af");
    return {};
  }
  if (!carries(*afi, safi)) {
    reader_.wanted("nlri/af", std::to_string(*afi) + "/" + std::to_string(safi), families);
    return {};
  }
  if (*afi == vpn::evpn.afi) return read_mac_ip(*nlri, rd);
  const auto prefix = parse_prefix(address);
  if (!prefix || prefix->address.is_v4() != (*afi == 1)) {
    reader_.wanted("nlri/address", address, *afi == 1 ? "an IPv4 prefix" : "an IPv6 prefix");
    return {};
  }
  return Nlri::unicast(rd, *prefix);
}

/// `0.0.0.0` and `::`, and no address at all, are a MAC alone. A prefix must be that of a host.
Nlri EntryReader::read_mac_ip(const Element& nlri, vpn::RouteDistinguisher rd) {
  const auto tag = reader_.number(nlri, "ethernet-tag", 0, most_u32).value_or(0);
  const auto mac = read_mac(nlri);
  if (!mac) {
    reader_.missing("nlri", "mac");
    return {};
  }
  const auto text = reader_.text(nlri, "address");
  if (!text) return Nlri::mac_ip(rd, tag, *mac);
  std::optional<IpAddress> address = parse_ip(*text);
  if (const auto prefix = parse_prefix(*text);
      prefix && prefix->length == prefix->address.width_bits()) {
    address = prefix->address;
  }
  if (!address) {
    reader_.wanted("nlri/address", *text, "an IP address");
    return {};
  }
  const bool none = *address == IpAddress(Ipv4Address{}) || *address == IpAddress(Ipv6Address{});
  return Nlri::mac_ip(rd, tag, *mac, none ? std::nullopt : address);
}

std::optional<MacAddress> EntryReader::read_mac(const Element& parent) {
  const auto text = reader_.text(parent, "mac");
  if (!text) return std::nullopt;
  const auto mac = parse_mac(*text);
  if (mac && !mac->multicast() && !mac->zero()) return mac;
  reader_.wanted(parent.name + "/mac", *text, "the MAC address of one station");
  return std::nullopt;
}

/// An address that tunnels can end at, of the family that is told, if any.
std::optional<IpAddress> EntryReader::read_address(std::string_view text,
                                                   std::optional<std::uint32_t> afi,
                                                   std::string_view where) {
  const auto address = parse_ip(text);
  if (!address || (afi && *afi != (address->is_v4() ? 1U : 2U))) {
    reader_.wanted(
        where, text,
        !afi ? "an IP address" : "an address of family " + std::to_string(*afi) + " (1 or 2)");
    return std::nullopt;
  }
  const auto usable = [](const Ipv6Address& a) {
    return !a.multicast() && !a.link_local() && !a.unspecified() && !a.loopback();
  };
  if (address->is_v4() ? address->v4().forwardable() : usable(address->v6())) return address;
  reader_.wanted(where, text, "an address that packets can be routed to");
  return std::nullopt;
}

/// draft-ietf-l3vpn-end-system: next hops and one label beside the NLRI.
void EntryReader::read_short_next_hops(const Element& entry) {
  const auto label = reader_.number(entry, "label", least_label, most_label);
  for (const Element& child : entry.children) {
    if (child.name != "next-hop") continue;
    std::optional<std::uint32_t> afi;
    if (const auto text = child.attribute("af")) {
      const auto read = reader_.number_in(*text, "next-hop/af", 1, 2);
      if (!read) return;
      afi = static_cast<std::uint32_t>(*read);
    }
    const auto address = read_address(trimmed(child.text), afi, "next-hop");
    if (address) add_next_hop({*address, {}, label, {}, {}});
  }
}

/// Label and VNI 0 mean none. Is every encapsulation one with a VNI, and only a label is told, then
/// the label is the VNI (RFC 8365 §5.1.3).
void EntryReader::read_next_hop(const Element& next_hop) {
  const auto afi = reader_.number(next_hop, "af", 1, 2);
  const auto text = reader_.text(next_hop, "address");
  if (!text) return reader_.missing("next-hop", "address");
  const auto address = read_address(*text, afi, "next-hop/address");
  if (!address) return;
  NextHop hop{*address, read_mac(next_hop), {}, {}, {}};
  if (const Element* const list = reader_.child(next_hop, "tunnel-encapsulation-list")) {
    read_encapsulations(*list, hop.encapsulations);
  }
  hop.vni = reader_.number(next_hop, "vni", 0, most_24_bits);
  if (hop.vni == 0U) hop.vni.reset();
  const bool all_by_vni =
      !hop.encapsulations.empty() && std::ranges::all_of(hop.encapsulations, [](Encapsulation e) {
        return describe(e).network == vpn::NetworkField::vni;
      });
  const auto label =
      reader_.number(next_hop, "label", 0, all_by_vni && !hop.vni ? most_24_bits : most_label);
  if (label.value_or(0) != 0) {
    if (all_by_vni && !hop.vni) {
      hop.vni = label;
    } else if (*label < least_label) {
      reader_.wanted("next-hop/label", std::to_string(*label),
                     "a label that is not reserved (16 or more)");
    } else {
      hop.label = label;
    }
  }
  add_next_hop(hop);
}

/// Names that are not known are left out; when none is known, nothing can be sent there.
void EntryReader::read_encapsulations(const Element& list, vpn::EncapsulationList& into) {
  std::string_view unknown;
  for (const Element& child : list.children) {
    if (child.name != "tunnel-encapsulation") continue;
    const auto name = trimmed(child.text);
    if (const auto encapsulation = vpn::parse_encapsulation(name)) {
      into.add(*encapsulation);
    } else {
      unknown = name;
    }
  }
  if (into.empty() && !unknown.empty()) {
    reader_.wanted("next-hop/tunnel-encapsulation-list", unknown, "one that is known");
  }
}

/// With what each encapsulation needs; those that lack it are left out.
void EntryReader::add_next_hop(NextHop hop) {
  if (hop.encapsulations.empty()) {
    hop.encapsulations.add(hop.label || !hop.vni ? Encapsulation::gre : Encapsulation::vxlan);
  }
  vpn::EncapsulationList complete;
  for (const Encapsulation encapsulation : hop.encapsulations) {
    const auto network = describe(encapsulation).network;
    if ((network == vpn::NetworkField::label && !hop.label) ||
        (network == vpn::NetworkField::vni && !hop.vni)) {
      continue;
    }
    complete.add(encapsulation);
  }
  if (complete.empty()) {
    return reader_.missing("next-hop " + to_string(hop.address),
                           describe(*hop.encapsulations.begin()).network == vpn::NetworkField::vni
                               ? "its vni"
                               : "its label");
  }
  hop.encapsulations = complete;
  auto& hops = attributes_.next_hops;
  if (std::ranges::find(hops, hop) != hops.end()) return;
  if (hops.size() == vpn::most_next_hops) {
    return reader_.wanted("next-hops", to_string(hop.address),
                          "no more than " + std::to_string(vpn::most_next_hops));
  }
  hops.push_back(hop);
}

/// `sequence-number` is what older systems write; 0 there says nothing.
void EntryReader::read_mobility(const Element& entry) {
  const auto sequence = reader_.number(entry, "sequence-number", 0, most_u32);
  if (sequence.value_or(0) != 0) attributes_.mobility = vpn::Mobility{*sequence, false};
  const Element* const mobility = reader_.child(entry, "mobility");
  if (mobility == nullptr) return;
  const auto number =
      reader_.number_in(mobility->attribute("seqno").value_or("0"), "mobility/seqno", 0, most_u32);
  const auto sticky = mobility->attribute("sticky").value_or("false");
  if (sticky != "true" && sticky != "false") {
    reader_.wanted("mobility/sticky", sticky, "true or false");
  }
  attributes_.mobility =
      vpn::Mobility{static_cast<std::uint32_t>(number.value_or(0)), sticky == "true"};
}

void EntryReader::read_security_groups(const Element& entry) {
  const Element* const list = reader_.child(entry, "security-group-list");
  if (list == nullptr) return;
  std::vector<std::string> groups;
  for (const Element& child : list->children) {
    if (child.name != "security-group") continue;
    const std::string name = reader_.name_in(trimmed(child.text), "security-group");
    if (std::ranges::find(groups, name) != groups.end()) {
      return reader_.wanted("security-group", name, "each only once");
    }
    if (groups.size() == most_security_groups) {
      return reader_.wanted("security-group-list", name,
                            "no more than " + std::to_string(most_security_groups));
    }
    groups.push_back(name);
  }
  attributes_.security_groups = std::move(groups);
}

void EntryReader::read_targets(const Element& entry) {
  const Element* const list = reader_.child(entry, "route-target-list");
  if (list == nullptr) return;
  std::vector<vpn::RouteTarget> targets;
  for (const Element& child : list->children) {
    if (child.name != "route-target") continue;
    const auto text = trimmed(child.text);
    const auto target = vpn::parse_route_target(text);
    if (!target || targets.size() == most_targets) {
      return reader_.wanted("route-target", text,
                            target ? "no more than " + std::to_string(most_targets)
                                   : "a target like target:64512:100");
    }
    targets.push_back(*target);
  }
  attributes_.targets = std::move(targets);
}

void EntryReader::read_load_balance(const Element& entry) {
  const Element* const balance = reader_.child(entry, "load-balance");
  if (balance == nullptr) return;
  const Element* const fields = reader_.child(*balance, "load-balance-fields");
  if (fields == nullptr) return;
  for (const Element& child : fields->children) {
    if (child.name != "load-balance-field-list") continue;
    const auto known = std::ranges::find(balance_fields, trimmed(child.text), &BalanceField::name);
    if (known != balance_fields.end()) attributes_.load_balance.*known->field = true;
  }
}

}  // namespace

Result<RouteEntry> parse_entry(const Element& entry, vpn::RouteDistinguisher rd) {
  return EntryReader().read(entry, rd);
}

}  // namespace weft::channel
