// Every tunnel kind of the registry: its header from any bytes, and its own header back.
#include "fuzz/fuzz.hpp"
#include "support/exact_copy.hpp"
#include "tunnel/header_template.hpp"
#include "tunnel/registry.hpp"
#include "wire/udp.hpp"

using namespace weft;

namespace {

template <tunnel::TunnelCodec Codec>
void check_parse(fuzz::Bytes bytes) {
  const test::ExactCopy copy(bytes);
  const tunnel::ParsedHeader header = Codec::parse(copy.get());
  if (header.reason != DropReason::none) return;
  fuzz::require(header.bytes <= bytes.size(), "a tunnel header lies inside the packet");
  fuzz::require(header.bytes > 0, "a tunnel header has bytes");
  // It said that these bytes are the header, so it needs no others.
  const test::ExactCopy exact(bytes.first(header.bytes));
  const tunnel::ParsedHeader again = Codec::parse(exact.get());
  fuzz::require(again.reason == DropReason::none && again.bytes == header.bytes &&
                    again.vni == header.vni && again.payload == header.payload,
                "a header alone reads as the header in its packet");
}

template <tunnel::TunnelCodec Codec>
void check_template(fuzz::Input input) {
  TunnelProfile profile;
  profile.kind = Codec::kind;
  const std::uint8_t flags = input.byte();
  const bool v4 = (flags & 1) != 0;
  profile.local = *parse_ip(v4 ? "192.0.2.1" : "2001:db8::1");
  profile.remote = *parse_ip(v4 ? "192.0.2.2" : "2001:db8::2");
  profile.zero_udp_checksum6 = (flags & 2) != 0;
  const TunnelKindInfo& info = describe(Codec::kind);
  const std::uint32_t wanted = static_cast<std::uint32_t>(input.word()) << 16 | input.word();
  const std::uint64_t networks = std::uint64_t{info.most_network} - info.least_network + 1;
  profile.vni = static_cast<std::uint32_t>(info.least_network + wanted % networks);
  profile.payload = info.payload;
  if (info.any_payload && (flags & 4) != 0) profile.payload = TunnelPayload::ip;
  profile.ttl = input.byte();
  profile.dscp = input.byte() & 0x3f;
  const auto made = tunnel::build_template(profile);
  fuzz::require(!made.bytes.overflown(), "a template fits");
  const std::size_t outer =
      (v4 ? 20U : 40U) + (Codec::carrier == tunnel::Carrier::udp ? sizeof(wire::Udp) : 0U);
  const auto own = tunnel::parse_header(Codec::kind, made.bytes.bytes().subspan(outer));
  fuzz::require(own.reason == DropReason::none && own.vni == profile.vni,
                "a kind reads its header");
}

template <class... Codec>
void check(std::tuple<Codec...>, std::uint8_t chosen, fuzz::Bytes bytes) {
  std::size_t at = 0;
  const auto one = [&]<class One>(One) {
    if (at++ != chosen % sizeof...(Codec)) return;
    check_parse<One>(bytes);
    check_template<One>(fuzz::Input(bytes));
  };
  (one(Codec{}), ...);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input({data, size});
  const std::uint8_t chosen = input.byte();
  check(tunnel::Kinds{}, chosen, input.rest());
  return 0;
}
