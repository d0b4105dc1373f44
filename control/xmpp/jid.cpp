#include "xmpp/jid.hpp"

#include <algorithm>

namespace weft::xmpp {

namespace {

constexpr std::size_t part_bytes_most = 1023;  // RFC 7622 §3.1
constexpr std::string_view local_forbids = "\"&'/:<>@";

bool is_visible(char c) { return c > ' ' && c < '\x7f'; }
bool is_domain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
         c == ':' || c == '[' || c == ']';
}
bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return out;
}

}  // namespace

Result<Jid> Jid::parse(std::string_view text) {
  const auto wrong = [&](const std::string& why) {
    return Error{"\"" + std::string(text) + "\" is no XMPP address: " + why};
  };
  const auto slash = text.find('/');
  const auto front = text.substr(0, slash);
  const auto at = front.find('@');
  Jid jid{.local = lower(at == front.npos ? "" : front.substr(0, at)),
          .domain = lower(at == front.npos ? front : front.substr(at + 1)),
          .resource = std::string(slash == text.npos ? "" : text.substr(slash + 1))};
  if (at != front.npos && jid.local.empty()) return wrong("nothing stands before the @");
  if (jid.domain.empty()) return wrong("it has no domain");
  if (slash != text.npos && jid.resource.empty()) return wrong("nothing stands behind the /");
  for (const std::string* part : {&jid.local, &jid.domain, &jid.resource}) {
    if (part->size() > part_bytes_most) return wrong("a part of it is longer than 1023 bytes");
  }
  const auto bad_local = std::ranges::find_if(jid.local, [](char c) {
    return !is_visible(c) || local_forbids.find(c) != local_forbids.npos;
  });
  if (bad_local != jid.local.end()) {
    return wrong("before the @ stand ASCII characters without blanks and " +
                 std::string(local_forbids));
  }
  if (!std::ranges::all_of(jid.domain, is_domain)) {
    return wrong("its domain is no name of ASCII letters, digits, dots and hyphens");
  }
  if (std::ranges::any_of(jid.resource, is_control)) {
    return wrong("its resource has control characters");
  }
  return jid;
}

std::string Jid::str() const {
  return (local.empty() ? "" : local + "@") + domain + (resource.empty() ? "" : "/" + resource);
}

}  // namespace weft::xmpp
