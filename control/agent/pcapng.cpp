#include "agent/pcapng.hpp"

#include <cstring>

namespace weft::agent::pcapng {
namespace {

// Block types and option codes of the draft, sections 4 and 3.5.
constexpr std::uint32_t section_header_block = 0x0a0d0d0a;
constexpr std::uint32_t interface_description_block = 1;
constexpr std::uint32_t interface_statistics_block = 5;
constexpr std::uint32_t enhanced_packet_block = 6;
constexpr std::uint16_t opt_endofopt = 0;
constexpr std::uint16_t opt_comment = 1;
constexpr std::uint16_t shb_userappl = 4;
constexpr std::uint16_t if_name = 2;
constexpr std::uint16_t if_tsresol = 9;
constexpr std::uint16_t epb_flags = 2;
constexpr std::uint16_t isb_ifrecv = 4;
constexpr std::uint16_t isb_ifdrop = 5;
constexpr std::uint16_t linktype_ethernet = 1;
constexpr std::uint8_t nanoseconds = 9;

class Block {
 public:
  explicit Block(std::uint32_t type) {
    put(type);
    put(std::uint32_t{0});
  }
  template <class T>
  void put(T value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void put_padded(const void* data, std::size_t bytes) {
    out_.append(static_cast<const char*>(data), bytes);
    out_.append((4 - bytes % 4) % 4, '\0');
  }
  void option(std::uint16_t code, const void* data, std::size_t bytes) {
    put(code);
    put(static_cast<std::uint16_t>(bytes));
    put_padded(data, bytes);
    options_ = true;
  }
  void option(std::uint16_t code, std::string_view text) {
    constexpr std::size_t longest = 65535;
    if (!text.empty()) option(code, text.data(), std::min(text.size(), longest));
  }
  std::string finish() && {
    if (options_) {
      put(opt_endofopt);
      put(std::uint16_t{0});
    }
    const auto bytes = static_cast<std::uint32_t>(out_.size() + sizeof(std::uint32_t));
    std::memcpy(&out_[sizeof(std::uint32_t)], &bytes, sizeof bytes);
    put(bytes);
    return std::move(out_);
  }

 private:
  std::string out_;
  bool options_ = false;
};

void put_time(Block& block, std::uint64_t time_ns) {
  block.put(static_cast<std::uint32_t>(time_ns >> 32));
  block.put(static_cast<std::uint32_t>(time_ns));
}

}  // namespace

std::string section_header(std::string_view application) {
  Block block(section_header_block);
  block.put(std::uint32_t{0x1a2b3c4d});
  block.put(std::uint16_t{1});
  block.put(std::uint16_t{0});
  block.put(~std::uint64_t{0});  // the section's length is not known
  block.option(shb_userappl, application);
  return std::move(block).finish();
}

std::string interface_description(std::string_view name, std::uint32_t snap_bytes) {
  Block block(interface_description_block);
  block.put(linktype_ethernet);
  block.put(std::uint16_t{0});
  block.put(snap_bytes);
  block.option(if_name, name);
  block.option(if_tsresol, &nanoseconds, sizeof nanoseconds);
  return std::move(block).finish();
}

std::string enhanced_packet(const Packet& packet) {
  Block block(enhanced_packet_block);
  block.put(packet.interface);
  put_time(block, packet.time_ns);
  block.put(static_cast<std::uint32_t>(packet.bytes.size()));
  block.put(packet.packet_bytes);
  block.put_padded(packet.bytes.data(), packet.bytes.size());
  if (packet.direction != Direction::unknown) {
    block.option(epb_flags, &packet.direction, sizeof packet.direction);
  }
  block.option(opt_comment, packet.comment);
  return std::move(block).finish();
}

std::string interface_statistics(std::uint32_t interface, std::uint64_t time_ns,
                                 std::uint64_t received, std::uint64_t dropped,
                                 std::string_view comment) {
  Block block(interface_statistics_block);
  block.put(interface);
  put_time(block, time_ns);
  block.option(isb_ifrecv, &received, sizeof received);
  block.option(isb_ifdrop, &dropped, sizeof dropped);
  block.option(opt_comment, comment);
  return std::move(block).finish();
}

std::optional<std::uint32_t> block_bytes(std::string_view bytes) {
  std::uint32_t size = 0;
  if (bytes.size() < 2 * sizeof size) return std::nullopt;
  std::memcpy(&size, &bytes[sizeof size], sizeof size);
  return size;
}

}  // namespace weft::agent::pcapng
