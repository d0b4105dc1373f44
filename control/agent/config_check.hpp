#pragma once
/// What the sections of `weft.yaml` say about each other: references, duplicates, families.

#include "agent/config_draft.hpp"

namespace weft::agent {

/// Reports contradictions, and fills in what one section takes from another: the tunnels' and
/// decaps' `local`, the port of a neighbour.
void check(ConfigDraft& draft);

/// The part of check() that is about devices: each has one owner, or ports that VLANs tell apart.
void check_devices(const ConfigDraft& draft);

}  // namespace weft::agent
