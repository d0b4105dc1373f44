#pragma once
/// What reading and writing routes have in common.

#include <array>
#include <cstdint>
#include <string_view>

#include "vpn/attributes.hpp"
#include "vpn/nlri.hpp"

namespace weft::channel {

inline constexpr std::uint32_t most_u32 = 0xffffffff;

struct BalanceField {
  std::string_view name;
  bool vpn::LoadBalance::*field;
};
inline constexpr std::array balance_fields{
    BalanceField{"l3-source-address", &vpn::LoadBalance::source_address},
    BalanceField{"l3-destination-address", &vpn::LoadBalance::destination_address},
    BalanceField{"l4-protocol", &vpn::LoadBalance::protocol},
    BalanceField{"l4-source-port", &vpn::LoadBalance::source_port},
    BalanceField{"l4-destination-port", &vpn::LoadBalance::destination_port},
};

inline constexpr std::string_view families = "1/1, 1/4, 2/1, 2/4 or 25/242";
/// Whether routes of that family ride on the channel. Of EVPN, BGP's number is understood, too.
constexpr bool carries(std::uint64_t afi, std::uint64_t safi) {
  if (afi == vpn::evpn.afi) return safi == vpn::evpn.safi || safi == 70;
  return (afi == 1 || afi == 2) && (safi == 1 || safi == 4);
}

}  // namespace weft::channel
