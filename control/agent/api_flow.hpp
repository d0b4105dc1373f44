#pragma once
/// Sessions for the operator. There may be millions: they are looked at in slices, between which
/// the control thread does what else there is to do, and the answer comes when all were seen.

#include <variant>

#include "agent/api_json.hpp"
#include "http/server.hpp"

namespace weft::agent::api {

using FlowReply = std::variant<http::Response, Failure>;

/// GET /v1/flow: those that match, the first or the largest `limit` of them.
FlowReply show_flows(Agent& agent, const Query& query);
/// DELETE /v1/flow: closes those that match, or with `all` every one.
FlowReply clear_flows(Agent& agent, const Json& body);

}  // namespace weft::agent::api
