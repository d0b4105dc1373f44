// weftctl on answers of a weftd that lies: whatever the JSON, text without control characters.
#include "ctl_output.hpp"

#include "fuzz/fuzz.hpp"

using namespace weft;

namespace {

void check(const std::string& text) {
  const auto obeyed = [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\n'; };
  fuzz::require(std::ranges::none_of(text, obeyed), "nothing that a terminal would obey");
}

/// Text for people has no DEL and no U+0080 to U+009F either, which JSON may have.
void check_plain(const std::string& text) {
  check(text);
  fuzz::require(text.find('\x7f') == std::string::npos, "no DEL");
  for (std::size_t at = text.find('\xc2'); at != std::string::npos;
       at = text.find('\xc2', at + 1)) {
    fuzz::require(at + 1 == text.size() || static_cast<unsigned char>(text[at + 1]) >= 0xa0,
                  "no C1");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using Answer = ctl::Command::Answer;
  fuzz::Input input({data, size});
  const auto shape = static_cast<Answer>(input.byte() % 3);
  const std::string text(reinterpret_cast<const char*>(input.rest().data()), input.rest().size());
  check_plain(ctl::error_text({400, "application/json", text}));
  const auto answer = ctl::parse_answer(text);
  if (!answer.is_discarded()) check(ctl::render(shape, answer));
  return 0;
}
