#pragma once
/// Who may what, by certificate.

#include <openssl/types.h>

#include <span>
#include <string>
#include <string_view>

#include "http/server.hpp"
#include "weft/result.hpp"

namespace weft::controller {

/// `reader` sees everything and tries what would change; `admin` changes it, too.
enum class Role { reader, admin };

/// As certificates have them.
std::span<const std::string_view> role_words();
std::string_view to_string(Role role);

struct Operator {
  std::string name;  ///< CN of the certificate's subject
  Role role = Role::reader;
};

/// The role is the OU of the subject, of which there is one. Whoever is named by an XMPP address
/// (RFC 6120 §13.7.1.4) speaks on the control channel, and has none here. An Error says why the
/// certificate gives no access.
Result<Operator> operator_of(const X509& certificate);

/// Fine, or an Error that says what the role may not. `only_tried`: nothing would be changed.
Status may(Role role, const http::Request& request, bool only_tried);

}  // namespace weft::controller
