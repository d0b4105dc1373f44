#include "controller_pki.hpp"

#include <chrono>
#include <cstdio>
#include <optional>

#include "controller/access.hpp"
#include "pki/pki.hpp"

namespace weft::controller {
namespace {

constexpr int refused = 1;

int fail(const Error& error) {
  std::fprintf(stderr, "weft-controller: %s\n", error.message.c_str());
  return refused;
}

/// YYYY-MM-DD, at its start in UTC.
std::optional<std::chrono::sys_seconds> day(const std::string& text) {
  if (text.empty()) return std::nullopt;
  int year = 0;
  unsigned month = 0;
  unsigned of_month = 0;
  char more = 0;
  const int read = std::sscanf(text.c_str(), "%4d-%2u-%2u%c", &year, &month, &of_month, &more);
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(of_month)};
  if (read != 3 || !date.ok()) throw CLI::ValidationError("--start", "wanted a day as YYYY-MM-DD");
  return std::chrono::sys_days(date);
}

}  // namespace

void PkiCommands::add_to(CLI::App& app) {
  auto* pki = app.add_subcommand("pki", "Certificates for the control channel");
  pki->require_subcommand(1);
  const auto validity = [this](CLI::App& command, unsigned days) {
    command.add_option("--days", days_, "how long it is valid (" + std::to_string(days) + ")");
    command.add_option("--start", start_, "the first day, as YYYY-MM-DD (today)");
  };

  constexpr unsigned authority_days = 3650;
  auto* made = pki->add_subcommand("init", "Make an authority: DIR/ca.pem and DIR/ca.key");
  made->add_option("DIR", directory_, "the directory, which is made where it is missing")
      ->required();
  made->add_option("--domain", domain_, "the domain of all names")->capture_default_str();
  validity(*made, authority_days);
  made->footer("\nExample:\n  weft-controller pki init /etc/weft/pki --domain weft.local");
  made->callback([this] {
    if (days_ == 0) days_ = authority_days;
    init();
  });

  auto* shown =
      pki->add_subcommand("show", "List the certificates in DIR, and until when they hold");
  shown->add_option("DIR", directory_, "the directory of the authority")->required();
  shown->callback([this] { show(); });

  constexpr unsigned certificate_days = 365;
  auto* issued =
      pki->add_subcommand("issue", "Make a key and a certificate: DIR/NAME.key and DIR/NAME.pem");
  issued->add_option("DIR", directory_, "the directory of the authority")->required();
  issued->add_option("NAME", name_, "a node, network-control for a controller, or an operator")
      ->required();
  const auto roles = role_words();
  issued
      ->add_option("--role", role_,
                   "for an operator, who asks the API over TLS and has no place on the channel: "
                   "admin, or reader, who changes nothing")
      ->check(CLI::IsMember(std::vector<std::string>(roles.begin(), roles.end())));
  issued->add_option("--file", file_, "call the files so instead");
  issued->add_option("--dns", dns_, "a host name in it, too (may be given again)");
  issued->add_option("--address", addresses_, "an IP address in it, too (may be given again)");
  validity(*issued, certificate_days);
  issued->footer(
      "\nExamples:\n  weft-controller pki issue /etc/weft/pki compute-a\n  weft-controller pki "
      "issue /etc/weft/pki network-control --file controller-1 --address 192.0.2.10\n  "
      "weft-controller pki issue "
      "/etc/weft/pki alice --role admin");
  issued->callback([this] {
    if (days_ == 0) days_ = certificate_days;
    issue();
  });
}

void PkiCommands::show() {
  given_ = true;
  const auto listed = pki::list(directory_);
  if (!listed) {
    code_ = fail(listed.error());
    return;
  }
  const auto now = std::chrono::system_clock::now();
  constexpr const char* row = "%-24s %-28s %-11s %-11s %-11s %s\n";
  std::printf(row, "FILE", "NAME", "ROLE", "FROM", "UNTIL", "LEFT");
  for (const auto& one : *listed) {
    const auto left = std::chrono::floor<std::chrono::days>(one.end - now).count();
    std::printf(row, one.file.c_str(), one.name.c_str(), one.role.c_str(),
                pki::date_text(one.start).c_str(), pki::date_text(one.end).c_str(),
                one.end <= now ? "expired" : (std::to_string(left) + " days").c_str());
  }
}

void PkiCommands::init() {
  given_ = true;
  const auto made = pki::init(directory_, domain_, {day(start_), days_});
  if (!made) {
    code_ = fail(made.error());
    return;
  }
  std::printf("%s/ca.pem and ca.key: the authority of %s\n", directory_.c_str(), domain_.c_str());
}

void PkiCommands::issue() {
  given_ = true;
  const auto made =
      pki::issue(directory_, {name_, file_, dns_, addresses_, role_}, {day(start_), days_});
  if (!made) {
    code_ = fail(made.error());
    return;
  }
  auto key = *made;
  std::printf("%s and %s\n", made->c_str(), key.replace_extension(".key").filename().c_str());
}

}  // namespace weft::controller
