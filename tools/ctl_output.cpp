#include "ctl_output.hpp"

#include <algorithm>
#include <cstdio>
#include <vector>

namespace weft::ctl {
namespace {

using Answer = Command::Answer;

constexpr auto replace_bad_utf8 = Json::error_handler_t::replace;

/// Without control characters, which a terminal would obey: those of ASCII, and U+0080 to U+009F.
std::string printable(std::string text) {
  const auto byte = [](char c) { return static_cast<unsigned char>(c); };
  std::ranges::replace_if(
      text, [&](char c) { return byte(c) < 0x20 || c == 0x7f; }, '?');
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (byte(text[i]) == 0xc2 && byte(text[i + 1]) < 0xa0) text.replace(i, 2, "?");
  }
  return text;
}

std::string cell(const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return printable(value.get<std::string>());
  if (!value.is_array()) return value.dump(-1, ' ', false, replace_bad_utf8);
  std::string out;
  for (const auto& item : value) out += (out.empty() ? "" : ", ") + cell(item);
  return out.empty() ? "-" : out;
}

/// Characters, not bytes.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t to, bool right = false) {
  const std::string blanks(to - std::min(to, width(text)), ' ');
  return right ? blanks + text : text + blanks;
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? "" : cell(*found);
}

struct Column {
  std::vector<std::string> cells;  ///< the head first
  std::size_t width = 0;
  bool numbers = false;
};

std::string render_table(const Json& answer) {
  const auto& rows = answer["rows"];
  std::vector<Column> columns;
  for (const auto& head : answer["columns"]) {
    Column column{{cell(head)}};
    const std::string name = head.is_string() ? head.get<std::string>() : "";
    for (const auto& row : rows) {
      const auto value = row.find(name);
      column.numbers |= value != row.end() && value->is_number();
      column.cells.push_back(value == row.end() ? "-" : cell(*value));
    }
    for (const auto& text : column.cells) column.width = std::max(column.width, width(text));
    columns.push_back(std::move(column));
  }
  std::string out = text_of(answer, "title");
  if (!out.empty()) out += '\n';
  for (std::size_t i = 0; i <= rows.size(); ++i) {
    std::string line;
    for (const auto& column : columns) {
      line += (line.empty() ? "" : "  ") + padded(column.cells[i], column.width, column.numbers);
    }
    out += line.erase(line.find_last_not_of(' ') + 1) + '\n';
  }
  const std::string note = text_of(answer, "note");
  if (!note.empty()) out += note + '\n';
  return out;
}

std::string hex_dump(const std::string& digits) {
  constexpr std::size_t digits_a_line = 32;
  std::string out;
  for (std::size_t at = 0; at < digits.size(); at += digits_a_line) {
    char offset[24];
    std::snprintf(offset, sizeof offset, "%04zx ", at / 2);
    out += offset;
    for (std::size_t i = at; i < std::min(at + digits_a_line, digits.size()); i += 2) {
      out += ' ' + digits.substr(i, 2);
    }
    out += '\n';
  }
  return out;
}

std::string render_explanation(const Json& answer) {
  std::size_t stage_width = 0;
  for (const auto& step : answer["steps"]) {
    stage_width = std::max(stage_width, width(text_of(step, "stage")));
  }
  std::string out;
  for (const auto& step : answer["steps"]) {
    out += padded(text_of(step, "stage"), stage_width) + "  " + text_of(step, "text") + '\n';
  }
  const std::string port = text_of(answer, "port");
  const std::string reason = text_of(answer, "reason");
  const std::string explanation = text_of(answer, "explanation");
  out += "=> " + text_of(answer, "verdict");
  if (!port.empty()) out += " out of " + port;
  if (!reason.empty() && reason != "none") out += ": " + reason;
  if (!explanation.empty()) out += " (" + explanation + ")";
  return out + '\n' + hex_dump(text_of(answer, "frame_hex"));
}

bool is_list(const Json& answer, const char* key) {
  const auto found = answer.find(key);
  return found != answer.end() && found->is_array();
}

std::string render_changes(const Json& answer) {
  std::string out = text_of(answer, "message") + '\n';
  for (const auto& [key, mark] : {std::pair("added", "+ "), {"changed", "~ "}, {"removed", "- "}}) {
    if (!is_list(answer, key)) continue;
    for (const auto& label : answer[key]) out += mark + cell(label) + '\n';
  }
  return out;
}

}  // namespace

Json parse_answer(const std::string& body) {
  constexpr int max_depth = 64;
  bool too_deep = false;
  auto answer = Json::parse(
      body,
      [&](int depth, Json::parse_event_t, Json&) {
        too_deep = too_deep || depth > max_depth;
        return !too_deep;
      },
      false);
  return too_deep ? Json(Json::value_t::discarded) : answer;
}

std::string render(Command::Answer shape, const Json& answer) {
  if (answer.is_object()) {
    if (shape == Answer::table && is_list(answer, "columns") && is_list(answer, "rows")) {
      return render_table(answer);
    }
    if (shape == Answer::explanation && is_list(answer, "steps")) return render_explanation(answer);
    if (shape == Answer::changes && answer.contains("message")) return render_changes(answer);
    if (shape == Answer::message && answer.contains("message")) {
      return text_of(answer, "message") + '\n';
    }
  }
  return render_json(answer);
}

std::string render_trace(const Json& line) {
  if (line.contains("end")) {
    std::string out = text_of(line, "packets");
    out += out == "1" ? " packet" : " packets";
    const auto lost = line.find("lost");
    if (lost != line.end() && *lost != 0) {
      out += ", and " + cell(*lost) + " that matched came too fast to be followed";
    }
    return out + '\n';
  }
  std::string out = text_of(line, "time") + "  " + text_of(line, "from") + ", worker on CPU " +
                    text_of(line, "lcore") + '\n';
  return out + (is_list(line, "steps") ? render_explanation(line) : render_json(line)) + '\n';
}

std::string render_event(const Json& event) {
  const std::string what = text_of(event, "event");
  const std::string generation = text_of(event, "generation");
  if (what == "told") {
    return text_of(event, "node") + " is told generation " + generation + ": " +
           text_of(event, "profiles") + " profiles\n";
  }
  if (what == "applied") {
    std::string out = text_of(event, "node") + " has applied generation " + generation;
    const auto refused = event.find("refused");
    if (refused == event.end() || !refused->is_object()) return out + '\n';
    for (const auto& [key, reason] : refused->items()) {
      out += "\n  but refuses " + printable(key) + ": " + cell(reason);
    }
    return out + '\n';
  }
  if (event.contains("kind")) {
    return text_of(event, "kind") + " " + text_of(event, "name") + " " + what + ", generation " +
           generation + '\n';
  }
  return what + ", generation " + generation + '\n';
}

std::string render_json(const Json& answer) {
  return answer.dump(2, ' ', false, replace_bad_utf8) + '\n';
}

std::string error_text(const http::Response& response) {
  const Json body = parse_answer(response.body);
  std::string text = body.is_object() ? text_of(body, "error") : "";
  return text.empty() ? "weftd answered with status " + std::to_string(response.status) : text;
}

}  // namespace weft::ctl
