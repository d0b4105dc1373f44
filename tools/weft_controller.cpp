// weft-controller: computes what nodes need from what an operator wants.
#include <CLI/CLI.hpp>

#include "controller_pki.hpp"

int main(int argc, char** argv) {
  constexpr int exit_configuration = 2;
  CLI::App app("Weft's controller.\n\nExit codes: 0 done; 1 refused; 2 the command line is wrong.");
  app.set_version_flag("--version", WEFT_VERSION);
  app.require_subcommand(1);
  weft::controller::PkiCommands pki;
  pki.add_to(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : exit_configuration;
  }
  return pki.code();
}
