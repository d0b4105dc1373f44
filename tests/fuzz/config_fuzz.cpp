// weft.yaml: any text gives a configuration or says what is wrong, and never both; and what the
// loader lets pass the router can be built from.
#include "agent/config_loader.hpp"
#include "fuzz/fuzz.hpp"
#include "unit/control/agent/node.hpp"

using namespace weft;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto loaded =
      agent::parse_config(std::string(reinterpret_cast<const char*>(data), size), "weft.yaml");
  fuzz::require(loaded.config.has_value() == loaded.diagnostics.empty(),
                "a configuration or errors");
  int line = 0;
  for (const auto& d : loaded.diagnostics) {
    fuzz::require(!d.message.empty(), "an error says what is wrong");
    fuzz::require(d.line >= line && d.column >= 0, "errors come in the order of their places");
    line = d.line;
    fuzz::require(agent::to_string(d).find('\n') == std::string::npos, "an error is one line");
  }
  if (!loaded.config) return 0;
  test::FakePlane plane;
  agent::Model model;
  agent::test::FakeKeeper keeper;
  agent::test::FakeCompiler compiler;
  agent::Resolver resolver(
      model, [&](const Batch& batch) { return plane.apply(batch); }, keeper, compiler);
  const auto result = resolver.load(*loaded.config, agent::test::open_all(plane, *loaded.config));
  if (!result) fuzz::broken("a checked configuration is refused: " + result.error().message);
  return 0;
}
