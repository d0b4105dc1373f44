#pragma once
/// A small certificate authority in a directory: `ca.pem` and `ca.key`, and beside them NAME.pem
/// and NAME.key for whoever speaks on the control channel. Keys are of ECDSA on P-256, their files
/// for their owner alone (mode 0600). What is there already is never overwritten.

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "weft/result.hpp"

namespace weft::pki {

/// From when on, and for how long. Without `start` it is now, less an hour for clocks that are
/// late.
struct Validity {
  std::optional<std::chrono::sys_seconds> start{};
  unsigned days = 0;  ///< 1 to 36500
};

/// Makes the directory, where it is missing, and a self-signed authority for names NODE@`domain`.
Status init(const std::filesystem::path& directory, const std::string& domain, Validity validity);

struct Subject {
  /// NODE, which the authority's domain makes NODE@DOMAIN, or NODE@DOMAIN. It stands in the
  /// certificate as the name of type id-on-xmppAddr (RFC 6120 §13.7.1.4).
  std::string name;
  std::string file{};                    ///< how the files are called; empty: NODE
  std::vector<std::string> dns{};        ///< further names, for clients that ask for a host
  std::vector<std::string> addresses{};  ///< the same as IP addresses
  /// Of an operator: it stands as OU in the subject, and the certificate names no XMPP address and
  /// serves no servers.
  std::string role{};
};

/// A key, and a certificate for it that serves clients and servers alike. It ends with the
/// authority at the latest. Answers the path of the certificate.
Result<std::filesystem::path> issue(const std::filesystem::path& directory, const Subject& subject,
                                    Validity validity);

/// `2026-11-26`, in UTC.
std::string date_text(std::chrono::sys_seconds at);

/// A certificate in a directory.
struct Listed {
  std::string file;
  std::string name;  ///< NODE@DOMAIN, or that of an operator
  std::string role;  ///< authority, controller, node, or the role of an operator
  std::chrono::sys_seconds start;
  std::chrono::sys_seconds end;
};

/// The authority's certificate in `directory`, and all others there, by their files' names. An
/// Error where there is no authority, or a certificate cannot be read.
Result<std::vector<Listed>> list(const std::filesystem::path& directory);

}  // namespace weft::pki
