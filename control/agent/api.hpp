#pragma once
/// The local API: what weftctl and `curl --unix-socket` reach. JSON over HTTP, on the control
/// thread; no answer takes longer than a bounded number of rows.
///
///     GET  /v1/{port,vif,vrf,route,nexthop,tunnel,decap,neighbour,security-group,policy,drops,
///               stats,workers,stages,observers}
///     POST, PUT, DELETE /v1/{vrf,vif,tunnel,decap,route,neighbour,security-group}
///                        of what brings rules the answer comes when they are in force
///     GET, DELETE /v1/flow   sessions; DELETE closes those that match
///     POST /v1/explain  /v1/reload
///     POST /v1/trace     the answer grows: one JSON object a line, the last one has "end"
///     POST /v1/capture   the answer grows: pcapng
///     GET  /metrics  /healthz
///
/// POST creates an object and refuses one that is there; PUT creates it or changes what is given;
/// the bodies are objects of `weft.yaml`.
///
/// A table is {"title", "columns": […], "rows": [{…}]}, and "truncated": true when there is more;
/// of sessions also "matched", how many there are, and a "note" of what is left out. A change
/// answers {"message", "generation"}; a refusal {"error"} with status 400 (not understood), 404 (no
/// such thing), 405 (wrong method) or 409 (contradicts what is there).

#include "agent/agent.hpp"
#include "http/server.hpp"

namespace weft::agent {

class Api {
 public:
  explicit Api(Agent& agent) : agent_(agent) {}
  http::Response handle(const http::Request& request);

 private:
  Agent& agent_;
};

}  // namespace weft::agent
