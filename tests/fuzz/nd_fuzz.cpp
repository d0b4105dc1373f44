// Neighbour discovery: the options, and the whole message as control reads it.
#include "agent/neighbour_message.hpp"
#include "fuzz/fuzz.hpp"
#include "fuzz/repair.hpp"
#include "support/exact_copy.hpp"
#include "wire/nd.hpp"

using namespace weft;

namespace {

void check_options(fuzz::Bytes options) {
  for (const std::uint8_t type : {wire::LinkLayerOption::source, wire::LinkLayerOption::target}) {
    bool valid = false;
    const auto found = wire::find_link_layer_option(options, type, valid);
    std::size_t at = 0;
    bool seen = false;
    while (at + 2 <= options.size() && options[at + 1] != 0) {
      seen = seen || options[at] == type;
      at += options[at + 1] * std::size_t{8};
    }
    fuzz::require(valid == (at == options.size()), "options fill the message");
    fuzz::require(found.has_value() == (valid && seen), "find_link_layer_option");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input({data, size});
  const bool repair = (input.byte() & 1) != 0;
  const test::ExactCopy copy(input.rest());
  const auto bytes = copy.get();
  if (repair) fuzz::repair_ip(bytes);
  check_options(bytes);
  const auto [nd, error] = agent::parse_nd(bytes);
  if (!nd) return 0;
  fuzz::require(!nd->source.is_v4() && !nd->target.is_v4(), "ND is for IPv6");
  fuzz::require(!nd->target.v6().multicast(), "a target is one host");

  const MacAddress mac{{2, 0, 0, 0, 0, 1}};
  const auto frame = agent::build_nd(*nd, mac, mac);
  const auto again = agent::parse_nd(agent::Bytes(frame).subspan(14)).message;
  fuzz::require(again && again->solicitation == nd->solicitation && again->source == nd->source &&
                    again->destination == nd->destination && again->target == nd->target &&
                    again->link_layer == nd->link_layer && again->router == nd->router &&
                    again->solicited == nd->solicited &&
                    again->override_cache == nd->override_cache,
                "parse_nd of build_nd");
  if (!nd->solicitation) return 0;
  const auto answer = agent::nd_advertisement(*nd, mac, nd->link_layer.value_or(mac));
  const auto read = agent::parse_nd(agent::Bytes(answer).subspan(14)).message;
  fuzz::require(read && !read->solicitation && read->link_layer == mac, "an answer is good ND");
  return 0;
}
