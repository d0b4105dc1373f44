#pragma once
/// Warns of certificates that are about to end.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace weft::tls {

using WallTime = std::chrono::system_clock::time_point;

/// What to say of a certificate with less than 30 days left at `now`.
std::optional<std::string> expiry_warning(const std::string& path, WallTime expires, WallTime now);

/// Says it when it hears of the certificate, and each day from then on.
class ExpiryWatch {
 public:
  ExpiryWatch(boost::asio::io_context& io, std::function<void(const std::string&)> warn);
  ExpiryWatch(const ExpiryWatch&) = delete;
  ExpiryWatch& operator=(const ExpiryWatch&) = delete;

  /// The same file again counts as renewed.
  void add(const std::string& path, WallTime expires);
  void stop() { timer_.cancel(); }

 private:
  struct Certificate {
    std::string path;
    WallTime expires;
  };
  void look(const Certificate& certificate) const;
  void wait();

  boost::asio::steady_timer timer_;
  std::function<void(const std::string&)> warn_;
  std::vector<Certificate> certificates_;
};

}  // namespace weft::tls
