#pragma once
/// The API over mutual TLS.

#include <boost/asio/io_context.hpp>
#include <memory>

#include "controller/api.hpp"
#include "controller/config.hpp"
#include "http/tls_server.hpp"

namespace weft::controller {

/// Serves `api` at api.listen of `config`, until destroyed, to operators with a certificate of the
/// authority in api.tls, or in tls where that is not given. Who is refused, and who changes
/// something, is logged.
Result<std::unique_ptr<http::TlsServer>> listen_tls(boost::asio::io_context& io, Api& api,
                                                    const Config& config, http::Limits limits);

/// What it shows and asks for; to be read again where certificates were renewed.
Result<std::shared_ptr<tls::Context>> load_api_tls(const Config& config);

}  // namespace weft::controller
