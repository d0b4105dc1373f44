// Every tunnel kind of the registry: its header from any bytes, each input tried as each kind's,
// and its own header back.
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
  const auto& protocols = Codec::ip_protocols;
  const std::uint8_t protocol = protocols[bytes.size() % protocols.size()];
  const tunnel::ParsedHeader header = tunnel::parse_any_header(Codec::kind, protocol, copy.get());
  if (header.reason != DropReason::none) return;
  fuzz::require(header.bytes <= bytes.size(), "a tunnel header lies inside the packet");
  fuzz::require(header.bytes > 0 || protocol != protocols.front(), "a tunnel header has bytes");
  Decap decap;
  decap.kind = Codec::kind;
  decap.labels = {16, 17};
  decap.options = {{0x0102, 0x80, {0, 0, 0, 1}}};
  (void)tunnel::refusal(decap, header, copy.get());
  // It said that these bytes are the header, so it needs no others.
  const test::ExactCopy exact(bytes.first(header.bytes));
  const tunnel::ParsedHeader again = tunnel::parse_any_header(Codec::kind, protocol, exact.get());
  fuzz::require(again.reason == DropReason::none && again.bytes == header.bytes &&
                    again.vni == header.vni && again.payload == header.payload,
                "a header alone reads as the header in its packet");
}

template <tunnel::TunnelCodec Codec>
void check_template(fuzz::Input input) {
  TunnelProfile profile;
  profile.kind = Codec::kind;
  const std::uint8_t flags = input.byte();
  const TunnelKindInfo& info = describe(Codec::kind);
  const bool v4 = (flags & 1) != 0 && !info.ipv6_only;
  profile.local = *parse_ip(v4 ? "192.0.2.1" : "2001:db8::1");
  profile.remote = *parse_ip(v4 ? "192.0.2.2" : "2001:db8::2");
  profile.zero_udp_checksum6 = (flags & 2) != 0;
  const std::uint32_t wanted = static_cast<std::uint32_t>(input.word()) << 16 | input.word();
  const std::uint64_t networks = std::uint64_t{info.most_network} - info.least_network + 1;
  profile.vni = static_cast<std::uint32_t>(info.least_network + wanted % networks);
  profile.payload = info.payload;
  if (info.any_payload && (flags & 4) != 0) profile.payload = TunnelPayload::ip;
  profile.ttl = input.byte();
  profile.dscp = input.byte() & 0x3f;
  if (Codec::kind == TunnelKind::srv6) profile.segments = {profile.remote.v6()};
  const auto made = tunnel::build_template(profile);
  fuzz::require(!made.bytes.overflown(), "a template fits");
  const std::size_t ip = Codec::carrier == tunnel::Carrier::ethernet ? 0 : v4 ? 20 : 40;
  const std::size_t outer =
      ip + (Codec::carrier == tunnel::Carrier::udp ? sizeof(wire::Udp) : std::size_t{0});
  std::vector<std::uint8_t> header(made.bytes.bytes().begin(), made.bytes.bytes().end());
  if (const auto slot = made.version_slot; slot.offset != 0) {
    header[slot.offset] = static_cast<std::uint8_t>(slot.ipv4 >> 8);
    header[slot.offset + 1U] = static_cast<std::uint8_t>(slot.ipv4);
  }
  header.erase(header.begin(), header.begin() + static_cast<std::ptrdiff_t>(outer));
  const test::ExactCopy copy(header);
  const auto own = tunnel::parse_any_header(Codec::kind, Codec::ip_protocols.front(), copy.get());
  fuzz::require(own.reason == DropReason::none && own.vni == profile.vni,
                "a kind reads its header");
}

template <class... Codec>
void check(std::tuple<Codec...>, std::uint8_t chosen, fuzz::Bytes bytes) {
  std::size_t at = 0;
  const auto one = [&]<class One>(One) {
    check_parse<One>(bytes);
    if (at++ == chosen % sizeof...(Codec)) check_template<One>(fuzz::Input(bytes));
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
