#include "http/session.hpp"

#include <nlohmann/json.hpp>

#include "http/percent.hpp"

namespace weft::http {

bool BodyStream::write(std::string_view bytes) {
  if (closed_ || finished_ || waiting_.size() + bytes.size() > limit_bytes_) return false;
  waiting_ += bytes;
  if (wake_) wake_();
  return true;
}

void BodyStream::finish() {
  finished_ = true;
  if (wake_) wake_();
}

void BodyStream::reader_left() {
  if (closed_ || finished_) return;
  if (const auto tell = std::exchange(on_reader_left, {})) tell();
}

Response failure(bhttp::status status, const std::string& message) {
  using Json = nlohmann::json;
  return {.status = static_cast<unsigned>(status),
          .body = Json{{"error", message}}.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

bhttp::response<bhttp::string_body> to_message(Response response, bool keep_alive) {
  bhttp::response<bhttp::string_body> message;
  message.result(response.status);
  message.set(bhttp::field::content_type, response.content_type);
  message.body() = std::move(response.body);
  message.keep_alive(keep_alive);
  message.prepare_payload();
  return message;
}

std::optional<Response> complaint(const error_code& error, const Limits& limits) {
  if (error == bhttp::error::body_limit) {
    return failure(bhttp::status::payload_too_large,
                   "the body is larger than " + std::to_string(limits.body_bytes) + " bytes");
  }
  if (error == bhttp::error::header_limit || error == bhttp::error::buffer_overflow) {
    return failure(bhttp::status::request_header_fields_too_large,
                   "the header is larger than " + std::to_string(limits.header_bytes) + " bytes");
  }
  if (error == bhttp::error::end_of_stream || error == bhttp::error::partial_message) return {};
  if (error.category() != bhttp::make_error_code(bhttp::error::bad_method).category()) return {};
  return failure(bhttp::status::bad_request, "not a request: " + error.message());
}

Response answer(const Handler& handler, bhttp::request<bhttp::string_body> message) {
  const auto method = message.method();
  if (method != bhttp::verb::get && method != bhttp::verb::post && method != bhttp::verb::put &&
      method != bhttp::verb::delete_) {
    return failure(bhttp::status::method_not_allowed, "wanted GET, POST, PUT or DELETE");
  }
  const std::string_view target(message.target().data(), message.target().size());
  const auto question = target.find('?');
  auto path = percent_decode(target.substr(0, question));
  if (!path || !path->starts_with('/')) {
    return failure(bhttp::status::bad_request, "not a path: " + std::string(target));
  }
  const Request request{
      .method = std::string(message.method_string()),
      .path = *std::move(path),
      .query = std::string(question == target.npos ? "" : target.substr(question + 1)),
      .body = std::move(message.body())};
  try {
    return handler(request);
  } catch (const std::exception& e) {
    return failure(bhttp::status::internal_server_error, e.what());
  } catch (...) {
    return failure(bhttp::status::internal_server_error, "unknown exception");
  }
}

}  // namespace weft::http
