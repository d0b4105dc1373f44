// Which port of a device a frame is for, whether a driver has taken its tag off or not, and that it
// can be made again as it was.
#include "fuzz/fuzz.hpp"
#include "io/vlan.hpp"

#include <array>
#include <vector>

using namespace weft;

namespace {

constexpr std::array<io::VlanPort, 3> ports{{{1, 0}, {0, 1}, {0xabc, 2}}};

/// In a buffer that ends where it ends, and begins where a tag would.
struct Frame {
  Frame(const std::uint8_t* data, std::size_t size, std::size_t headroom)
      : buffer(headroom + size) {
    std::copy_n(data, size, buffer.begin() + static_cast<std::ptrdiff_t>(headroom));
    mbuf.buf_addr = buffer.data();
    mbuf.buf_len = static_cast<std::uint16_t>(buffer.size());
    mbuf.data_off = static_cast<std::uint16_t>(headroom);
    mbuf.nb_segs = 1;
    mbuf.data_len = static_cast<std::uint16_t>(size);
    mbuf.pkt_len = mbuf.data_len;
  }
  [[nodiscard]] std::vector<std::uint8_t> bytes() const {
    const auto begin = buffer.begin() + mbuf.data_off;
    return {begin, begin + mbuf.data_len};
  }
  std::vector<std::uint8_t> buffer;
  rte_mbuf mbuf{};
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3 || size > 2000) return 0;
  const bool stripped = (data[0] & 1) != 0;
  const auto control = static_cast<std::uint16_t>(data[1] << 8 | data[2]);
  Frame frame(data + 3, size - 3, stripped ? 4 : 0);
  if (stripped) {
    frame.mbuf.vlan_tci = control;
    frame.mbuf.ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
  }
  std::vector<std::uint8_t> on_wire(data + 3, data + size);
  if (stripped && on_wire.size() >= 12) {
    const std::uint8_t tag[] = {0x81, 0, data[1], data[2]};
    on_wire.insert(on_wire.begin() + 12, std::begin(tag), std::end(tag));
  }
  const bool tagged = (stripped && size - 3 >= 12) ||
                      (on_wire.size() >= 18 && on_wire[12] == 0x81 && on_wire[13] == 0);
  const unsigned vlan = tagged ? (on_wire[14] & 0xfU) << 8 | on_wire[15] : 0;

  const io::Sorted sorted = io::sort_frame(ports, &frame.mbuf);
  const bool known = vlan == 0 || vlan == 1 || vlan == 0xabc;
  fuzz::require((sorted.port != nullptr) == known, "a port for its VLAN, and for no other");
  fuzz::require(sorted.port == nullptr || sorted.port->vlan == vlan, "the port of its VLAN");
  fuzz::require(sorted.port != nullptr || sorted.reason == DropReason::vlan_unknown, "the reason");
  fuzz::require(vlan == 0 || !known || frame.bytes().size() + 4 == on_wire.size(),
                "without its tag");
  {
    const io::AsOnWire whole(&frame.mbuf);
    fuzz::require(frame.bytes() == on_wire, "as it was on the wire");
  }
  return 0;
}
