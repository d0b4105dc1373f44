#pragma once
/// Options of a command that become members of the request's JSON.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "ctl_json.hpp"

namespace weft::ctl {

class Fields {
 public:
  using Reader = Json (*)(const CLI::Option&);

  /// An option that is given goes into json() under `key`, as `reader` says.
  CLI::Option* add(CLI::App& app, const std::string& option, std::string key, Reader reader,
                   const std::string& help) {
    auto* added = app.add_option(option)->description(help)->type_name("TEXT");
    fields_.push_back({added, std::move(key), reader});
    return added;
  }
  CLI::Option* text(CLI::App& app, const std::string& option, std::string key,
                    const std::string& help) {
    return add(app, option, std::move(key), as<std::string>, help);
  }
  /// May be given many times; all of them make the list.
  CLI::Option* texts(CLI::App& app, const std::string& option, std::string key,
                     const std::string& help) {
    return add(app, option, std::move(key), as<std::vector<std::string>>, help)->take_all();
  }
  /// The same of numbers.
  CLI::Option* numbers(CLI::App& app, const std::string& option, std::string key,
                       const std::string& help) {
    return add(app, option, std::move(key), as<std::vector<std::uint32_t>>, help)
        ->type_name("NUMBER")
        ->take_all();
  }
  /// One value each time it is given, so that other words may follow.
  CLI::Option* list(CLI::App& app, const std::string& option, std::string key,
                    const std::string& help) {
    return texts(app, option, std::move(key), help)->expected(1)->take_all();
  }
  /// All words that are left, joined by blanks.
  CLI::Option* words(CLI::App& app, const std::string& option, std::string key,
                     const std::string& help) {
    return add(app, option, std::move(key), joined, help)
        ->expected(CLI::detail::expected_max_vector_size)
        ->take_all();
  }
  CLI::Option* number(CLI::App& app, const std::string& option, std::string key, std::uint32_t most,
                      const std::string& help) {
    return add(app, option, std::move(key), as<std::uint32_t>, help)
        ->type_name("NUMBER")
        ->check(CLI::Range(std::uint32_t{0}, most));
  }
  /// A number or `copy`.
  CLI::Option* number_or_copy(CLI::App& app, const std::string& option, std::string key,
                              std::uint32_t most, const std::string& help) {
    const auto reader = [](const CLI::Option& o) {
      const auto text = o.as<std::string>();
      return text == "copy" ? Json(text) : Json(o.as<std::uint32_t>());
    };
    return add(app, option, std::move(key), reader, help)
        ->type_name("NUMBER|copy")
        ->check(CLI::Range(std::uint32_t{0}, most) | CLI::IsMember({"copy"}));
  }
  CLI::Option* flag(CLI::App& app, const std::string& option, std::string key,
                    const std::string& help, Reader reader = as<bool>) {
    auto* added = app.add_flag(option)->description(help);
    fields_.push_back({added, std::move(key), reader});
    return added;
  }
  CLI::Option* keep_or_copy(CLI::App& app, const std::string& option, std::string key,
                            const std::string& help) {
    return text(app, option, std::move(key), help)
        ->type_name("keep|copy")
        ->check(CLI::IsMember({"keep", "copy"}));
  }
  CLI::Option* on_off(CLI::App& app, const std::string& option, std::string key,
                      const std::string& help) {
    const auto reader = [](const CLI::Option& o) { return Json(o.as<std::string>() == "on"); };
    return add(app, option, std::move(key), reader, help)
        ->type_name("on|off")
        ->check(CLI::IsMember({"on", "off"}));
  }

  [[nodiscard]] Json json() const {
    Json out = Json::object();
    for (const auto& field : fields_) {
      if (field.option->count() > 0) out[field.key] = field.reader(*field.option);
    }
    return out;
  }

 private:
  template <class T>
  static Json as(const CLI::Option& option) {
    return option.as<T>();
  }

  static Json joined(const CLI::Option& option) {
    std::string text;
    for (const auto& word : option.results()) text += (text.empty() ? "" : " ") + word;
    return text;
  }

  struct Field {
    CLI::Option* option;
    std::string key;
    Reader reader;
  };
  std::vector<Field> fields_;
};

}  // namespace weft::ctl
