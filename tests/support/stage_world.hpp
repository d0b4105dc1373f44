#pragma once
/// The router that the packets of packets_vm.hpp and packets_fabric.hpp travel through: a fabric
/// port, VMs of two tenants with the same addresses, tunnels and decapsulations.

#include "support/small_world.hpp"

namespace weft::test::world {

inline constexpr VrfId underlay{0};
inline constexpr VrfId blue{1};
inline constexpr VrfId red{2};

inline constexpr PortId fabric{0};
inline constexpr PortId vm1{1};      ///< blue, 10.1.0.11 and fd00:1::11
inline constexpr PortId vm2{2};      ///< red, the same addresses
inline constexpr PortId vm3{3};      ///< blue, 10.1.0.13 and fd00:1::13
inline constexpr PortId vm4{4};      ///< blue, 10.1.0.14 …; may leave checksums unfinished
inline constexpr PortId trusted{5};  ///< blue, without anti-spoofing

inline constexpr AdjacencyId to_peer{0};
inline constexpr AdjacencyId to_vm1{1};
inline constexpr AdjacencyId to_vm2{2};
inline constexpr AdjacencyId to_vm3{3};
inline constexpr AdjacencyId to_vm4{4};
inline constexpr AdjacencyId to_silent{5};  ///< 192.0.2.77, which has not answered
inline constexpr AdjacencyId to_peer6{6};

inline constexpr NexthopId deliver_vm1{1};
inline constexpr NexthopId deliver_vm2{2};
inline constexpr NexthopId deliver_vm3{3};
inline constexpr NexthopId deliver_vm4{4};
inline constexpr NexthopId lookup_blue{10};
inline constexpr NexthopId lookup_red{11};
inline constexpr NexthopId lookup_underlay{12};
inline constexpr NexthopId tunnel4{20};       ///< VNI 100 to 192.0.2.2
inline constexpr NexthopId tunnel6{21};       ///< VNI 100 to 2001:db8::2, with UDP checksums
inline constexpr NexthopId tunnel6_zero{22};  ///< the same without
inline constexpr NexthopId tunnel_red{23};    ///< VNI 200 to 192.0.2.2
inline constexpr NexthopId tunnel_silent{24};
inline constexpr NexthopId tunnel_unresolved{25};
inline constexpr NexthopId receive{30};
inline constexpr NexthopId discard{31};
inline constexpr NexthopId glean{32};
inline constexpr NexthopId via_silent{33};
inline constexpr NexthopId via_peer{34};

inline constexpr DecapId decap_blue{1};
inline constexpr DecapId decap_red{2};
inline constexpr DecapId decap_vm1{3};
inline constexpr DecapId decap_blue6{4};
inline constexpr DecapId decap_unchecked6{5};
inline constexpr DecapId decap_nested{6};
inline constexpr DecapId decap_other_port{7};

/// All of it in one batch.
Batch batch();

}  // namespace weft::test::world
