#pragma once
/// YAML as a tree that knows where each value stands, and readers that turn values into ours. What
/// they cannot read they report, and go on, so that all errors are told at once.

#include <algorithm>
#include <charconv>
#include <compare>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/config_loader.hpp"
#include "weft/address.hpp"

namespace weft::agent::yaml {

/// Counts from 1; 0 stands for the file as a whole.
struct Position {
  int line = 0;
  int column = 0;
  friend auto operator<=>(const Position&, const Position&) = default;
};

struct Element {
  enum class Kind { null, scalar, list, map };
  Kind kind = Kind::null;
  bool quoted = false;
  Position position;
  std::string text;
  std::vector<Element> children;  ///< of a list: its items; of a map: key, value, key, value, …
};

class Report {
 public:
  explicit Report(std::string file) : file_(std::move(file)) {}
  void add(Position at, std::string key, std::string message) {
    diagnostics_.push_back({file_, at.line, at.column, std::move(key), std::move(message)});
  }
  [[nodiscard]] std::vector<Diagnostic> sorted() const;

 private:
  std::string file_;
  std::vector<Diagnostic> diagnostics_;
};

/// Reads exactly one document. Anchors and tags have no use here and are errors, so that no input
/// grows when it is read.
std::optional<Element> parse(const std::string& text, Report& report);

/// A place in the tree. The tree and the report outlive it.
class Value {
 public:
  Value(const Element& element, std::string path, Report& report)
      : element_(&element), path_(std::move(path)), report_(&report) {}

  [[nodiscard]] const Element& element() const { return *element_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] int line() const { return element_->position.line; }
  [[nodiscard]] std::string place() const {
    return path_ + " (line " + std::to_string(line()) + ")";
  }
  [[nodiscard]] bool scalar() const { return element_->kind == Element::Kind::scalar; }
  [[nodiscard]] std::vector<Value> items() const;

  void error(std::string message) const {
    report_->add(element_->position, path_, std::move(message));
  }
  /// Reports "wanted `what`, found …" and answers nullopt, for readers to return.
  std::nullopt_t wanted(std::string_view what) const;

 private:
  friend class Map;
  const Element* element_;
  std::string path_;
  Report* report_;
};

/// A value and where it was read.
template <class T>
struct Placed {
  T value;
  Value where;
};

/// A map whose keys are asked for one by one; finish() reports those that nobody asked for.
class Map {
 public:
  explicit Map(Value value);

  /// Reads the value of `key`, where there is one, into `into`.
  template <class T, class Reader>
  bool optional(std::string_view key, T& into, const Reader& reader) {
    asked_.push_back(key);
    Entry* entry = find(key);
    if (entry == nullptr) return false;
    auto read = reader(entry->value);
    entry->good = read.has_value();
    if (read) into = *std::move(read);
    return entry->good;
  }
  /// The same for a key that must be there.
  template <class T, class Reader>
  bool required(std::string_view key, T& into, const Reader& reader) {
    if (is_map() && !has(key)) missing(key);
    return optional(key, into, reader);
  }
  /// A key that does not belong here, for a reason that says more than finish() could.
  void refuse(std::string_view key, const std::string& reason) {
    asked_.push_back(key);
    if (has(key)) at(key).error(reason);
  }
  void finish() const;

  [[nodiscard]] bool is_map() const { return value_.element().kind == Element::Kind::map; }
  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }
  /// Whether `key` was there and could be read.
  [[nodiscard]] bool good(std::string_view key) const {
    const Entry* entry = find(key);
    return entry != nullptr && entry->good;
  }
  /// The value of `key`, or the map where it should be.
  [[nodiscard]] Value at(std::string_view key) const;
  [[nodiscard]] const Value& value() const { return value_; }
  void missing(std::string_view key, std::string_view hint = {}) const;

 private:
  struct Entry {
    std::string_view key;
    Position key_position;
    Value value;
    bool good = false;
  };
  [[nodiscard]] const Entry* find(std::string_view key) const;
  [[nodiscard]] Entry* find(std::string_view key) {
    return const_cast<Entry*>(std::as_const(*this).find(key));
  }
  [[nodiscard]] std::string path_of(std::string_view key) const;

  Value value_;
  std::vector<Entry> entries_;
  std::vector<std::string_view> asked_;
};

/// The candidate that `word` was probably meant to be.
std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string_view>& candidates);
/// `; did you mean "…"?`, or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& candidates);
/// Text for a message: shortened, control characters made visible, in quotation marks.
std::string quoted(std::string_view text);

// Readers: each answers the value, or reports and answers nullopt.

std::optional<std::string> text(const Value& v);
/// Whether it can be the name of an object.
bool is_name(std::string_view text);
std::optional<std::string> name(const Value& v);
std::optional<bool> boolean(const Value& v);
/// A unicast address that can belong to a host.
std::optional<IpAddress> address(const Value& v);
/// A host's unicast address and the length of its subnet.
std::optional<IpPrefix> host_prefix(const Value& v);
/// A prefix without host bits.
std::optional<IpPrefix> network(const Value& v);
/// A unicast MAC address.
std::optional<MacAddress> mac(const Value& v);

/// `or_else`: what else may stand there, for the message.
std::optional<std::uint64_t> whole_number(const Value& v, std::uint64_t least, std::uint64_t most,
                                          std::string_view or_else = {});

template <std::unsigned_integral T>
auto number(T least, T most) {
  return [=](const Value& v) -> std::optional<T> {
    const auto read = whole_number(v, least, most);
    return read ? std::optional(static_cast<T>(*read)) : std::nullopt;
  };
}

/// The same, or `word`: it sets `said`, and `number` is what is read.
template <std::unsigned_integral T>
auto number(std::string_view word, bool& said, T number, std::uint64_t least, std::uint64_t most) {
  return [=, &said](const Value& v) -> std::optional<T> {
    said = v.scalar() && v.element().text == word;
    if (said) return number;
    const auto read = whole_number(v, least, most, word);
    return read ? std::optional(static_cast<T>(*read)) : std::nullopt;
  };
}

/// One of the words; a list of pairs word, value.
template <class T>
auto choice(std::vector<std::pair<std::string_view, T>> words) {
  return [words = std::move(words)](const Value& v) -> std::optional<T> {
    std::string all;
    for (const auto& [word, value] : words) {
      if (v.scalar() && v.element().text == word) return value;
      all += (all.empty() ? "" : ", ") + std::string(word);
    }
    return v.wanted("one of " + all);
  };
}

/// A list of what `reader` reads. Items that it cannot read are left out.
template <class Reader>
auto placed_list(Reader reader) {
  using T = typename decltype(reader(std::declval<const Value&>()))::value_type;
  return [reader](const Value& v) -> std::optional<std::vector<Placed<T>>> {
    if (v.element().kind != Element::Kind::list) return v.wanted("a list");
    std::vector<Placed<T>> out;
    for (const Value& item : v.items()) {
      if (auto read = reader(item)) out.push_back({*std::move(read), item});
    }
    return out;
  };
}

/// The same, or a single one without the brackets.
template <class Reader>
auto one_or_list(Reader reader) {
  using T = typename decltype(reader(std::declval<const Value&>()))::value_type;
  return [reader](const Value& v) -> std::optional<std::vector<Placed<T>>> {
    if (v.element().kind == Element::Kind::list) return placed_list(reader)(v);
    auto read = reader(v);
    if (!read) return std::nullopt;
    return std::vector<Placed<T>>{{*std::move(read), v}};
  };
}

/// Reports what stands in `list` twice.
template <class T>
void unique(const std::vector<Placed<T>>& list) {
  std::vector<const Placed<T>*> order;
  for (const auto& item : list) order.push_back(&item);
  std::ranges::stable_sort(order, {}, [](auto* p) -> const T& { return p->value; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (order[i - 1]->value != order[i]->value) continue;
    order[i]->where.error(yaml::quoted(order[i]->where.element().text) +
                          " stands in this list twice");
  }
}

template <class T>
std::vector<T> values(std::vector<Placed<T>> list) {
  std::vector<T> out;
  out.reserve(list.size());
  for (auto& item : list) out.push_back(std::move(item.value));
  return out;
}

}  // namespace weft::agent::yaml
