#include "vpn/route_target.hpp"

#include "vpn/number.hpp"

namespace weft::vpn {
namespace {

constexpr std::uint64_t low48 = (1ULL << 48) - 1;
constexpr std::string_view target_prefix = "target:";

std::optional<AdministratorType> administrator_type(std::uint64_t number) {
  if (number > static_cast<std::uint64_t>(AdministratorType::as4)) return std::nullopt;
  return static_cast<AdministratorType>(number);
}

}  // namespace

std::uint64_t Administered::packed() const {
  const unsigned number_bits = type == AdministratorType::as2 ? 32 : 16;
  return (static_cast<std::uint64_t>(administrator) << number_bits | number) & low48;
}

Administered Administered::unpack(AdministratorType type, std::uint64_t packed) {
  const unsigned number_bits = type == AdministratorType::as2 ? 32 : 16;
  return {type, static_cast<std::uint32_t>((packed & low48) >> number_bits),
          static_cast<std::uint32_t>(packed & ((1ULL << number_bits) - 1))};
}

std::string to_string(const Administered& value) {
  std::string text = value.type == AdministratorType::ipv4
                         ? to_string(IpAddress(Ipv4Address{value.administrator}))
                         : std::to_string(value.administrator);
  if (value.type == AdministratorType::as4 && value.administrator <= 0xffff) text += 'L';
  return text + ":" + std::to_string(value.number);
}

std::optional<Administered> parse_administered(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view who = text.substr(0, colon);
  Administered value;
  if (who.find('.') != std::string_view::npos) {
    const auto address = parse_ip(who);
    if (!address || !address->is_v4()) return std::nullopt;
    value = {AdministratorType::ipv4, address->v4().value, 0};
  } else {
    const bool marked = who.ends_with('L');
    if (marked) who.remove_suffix(1);
    const auto as = parse_number(who, 0xffffffff);
    if (!as) return std::nullopt;
    value = {marked || *as > 0xffff ? AdministratorType::as4 : AdministratorType::as2,
             static_cast<std::uint32_t>(*as), 0};
  }
  const auto number = parse_number(text.substr(colon + 1),
                                   value.type == AdministratorType::as2 ? 0xffffffff : 0xffff);
  if (!number) return std::nullopt;
  value.number = static_cast<std::uint32_t>(*number);
  return value;
}

std::optional<RouteDistinguisher> RouteDistinguisher::from_raw(std::uint64_t raw) {
  const auto type = administrator_type(raw >> 48);
  if (!type) return std::nullopt;
  return RouteDistinguisher(Administered::unpack(*type, raw));
}

Administered RouteDistinguisher::value() const {
  return Administered::unpack(static_cast<AdministratorType>(raw_ >> 48), raw_);
}

std::optional<RouteTarget> RouteTarget::from_raw(std::uint64_t raw) {
  const auto type = administrator_type(raw >> 56);
  if (!type || (raw >> 48 & 0xff) != 0x02) return std::nullopt;
  return RouteTarget(Administered::unpack(*type, raw));
}

Administered RouteTarget::value() const {
  return Administered::unpack(static_cast<AdministratorType>(raw_ >> 56), raw_);
}

std::string to_string(RouteDistinguisher rd) { return to_string(rd.value()); }
std::string to_string(RouteTarget target) {
  return std::string(target_prefix) + to_string(target.value());
}

std::optional<RouteDistinguisher> parse_route_distinguisher(std::string_view text) {
  const auto value = parse_administered(text);
  if (!value) return std::nullopt;
  return RouteDistinguisher(*value);
}

std::optional<RouteTarget> parse_route_target(std::string_view text) {
  if (!text.starts_with(target_prefix)) return std::nullopt;
  const auto value = parse_administered(text.substr(target_prefix.size()));
  if (!value) return std::nullopt;
  return RouteTarget(*value);
}

}  // namespace weft::vpn
