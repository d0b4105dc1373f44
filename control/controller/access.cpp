#include "controller/access.hpp"

#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "xmpp/addresses.hpp"

namespace weft::controller {
namespace {

constexpr std::array<std::string_view, 2> role_names{"reader", "admin"};  // in the order of Role

/// What the subject has under `nid`, as UTF-8.
std::vector<std::string> parts(const X509& certificate, int nid) {
  std::vector<std::string> out;
  const X509_NAME* subject = X509_get_subject_name(&certificate);
  for (int at = X509_NAME_get_index_by_NID(subject, nid, -1); at >= 0;
       at = X509_NAME_get_index_by_NID(subject, nid, at)) {
    unsigned char* bytes = nullptr;
    const int size =
        ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    const auto release = [](unsigned char* p) { OPENSSL_free(p); };
    const std::unique_ptr<unsigned char, decltype(release)> owned(bytes, release);
    out.emplace_back(reinterpret_cast<const char*>(bytes),
                     static_cast<std::size_t>(std::max(size, 0)));
  }
  return out;
}

}  // namespace

std::span<const std::string_view> role_words() { return role_names; }

std::string_view to_string(Role role) { return role_names.at(static_cast<std::size_t>(role)); }

Result<Operator> operator_of(const X509& certificate) {
  constexpr const char* remedy = "; issue one with weft-controller pki issue DIR NAME --role ROLE";
  const auto names = parts(certificate, NID_commonName);
  const std::string name = names.empty() ? "somebody without a name" : names.front();
  if (const auto addresses = xmpp::addresses_of(certificate); !addresses.empty()) {
    return Error{"the certificate of " + name + " is for the control channel (" +
                 addresses.front().str() + "), not for an operator" + remedy};
  }
  const auto units = parts(certificate, NID_organizationalUnitName);
  const auto word =
      units.size() == 1 ? std::ranges::find(role_names, units.front()) : role_names.end();
  if (word == role_names.end()) {
    return Error{"the certificate of " + name + " gives no role (reader or admin as its only OU)" +
                 remedy};
  }
  return Operator{.name = name, .role = static_cast<Role>(word - role_names.begin())};
}

Status may(Role role, const http::Request& request, bool only_tried) {
  if (role == Role::admin || request.method == "GET" || only_tried) return ok();
  return Error{"a reader may not " + request.method + " " + request.path +
               "; a certificate with the role admin may"};
}

}  // namespace weft::controller
