// BFD: datagrams as they arrive, and what a session does whatever it hears.
#include <algorithm>
#include <cstring>

#include "bfd/datagram.hpp"
#include "bfd/session.hpp"
#include "fuzz/fuzz.hpp"
#include "fuzz/repair.hpp"
#include "support/exact_copy.hpp"

using namespace weft;

namespace {

void check_datagram(fuzz::Bytes bytes) {
  const bool v4 = bytes.size() >= 20 && bytes[0] >> 4 == 4;
  const bool v6 = bytes.size() >= 40 && bytes[0] >> 4 == 6;
  if (!v4 && !v6) return;
  const auto heard = bfd::read_datagram(bytes);
  fuzz::require((heard.packet == nullptr) == (heard.reason != DropReason::none), "a reason");
  if (heard.packet == nullptr) return;
  fuzz::require(bytes[v4 ? 8 : 7] == 255, "only from this link");
  const auto made = bfd::write_datagram(heard.source, heard.destination, 50000, *heard.packet);
  const auto again = bfd::read_datagram(made.bytes());
  const bool same = heard.packet->length == sizeof(wire::Bfd);
  fuzz::require(!same || (again.packet != nullptr && again.source == heard.source &&
                          std::memcmp(again.packet, heard.packet, sizeof(wire::Bfd)) == 0),
                "read_datagram of write_datagram");
}

/// Packets and pauses in turn: what is sent is always sound, and the clock is always asked again.
void check_session(fuzz::Input& input) {
  const BfdSettings settings{.interval_ms = 10U + input.byte(),
                             .multiplier = static_cast<std::uint8_t>(1 + input.byte() % 255)};
  bfd::Session session(settings, 7, input.byte(), 0);
  bfd::Time now = 0;
  while (!input.rest().empty()) {
    now += (std::uint64_t{input.byte()} << (input.byte() % 32)) + 1;
    wire::Bfd heard;
    auto* const raw = reinterpret_cast<std::uint8_t*>(&heard);
    for (std::size_t i = 0; i < sizeof heard; ++i) raw[i] = input.byte();
    if (const auto* sound = wire::read_bfd({raw, sizeof heard})) session.receive(*sound, now);
    for (unsigned ticks = 0; ticks < 4; ++ticks) {
      const auto send = session.tick(now);
      if (!send) break;
      fuzz::require(wire::read_bfd({reinterpret_cast<const std::uint8_t*>(&*send), sizeof *send}) !=
                            nullptr ||
                        send->your_discriminator.get() == 0,
                    "what it sends is sound");
      fuzz::require(!send->has(wire::Bfd::poll) || !send->has(wire::Bfd::final), "P or F");
    }
    const auto status = session.status();
    fuzz::require(status.transmit_us >= settings.interval_ms * 1000, "not sooner than it wants");
    fuzz::require(session.due() != bfd::never, "it is asked again");
    now = std::max(now, std::min(session.due(), now + 10'000'000'000));
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input({data, size});
  const unsigned how = input.byte();
  if ((how & 2) != 0) {
    check_session(input);
    return 0;
  }
  const test::ExactCopy copy(input.rest());
  const auto bytes = copy.get();
  if ((how & 1) != 0) fuzz::repair_ip(bytes);
  check_datagram(bytes);
  return 0;
}
