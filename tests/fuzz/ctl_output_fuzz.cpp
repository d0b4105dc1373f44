// weftctl on answers of a weftd that lies: whatever the JSON, text without control characters.
#include "ctl_output.hpp"

#include "fuzz/fuzz.hpp"

using namespace weft;

namespace {

void check(const std::string& text) {
  const auto obeyed = [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\n'; };
  fuzz::require(std::ranges::none_of(text, obeyed), "nothing that a terminal would obey");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using Answer = ctl::Command::Answer;
  fuzz::Input input({data, size});
  const auto shape = static_cast<Answer>(input.byte() % 3);
  const std::string text(reinterpret_cast<const char*>(input.rest().data()), input.rest().size());
  check(ctl::error_text({400, "application/json", text}));
  const auto answer = ctl::Json::parse(text, nullptr, false);
  if (!answer.is_discarded()) check(ctl::render(shape, answer));
  return 0;
}
