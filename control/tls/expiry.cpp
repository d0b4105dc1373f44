#include "tls/expiry.hpp"

#include <algorithm>
#include <ctime>

namespace weft::tls {

namespace {

using std::chrono::days;

std::string day_text(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[16];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d", &parts)};
}

}  // namespace

std::optional<std::string> expiry_warning(const std::string& path, WallTime expires, WallTime now) {
  constexpr days early{30};
  if (expires - now >= early) return std::nullopt;
  const std::string what = "the certificate " + path;
  constexpr const char* remedy = "; issue a new one and reload";
  if (expires <= now) return what + " is expired since " + day_text(expires) + remedy;
  const auto left = std::chrono::floor<days>(expires - now).count();
  return what + " ends on " + day_text(expires) + ", in " + std::to_string(left) +
         (left == 1 ? " day" : " days") + remedy;
}

ExpiryWatch::ExpiryWatch(boost::asio::io_context& io, std::function<void(const std::string&)> warn)
    : timer_(io), warn_(std::move(warn)) {}

void ExpiryWatch::add(const std::string& path, WallTime expires) {
  const auto known = std::ranges::find(certificates_, path, &Certificate::path);
  if (known != certificates_.end()) {
    if (known->expires == expires) return;
    known->expires = expires;
    return look(*known);
  }
  certificates_.push_back({path, expires});
  look(certificates_.back());
  if (certificates_.size() == 1) wait();
}

void ExpiryWatch::look(const Certificate& certificate) const {
  const auto text =
      expiry_warning(certificate.path, certificate.expires, std::chrono::system_clock::now());
  if (text) warn_(*text);
}

void ExpiryWatch::wait() {
  timer_.expires_after(days(1));
  timer_.async_wait([this](const boost::system::error_code& stopped) {
    if (stopped) return;
    for (const auto& certificate : certificates_) look(certificate);
    wait();
  });
}

}  // namespace weft::tls
