#include <optional>

#include "channel/element_reader.hpp"
#include "channel/route_codec.hpp"
#include "channel/route_fields.hpp"
#include "vpn/number.hpp"

namespace weft::channel {

using vpn::Nlri;

/// `10.1.0.0/24`, `0-02:00:00:00:01:01`, `0-02:00:00:00:01:01,10.1.0.11` (also with `/32`).
std::optional<Nlri> parse_nlri(std::string_view text, vpn::RouteDistinguisher rd) {
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) {
    const auto prefix = parse_prefix(text);
    if (!prefix) return std::nullopt;
    return Nlri::unicast(rd, *prefix);
  }
  const auto tag = vpn::parse_number(text.substr(0, dash), most_u32);
  const std::string_view rest = text.substr(dash + 1);
  const auto comma = rest.find(',');
  const auto mac = parse_mac(rest.substr(0, comma));
  if (!tag || !mac) return std::nullopt;
  if (comma == std::string_view::npos) {
    return Nlri::mac_ip(rd, static_cast<std::uint32_t>(*tag), *mac);
  }
  const std::string_view address = rest.substr(comma + 1);
  auto ip = parse_ip(address);
  if (const auto prefix = parse_prefix(address);
      prefix && prefix->length == prefix->address.width_bits()) {
    ip = prefix->address;
  }
  if (!ip) return std::nullopt;
  return Nlri::mac_ip(rd, static_cast<std::uint32_t>(*tag), *mac, ip);
}

std::string route_name(std::string_view network, const Nlri& nlri) {
  const vpn::Family family = nlri.family();
  return std::to_string(family.afi) + "/" + std::to_string(family.safi) + "/" +
         std::string(network) + "/" + to_string(nlri);
}

Result<RouteName> parse_route_name(std::string_view text, vpn::RouteDistinguisher rd) {
  const Error wrong{"\"" + std::string(text.substr(0, 64)) +
                    "\": AFI/SAFI/NETWORK/PREFIX was wanted"};
  const auto first = text.find('/');
  const auto second = first == std::string_view::npos ? first : text.find('/', first + 1);
  if (second == std::string_view::npos) return wrong;
  const auto afi = vpn::parse_number(text.substr(0, first), 0xffff);
  const auto safi = vpn::parse_number(text.substr(first + 1, second - first - 1), 0xff);
  if (!afi || !safi || !carries(*afi, *safi)) {
    return wrong;
  }
  // Networks' names may have slashes, too, so the end is found from the back.
  const std::string_view rest = text.substr(second + 1);
  const auto last = rest.rfind('/');
  if (last == std::string_view::npos || last == 0) return wrong;
  const bool has_length = rest.find_first_not_of("0123456789", last + 1) == std::string_view::npos;
  const auto slash = has_length ? rest.rfind('/', last - 1) : last;
  if (slash == std::string_view::npos || !is_word(rest.substr(0, slash), most_name_bytes)) {
    return wrong;
  }
  const auto nlri = parse_nlri(rest.substr(slash + 1), rd);
  if (!nlri || nlri->family().afi != *afi) return wrong;
  return RouteName{std::string(rest.substr(0, slash)), *nlri};
}

std::string peer_route_name(std::string_view node, std::string_view network, const Nlri& nlri) {
  return std::string(node) + "/" + route_name(network, nlri);
}

/// Names of nodes, being the local part of an address, have no slash (RFC 7622 §3.3.1).
Result<PeerRouteName> parse_peer_route_name(std::string_view text) {
  const auto slash = text.find('/');
  const auto node = text.substr(0, slash);
  if (slash == std::string_view::npos || !is_word(node, most_name_bytes)) {
    return Error{"\"" + std::string(text.substr(0, 64)) +
                 "\": NODE/AFI/SAFI/NETWORK/PREFIX was wanted"};
  }
  auto route = parse_route_name(text.substr(slash + 1), {});
  if (!route) return route.error();
  return PeerRouteName{std::string(node), *std::move(route)};
}

xmpp::Element peer_member_element() { return {"member", std::string(peer_members_node)}; }

std::string peer_member_name(const PeerMember& member) {
  return member.node + "/" + member.network;
}

Result<PeerMember> parse_peer_member_name(std::string_view text) {
  const auto slash = text.find('/');
  const auto node = text.substr(0, slash);
  const auto network = slash == std::string_view::npos ? "" : text.substr(slash + 1);
  if (!is_word(node, most_name_bytes) || !is_word(network, most_name_bytes)) {
    return Error{"\"" + std::string(text.substr(0, 64)) + "\": NODE/NETWORK was wanted"};
  }
  return PeerMember{std::string(node), std::string(network)};
}

}  // namespace weft::channel
