#include "xmpp/addresses.hpp"

#include <openssl/x509v3.h>

#include <memory>

namespace weft::xmpp {

std::vector<Jid> addresses_of(const X509& certificate) {
  std::vector<Jid> out;
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_OTHERNAME) continue;
    const OTHERNAME* other = name->d.otherName;
    if (OBJ_obj2nid(other->type_id) != NID_XmppAddr) continue;
    if (other->value->type != V_ASN1_UTF8STRING) continue;
    const ASN1_UTF8STRING* text = other->value->value.utf8string;
    const auto jid = Jid::parse({reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                                 static_cast<std::size_t>(ASN1_STRING_length(text))});
    if (jid) out.push_back(jid->bare());
  }
  return out;
}

}  // namespace weft::xmpp
