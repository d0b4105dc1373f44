#include "agent/yaml_reader.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <numeric>
#include <sstream>
#include <tuple>

#include "agent/address_rules.hpp"

namespace weft::agent::yaml {
namespace {

constexpr std::size_t max_depth = 32;
constexpr std::size_t max_elements = 4'000'000;
constexpr std::size_t max_keys = 256;

Position position(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {mark.line + 1, mark.column + 1};
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  [[nodiscard]] Element take() && { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) throw YAML::ParserException(mark, "a second document in the same file");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(Element::Kind::null, mark, "", anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw YAML::ParserException(mark, "aliases (*) are not used here; write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Element& element = add(Element::Kind::scalar, mark, tag, anchor);
    element.quoted = tag == "!";
    element.text = value;
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Element::Kind::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Element::Kind::map, mark, tag, anchor);
  }
  void OnMapEnd() override { open_.pop_back(); }

 private:
  Element& add(Element::Kind kind, const YAML::Mark& mark, const std::string& tag,
               YAML::anchor_t anchor) {
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw YAML::ParserException(mark, "tags (!) are not used here");
    }
    if (anchor != 0) throw YAML::ParserException(mark, "anchors (&) are not used here");
    if (++elements_ > max_elements) throw YAML::ParserException(mark, "more than 4 000 000 values");
    Element& element = open_.empty() ? root_ : open_.back()->children.emplace_back();
    element.kind = kind;
    element.position = position(mark);
    if (kind == Element::Kind::null && !open_.empty() && open_.back()->kind == Element::Kind::map) {
      // yaml-cpp places a missing value at the next token, which may be lines below its key.
      const auto& siblings = open_.back()->children;
      if (siblings.size() % 2 == 0) element.position = siblings[siblings.size() - 2].position;
    }
    return element;
  }
  void open(Element::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    if (open_.size() == max_depth) throw YAML::ParserException(mark, "nested too deeply");
    open_.push_back(&add(kind, mark, tag, anchor));
  }

  Element root_;
  std::vector<Element*> open_;
  std::size_t elements_ = 0;
  int documents_ = 0;
};

/// The length of the UTF-8 character at the start of `rest`, or 0 where there is none.
std::size_t utf8_length(std::string_view rest) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
  const unsigned char lead = byte(0);
  const std::size_t length = lead < 0x80             ? 1
                             : (lead & 0xe0) == 0xc0 ? 2
                             : (lead & 0xf0) == 0xe0 ? 3
                             : (lead & 0xf8) == 0xf0 ? 4
                                                     : 0;
  if (length == 0 || length > rest.size()) return 0;
  if (length == 1) return 1;
  char32_t code = lead & (0x7f >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code >= least[length] && code <= 0x10ffff && !surrogate ? length : 0;
}

bool control_character(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

/// yaml-cpp takes byte 4 for the end of the file and guesses at encodings, so nothing but UTF-8
/// text may reach it.
bool check_text(std::string_view text, Report& report) {
  Position at{1, 1};
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    const std::size_t length = utf8_length(text.substr(i));
    if (length == 0 || (control_character(c) && c != '\n' && c != '\r' && c != '\t')) {
      char message[80];
      std::snprintf(message, sizeof message, "wanted UTF-8 text, found the byte 0x%02x",
                    static_cast<unsigned char>(c));
      report.add(at, "", message);
      return false;
    }
    at = c == '\n' ? Position{at.line + 1, 1} : Position{at.line, at.column + 1};
    i += length;
  }
  return true;
}

std::string found(const Element& element) {
  switch (element.kind) {
    case Element::Kind::null:
      return "nothing";
    case Element::Kind::scalar:
      return (element.quoted ? "the text " : "") + quoted(element.text);
    case Element::Kind::list:
      return "a list";
    case Element::Kind::map:
      return "a map (text that ends in a colon needs quotation marks)";
  }
  return "";
}

/// Letters that are added, left out, exchanged for others or for their neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> above(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before.swap(above);
    above.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row.back();
}

}  // namespace

std::vector<Diagnostic> Report::sorted() const {
  auto out = diagnostics_;
  std::ranges::stable_sort(out, {}, [](const auto& d) { return std::tuple(d.line, d.column); });
  return out;
}

std::optional<Element> parse(const std::string& text, Report& report) {
  if (!check_text(text, report)) return std::nullopt;
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    TreeBuilder builder;
    while (parser.HandleNextDocument(builder)) {
    }
    return std::move(builder).take();
  } catch (const YAML::Exception& e) {
    report.add(position(e.mark), "", "this is no YAML that can be read here: " + e.msg);
  } catch (const std::exception& e) {
    report.add({}, "", std::string("cannot be read: ") + e.what());
  }
  return std::nullopt;
}

std::vector<Value> Value::items() const {
  std::vector<Value> out;
  out.reserve(element_->children.size());
  for (std::size_t i = 0; i < element_->children.size(); ++i) {
    out.emplace_back(element_->children[i], path_ + "[" + std::to_string(i) + "]", *report_);
  }
  return out;
}

std::nullopt_t Value::wanted(std::string_view what) const {
  error("wanted " + std::string(what) + ", found " + found(*element_));
  return std::nullopt;
}

Map::Map(Value value) : value_(std::move(value)) {
  if (!is_map()) {
    value_.wanted("a map");
    return;
  }
  const auto& children = value_.element().children;
  for (std::size_t i = 0; i + 1 < children.size(); i += 2) {
    const Element& key = children[i];
    if (entries_.size() == max_keys) {
      value_.report_->add(key.position, value_.path(), "too many keys in one map");
      break;
    }
    if (key.kind != Element::Kind::scalar) {
      value_.report_->add(key.position, value_.path(), "wanted a key, found " + found(key));
    } else if (const Entry* first = find(key.text)) {
      value_.report_->add(
          key.position, path_of(key.text),
          "this key is already in line " + std::to_string(first->key_position.line));
    } else {
      entries_.push_back({key.text, key.position,
                          Value(children[i + 1], path_of(key.text), *value_.report_), false});
    }
  }
}

void Map::finish() const {
  for (const Entry& entry : entries_) {
    if (std::ranges::find(asked_, entry.key) != asked_.end()) continue;
    value_.report_->add(entry.key_position, entry.value.path(),
                        "unknown key " + quoted(entry.key) + did_you_mean(entry.key, asked_));
  }
}

Value Map::at(std::string_view key) const {
  if (const Entry* entry = find(key)) return entry->value;
  return {value_.element(), path_of(key), *value_.report_};
}

void Map::missing(std::string_view key, std::string_view hint) const {
  at(key).error("required, but missing" + std::string(hint));
}

const Map::Entry* Map::find(std::string_view key) const {
  const auto found = std::ranges::find(entries_, key, &Entry::key);
  return found == entries_.end() ? nullptr : &*found;
}

std::string Map::path_of(std::string_view key) const {
  const std::string shown(key.substr(0, 64));
  return value_.path().empty() ? shown : value_.path() + "." + shown;
}

std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string_view>& candidates) {
  std::size_t best = std::max<std::size_t>(1, word.size() / 3) + 1;
  std::optional<std::string> out;
  for (const std::string_view candidate : candidates) {
    if (word.size() > candidate.size() + best || candidate.size() > word.size() + best) continue;
    const std::size_t distance = edit_distance(word, candidate);
    if (distance >= best) continue;
    best = distance;
    out = candidate;
  }
  return out;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates) {
  const auto meant = nearest(word, candidates);
  return meant ? "; did you mean \"" + *meant + "\"?" : "";
}

std::string quoted(std::string_view text) {
  constexpr std::size_t longest = 60;
  std::string out = "\"";
  std::size_t i = 0;
  while (i < text.size() && i < longest) {
    const std::size_t length = std::max<std::size_t>(1, utf8_length(text.substr(i)));
    out += control_character(text[i]) ? "?" : text.substr(i, length);
    i += length;
  }
  return out + (i < text.size() ? "…\"" : "\"");
}

std::optional<std::string> text(const Value& v) {
  const std::string& s = v.element().text;
  if (!v.scalar() || s.empty() || std::ranges::any_of(s, control_character)) {
    return v.wanted("text of one line");
  }
  return s;
}

bool is_name(std::string_view s) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  };
  return !s.empty() && s.size() <= 63 && std::ranges::all_of(s, allowed);
}

std::optional<std::string> name(const Value& v) {
  const std::string& s = v.element().text;
  if (!v.scalar() || !is_name(s)) return v.wanted("a name (1 to 63 of A-Z a-z 0-9 _ . -)");
  return s;
}

std::optional<bool> boolean(const Value& v) {
  if (v.scalar() && !v.element().quoted) {
    for (const auto* word : {"true", "yes", "on"}) {
      if (v.element().text == word) return true;
    }
    for (const auto* word : {"false", "no", "off"}) {
      if (v.element().text == word) return false;
    }
  }
  return v.wanted("true or false");
}

std::optional<std::uint64_t> whole_number(const Value& v, std::uint64_t least, std::uint64_t most,
                                          std::string_view or_else) {
  const std::string& s = v.element().text;
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(s.data(), s.data() + s.size(), number);
  const bool octal_looking = s.size() > 1 && s[0] == '0';
  if (!v.scalar() || v.element().quoted || failed != std::errc() || end != s.data() + s.size() ||
      octal_looking || number < least || number > most) {
    return v.wanted("a whole number from " + std::to_string(least) + " to " + std::to_string(most) +
                    (or_else.empty() ? "" : " or " + std::string(or_else)));
  }
  return number;
}

std::optional<IpAddress> address(const Value& v) {
  const auto read = v.scalar() ? parse_ip(v.element().text) : std::nullopt;
  if (!read) return v.wanted("an IP address");
  if (!is_unicast(*read)) return v.wanted("a host's unicast IP address");
  return read;
}

std::optional<IpPrefix> host_prefix(const Value& v) {
  const auto read = v.scalar() ? parse_prefix(v.element().text) : std::nullopt;
  if (!read) return v.wanted("an address with its prefix length, like 192.0.2.1/24");
  if (!is_unicast(read->address)) return v.wanted("a host's unicast IP address");
  return read;
}

std::optional<IpPrefix> network(const Value& v) {
  const auto read = v.scalar() ? parse_prefix(v.element().text) : std::nullopt;
  if (!read) return v.wanted("an IP prefix, like 10.1.0.0/24 or 2001:db8::/64");
  if (read->masked() != *read) {
    v.error("host bits are set: " + quoted(v.element().text) + " should be " +
            to_string(read->masked()));
    return std::nullopt;
  }
  return read;
}

std::optional<MacAddress> mac(const Value& v) {
  const auto read = v.scalar() ? parse_mac(v.element().text) : std::nullopt;
  if (!read) return v.wanted("a MAC address, like 02:00:00:00:00:01");
  if (read->multicast() || read->zero()) return v.wanted("a unicast MAC address");
  return read;
}

}  // namespace weft::agent::yaml
