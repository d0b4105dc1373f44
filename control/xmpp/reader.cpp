#include "xmpp/reader.hpp"

#include <expat.h>

#include <deque>
#include <functional>
#include <random>
#include <unordered_set>
#include <vector>

#include "xmpp/namespaces.hpp"

namespace weft::xmpp {

namespace {

constexpr std::string_view xml_namespace = "http://www.w3.org/XML/1998/namespace";
/// Between the parts of expat's names: XML has no way to write a form feed, so none is in a name.
constexpr char separator = '\f';

struct Name {
  std::string_view space;
  std::string_view local;
};

/// Of `local`, `space SEP local` or `space SEP local SEP prefix`.
Name split(std::string_view text) {
  const auto first = text.find(separator);
  if (first == text.npos) return {{}, text};
  const auto rest = text.substr(first + 1);
  return {text.substr(0, first), rest.substr(0, rest.find(separator))};
}

StreamError describe(XML_Error code) {
  const std::string words = XML_ErrorString(code);
  switch (code) {
    case XML_ERROR_UNDEFINED_ENTITY:
    case XML_ERROR_RECURSIVE_ENTITY_REF:
    case XML_ERROR_ASYNC_ENTITY:
    case XML_ERROR_BINARY_ENTITY_REF:
    case XML_ERROR_ATTRIBUTE_EXTERNAL_ENTITY_REF:
    case XML_ERROR_EXTERNAL_ENTITY_HANDLING:
    case XML_ERROR_PARAM_ENTITY_REF:
      return {"restricted-xml", words};
    case XML_ERROR_UNKNOWN_ENCODING:
    case XML_ERROR_INCORRECT_ENCODING:
      return {"unsupported-encoding", words};
    case XML_ERROR_NO_MEMORY:
      return {"resource-constraint", words};
    case XML_ERROR_AMPLIFICATION_LIMIT_BREACH:
      return {"policy-violation", words};
    default:
      return {"not-well-formed", words};
  }
}

unsigned long random_salt() {
  std::random_device source;
  return (static_cast<unsigned long>(source()) << 32) | source() | 1;  // 0 would mean none
}

/// Looks up views without a copy.
struct NameHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view name) const {
    return std::hash<std::string_view>{}(name);
  }
};

struct Free {
  void operator()(XML_ParserStruct* parser) const { XML_ParserFree(parser); }
};

}  // namespace

struct Reader::Parser {
  explicit Parser(ReaderLimits the_limits)
      : limits(the_limits), xml(XML_ParserCreateNS("UTF-8", separator)) {
    if (!xml) throw std::bad_alloc();
    XML_SetUserData(xml.get(), this);
    XML_SetHashSalt(xml.get(), random_salt());
    XML_SetReturnNSTriplet(xml.get(), XML_TRUE);
    // A stanza is told as soon as its last byte is there. What this costs when bytes come one by
    // one is bounded by tag_bytes.
    XML_SetReparseDeferralEnabled(xml.get(), XML_FALSE);
    XML_SetElementHandler(
        xml.get(),
        [](void* self, const XML_Char* name, const XML_Char** attributes) {
          of(self).start(name, attributes);
        },
        [](void* self, const XML_Char*) { of(self).end(); });
    XML_SetCharacterDataHandler(xml.get(), [](void* self, const XML_Char* data, int size) {
      of(self).text({data, static_cast<std::size_t>(size)});
    });
    XML_SetStartNamespaceDeclHandler(
        xml.get(), [](void* self, const XML_Char* prefix, const XML_Char* space) {
          of(self).declare(prefix == nullptr ? "" : prefix, space == nullptr ? "" : space);
        });
    XML_SetXmlDeclHandler(xml.get(),
                          [](void* self, const XML_Char*, const XML_Char* encoding, int) {
                            if (encoding != nullptr) of(self).check_encoding(encoding);
                          });
    XML_SetStartDoctypeDeclHandler(
        xml.get(), [](void* self, const XML_Char*, const XML_Char*, const XML_Char*, int) {
          of(self).refuse({"restricted-xml", "a document type declaration"});
        });
    XML_SetProcessingInstructionHandler(
        xml.get(), [](void* self, const XML_Char*, const XML_Char*) {
          of(self).refuse({"restricted-xml", "a processing instruction"});
        });
    XML_SetCommentHandler(xml.get(), [](void* self, const XML_Char*) {
      of(self).refuse({"restricted-xml", "a comment"});
    });
  }

  static Parser& of(void* self) { return *static_cast<Parser*>(self); }

  void refuse(StreamError error) {
    if (breach) return;
    breach = std::move(error);
    XML_StopParser(xml.get(), XML_FALSE);
  }
  void too_much(const std::string& what, std::size_t limit) {
    refuse({"policy-violation", what + " than " + std::to_string(limit)});
  }

  void check_encoding(std::string_view encoding) {
    std::string upper(encoding);
    for (char& c : upper) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    if (upper != "UTF-8") refuse({"unsupported-encoding", upper + ", wanted UTF-8"});
  }

  /// expat is at an event, a tag or a piece of text; true while all bounds are kept.
  bool keeps_bounds(bool tag) {
    if (breach) return false;
    const auto begin = static_cast<std::size_t>(XML_GetCurrentByteIndex(xml.get()));
    const auto end = begin + static_cast<std::size_t>(XML_GetCurrentByteCount(xml.get()));
    if ((tag ? end : begin) - seen > limits.tag_bytes) {
      too_much("a tag of more bytes", limits.tag_bytes);
    } else if (in_stanza() && end - stanza_start > limits.stanza_bytes) {
      too_much("a stanza of more bytes", limits.stanza_bytes);
    }
    seen = end;
    return !breach;
  }

  /// expat keeps each name that it has seen as long as the stream lasts.
  void remember(std::string_view name) {
    if (names.contains(name)) return;
    if (names.size() >= limits.names) return too_much("more different names", limits.names);
    names.emplace(name);
  }

  void declare(std::string_view prefix, std::string_view space) {
    if (breach) return;
    ++declared;
    remember(prefix);
    if (!in_stream && prefix.empty()) content = space;
  }

  void start(std::string_view full_name, const XML_Char** attributes) {
    if (in_stream && open.empty()) {
      stanza_start = static_cast<std::size_t>(XML_GetCurrentByteIndex(xml.get()));
      elements = 0;
    }
    if (!keeps_bounds(true)) return;
    const std::size_t count =
        static_cast<std::size_t>(XML_GetSpecifiedAttributeCount(xml.get())) / 2 +
        std::exchange(declared, 0);
    if (count > limits.attributes) return too_much("more attributes", limits.attributes);
    if (open.size() >= limits.depth) return too_much("elements nested deeper", limits.depth);
    if (++elements > limits.elements) return too_much("more elements", limits.elements);
    remember(full_name);
    const auto [space, local] = split(full_name);
    if (!in_stream) return start_stream(space, local, attributes);
    if (space.empty()) {
      return refuse({"invalid-namespace", "<" + std::string(local) + "> is in no namespace"});
    }
    Element element{.name = std::string(local), .xmlns = std::string(space)};
    for (; *attributes != nullptr; attributes += 2) {
      remember(attributes[0]);
      const auto name = split(attributes[0]);
      if (!name.space.empty() && name.space != xml_namespace) continue;
      element.attributes.push_back(
          {(name.space.empty() ? "" : "xml:") + std::string(name.local), attributes[1]});
    }
    open.push_back(std::move(element));
  }

  void start_stream(std::string_view space, std::string_view local, const XML_Char** attributes) {
    if (space != ns::streams) {
      return refuse({"invalid-namespace", "the stream is in \"" + std::string(space) + "\""});
    }
    if (local != "stream") return refuse({"bad-format", "<" + std::string(local) + ">"});
    if (content != ns::client) {
      return refuse({"invalid-namespace", "stanzas are in \"" + content + "\", wanted \"" +
                                              std::string(ns::client) + "\""});
    }
    StreamHeader header;
    for (; *attributes != nullptr; attributes += 2) {
      const std::string_view name = attributes[0];
      if (name == "from") header.from = attributes[1];
      if (name == "to") header.to = attributes[1];
      if (name == "id") header.id = attributes[1];
      if (name == "version") header.version = attributes[1];
    }
    in_stream = true;
    events.emplace_back(std::move(header));
  }

  void text(std::string_view piece) {
    if (!keeps_bounds(false)) return;
    if (open.empty()) {
      if (piece.find_first_not_of(" \t\r\n") != piece.npos) {
        refuse({"bad-format", "text between stanzas"});
      }
      return;
    }
    std::string& whole = open.back().text;
    if (whole.size() + piece.size() > limits.text_bytes) {
      return too_much("text of more bytes", limits.text_bytes);
    }
    whole += piece;
  }

  void end() {
    if (!keeps_bounds(true)) return;
    if (open.empty()) {
      events.emplace_back(StreamEnd{});
      return;
    }
    Element element = std::move(open.back());
    open.pop_back();
    if (open.empty()) {
      events.emplace_back(std::move(element));
    } else {
      open.back().children.push_back(std::move(element));
    }
  }

  std::optional<StreamError> feed(std::string_view bytes) {
    constexpr std::size_t most = 1 << 16;
    while (!breach && !bytes.empty()) {
      const auto piece = bytes.substr(0, most);
      bytes.remove_prefix(piece.size());
      fed += piece.size();
      const auto status =
          XML_Parse(xml.get(), piece.data(), static_cast<int>(piece.size()), XML_FALSE);
      if (breach) break;
      if (status == XML_STATUS_ERROR) {
        breach = describe(XML_GetErrorCode(xml.get()));
        breach->text +=
            " at byte " + std::to_string(XML_GetCurrentByteIndex(xml.get())) + " of the stream";
      } else if (fed - seen > limits.tag_bytes) {  // what expat keeps and has not told yet
        breach = StreamError{"policy-violation",
                             "a tag of more bytes than " + std::to_string(limits.tag_bytes)};
      }
    }
    return breach;
  }

  [[nodiscard]] bool in_stanza() const { return !open.empty(); }

  ReaderLimits limits;
  std::unique_ptr<XML_ParserStruct, Free> xml;
  std::optional<StreamError> breach;
  std::deque<StreamEvent> events;
  std::vector<Element> open;  ///< the stanza and those of its elements that are not closed yet
  std::unordered_set<std::string, NameHash, std::equal_to<>> names;
  bool in_stream = false;
  std::string content;           ///< the header's default namespace
  std::size_t declared = 0;      ///< namespaces by the tag that comes next
  std::size_t elements = 0;      ///< of this stanza
  std::size_t stanza_start = 0;  ///< byte of the stream
  std::size_t seen = 0;          ///< where the last event ended
  std::size_t fed = 0;
};

Reader::Reader(ReaderLimits limits) : parser_(std::make_unique<Parser>(limits)) {}
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;
Reader::~Reader() = default;

std::optional<StreamError> Reader::feed(std::string_view bytes) { return parser_->feed(bytes); }

std::optional<StreamEvent> Reader::next() {
  if (parser_->events.empty()) return std::nullopt;
  StreamEvent event = std::move(parser_->events.front());
  parser_->events.pop_front();
  return event;
}

bool Reader::in_stanza() const { return parser_->in_stanza(); }

}  // namespace weft::xmpp
