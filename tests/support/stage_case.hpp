#pragma once
/// What the tests of the stages begin with: the rig, the world it stands in, packets and how to
/// change them.

#include "support/frame_edit.hpp"
#include "support/packets_fabric.hpp"
#include "support/packets_vm.hpp"
#include "support/pipeline_rig.hpp"
#include "support/stage_world.hpp"

namespace weft {

using test::Bytes;
using test::Exit;
using test::hex;
using test::ip;
using test::Outcome;
using test::prefix;
using test::Rig;
using test::tagged;
using test::to_hex;
using test::with;
using test::with16;
using test::with_ipv4;
using test::with_ipv4_checksum;
namespace at = test::at;
namespace world = test::world;

}  // namespace weft
