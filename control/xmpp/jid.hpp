#pragma once
/// XMPP addresses (RFC 7622): `local@domain/resource`.

#include <string>
#include <string_view>

#include "weft/result.hpp"

namespace weft::xmpp {

/// Local part and domain are ASCII in lower case, the resource is any UTF-8 as it came. Only the
/// domain is never empty.
struct Jid {
  std::string local{};
  std::string domain{};
  std::string resource{};

  /// Takes upper case and makes it lower where it does not count.
  static Result<Jid> parse(std::string_view text);

  [[nodiscard]] Jid bare() const { return {local, domain, {}}; }
  [[nodiscard]] std::string str() const;

  friend auto operator<=>(const Jid&, const Jid&) = default;
};

}  // namespace weft::xmpp
