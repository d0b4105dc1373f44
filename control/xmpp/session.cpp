#include "xmpp/session.hpp"

#include <random>

#include "xmpp/namespaces.hpp"
#include "xmpp/stanza.hpp"
#include "xmpp/stream.hpp"

namespace weft::xmpp {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

/// So much goes out by one write; what is part of it is not replaced any more.
constexpr std::size_t write_bytes = 32 << 10;
/// The hold time is looked at so often.
milliseconds tick_length(milliseconds hold) { return std::max(hold / 12, milliseconds(1)); }

std::string seconds(milliseconds time) {
  return time.count() % 1000 == 0 ? std::to_string(time.count() / 1000) + " s"
                                  : std::to_string(time.count()) + " ms";
}

std::string words_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "unknown";
  }
}

void set_attribute(Element& element, std::string_view name, std::string value) {
  const auto found = std::ranges::find(element.attributes, name, &Attribute::name);
  if (found != element.attributes.end()) {
    found->value = std::move(value);
  } else {
    element.attributes.push_back({std::string(name), std::move(value)});
  }
}

}  // namespace

/// A request of ours.
struct Session::Waiting {
  Waiting(const asio::any_io_executor& executor, std::string to, Answer the_answer)
      : addressee(std::move(to)), answer(std::move(the_answer)), timer(executor) {}

  std::string addressee;
  Answer answer;
  asio::steady_timer timer;
};

Session::Session(Established stream, SessionLimits limits, std::function<void()> ended)
    : connection_(std::move(stream.connection)),
      self_(std::move(stream.self)),
      peer_(std::move(stream.peer)),
      peer_name_(peer_.str()),
      remote_address_(connection_->remote_address()),
      limits_(limits),
      serves_(stream.serves),
      ended_handler_(std::move(ended)),
      sent_(steady_clock::now()),
      ticked_(sent_),
      heard_(sent_),
      news_(connection_->executor()),
      clock_(connection_->executor()),
      leave_(connection_->executor()) {
  id_prefix_ = std::to_string(std::random_device{}()) + "-";
}

Session::~Session() = default;

std::shared_ptr<Session> Session::start(Established stream, SessionLimits limits,
                                        std::function<void()> ended) {
  std::shared_ptr<Session> session(new Session(std::move(stream), limits, std::move(ended)));
  const auto executor = session->connection_->executor();
  const auto run = [&](auto work) {
    asio::co_spawn(
        executor, [session, work] { return (session.get()->*work)(); },
        [session](const std::exception_ptr& thrown) {
          if (thrown) session->abort("an error of ours: " + words_of(thrown));
        });
  };
  run(&Session::receive);
  run(&Session::transmit);
  run(&Session::keep_alive);
  return session;
}

SessionCounters Session::counters() const {
  SessionCounters counters = counters_;
  counters.bytes_in = connection_->bytes_in();
  counters.bytes_out = connection_->bytes_out();
  return counters;
}

bool Session::has_room() const {
  return queue_.bytes() <= limits_.queue_bytes / 2 && queue_.stanzas() <= limits_.queue_stanzas / 2;
}

void Session::send(Text text, std::string key) {
  if (ended_ || closing_) return;
  if (queue_.push(std::move(text), std::move(key))) ++counters_.replaced;
  counters_.queue_bytes_most = std::max(counters_.queue_bytes_most, queue_.bytes());
  counters_.queue_stanzas_most = std::max(counters_.queue_stanzas_most, queue_.stanzas());
  if (queue_.bytes() > limits_.queue_bytes || queue_.stanzas() > limits_.queue_stanzas) {
    return abort("the peer reads too slowly: " + std::to_string(queue_.stanzas()) + " stanzas of " +
                 std::to_string(queue_.bytes()) + " bytes wait for it");
  }
  if (!has_room()) short_of_room_ = true;
  news_.cancel();
}

void Session::request(Element iq, Answer answer) {
  std::string why;
  if (ended_ || closing_) why = "the session has ended: " + cause_;
  if (waiting_.size() >= limits_.requests) {
    why = std::to_string(waiting_.size()) + " requests wait for an answer already";
  }
  if (!why.empty()) {
    asio::post(connection_->executor(), [answer = std::move(answer), why] { answer(Error{why}); });
    return;
  }
  const std::string id = id_prefix_ + std::to_string(next_id_++);
  set_attribute(iq, "id", id);
  if (!iq.attribute("to")) set_attribute(iq, "to", peer_name_);
  auto& waiting = waiting_[id];
  waiting = std::make_unique<Waiting>(connection_->executor(), std::string(*iq.attribute("to")),
                                      std::move(answer));
  waiting->timer.expires_after(limits_.request_timeout);
  waiting->timer.async_wait([weak = weak_from_this(), id](const error_code& error) {
    const auto session = weak.lock();
    if (error || !session) return;
    session->answer(id, Error{"no answer within " + seconds(session->limits_.request_timeout)});
  });
  send(iq);
}

asio::awaitable<Result<Element>> Session::request(Element iq) {
  struct Wait {
    explicit Wait(const asio::any_io_executor& executor)
        : timer(executor, steady_clock::time_point::max()) {}
    asio::steady_timer timer;
    std::optional<Result<Element>> result;
  };
  const auto wait = std::make_shared<Wait>(connection_->executor());
  request(std::move(iq), [wait](Result<Element> result) {
    wait->result = std::move(result);
    wait->timer.cancel();
  });
  error_code ignored;
  if (!wait->result) co_await wait->timer.async_wait(to(ignored));
  if (!wait->result) co_return Error{"the request was given up"};
  co_return *std::move(wait->result);
}

void Session::answer(const std::string& id, Result<Element> result) {
  const auto found = waiting_.find(id);
  if (found == waiting_.end()) return;
  const auto waiting = std::move(found->second);
  waiting_.erase(found);
  waiting->answer(std::move(result));
}

void Session::close(const std::string& cause, const std::string& condition) {
  if (ended_ || closing_) return;
  closing_ = true;
  cause_ = cause;
  if (!condition.empty()) {
    queue_.clear();
    farewell_ = to_text(StreamError{condition, cause});
  }
  farewell_ += stream_end;
  leave_.expires_after(limits_.close_timeout);
  leave_.async_wait([weak = weak_from_this()](const error_code& error) {
    const auto session = weak.lock();
    if (!error && session) session->abort({});
  });
  news_.cancel();
}

void Session::abort(const std::string& cause) {
  if (ended_) return;
  ended_ = true;
  if (!closing_) cause_ = cause;
  connection_->close();
  queue_.clear();
  news_.cancel();
  clock_.cancel();
  leave_.cancel();
  asio::post(connection_->executor(), [session = shared_from_this()] { session->finish(); });
}

void Session::evict(const std::string& cause, const std::string& condition) {
  close(cause, condition);
  asio::post(connection_->executor(), [session = shared_from_this()] { session->finish(); });
}

void Session::abandon() {
  abandoned_ = true;
  abort("nobody wants it any more");
}

void Session::finish() {
  const auto waiting = std::exchange(waiting_, {});
  if (!abandoned_) {
    for (const auto& [id, request] : waiting) {
      request->answer(Error{"the session has ended: " + cause_});
    }
  }
  if (!abandoned_ && on_end) on_end(cause_);
  if (!abandoned_ && ended_handler_) ended_handler_();
  // They may hold the session.
  on_stanza = {};
  on_end = {};
  on_room = {};
  ended_handler_ = {};
}

asio::awaitable<void> Session::transmit() {
  std::string out;
  while (!ended_ && !(closing_ && queue_.empty())) {
    if (queue_.empty() && !blank_due_) {
      news_.expires_at(steady_clock::time_point::max());
      error_code woken;
      co_await news_.async_wait(to(woken));
      continue;
    }
    out.clear();
    counters_.stanzas_out += queue_.take(write_bytes, out);
    if (out.empty()) out = " ";
    blank_due_ = false;
    if (short_of_room_ && has_room()) {
      short_of_room_ = false;
      if (on_room) on_room();
      if (ended_) co_return;
    }
    writing_ = true;
    stuck_ = {};
    sent_ = steady_clock::now();
    const auto sent = co_await connection_->write(out);
    writing_ = false;
    if (!sent) abort(sent.error().message);
  }
  if (ended_) co_return;
  left_ = true;
  const auto sent = co_await connection_->write(farewell_);
  if (!sent || peer_left_) co_return abort({});
  connection_->finish_sending();
}

asio::awaitable<void> Session::receive() {
  while (true) {
    auto event = co_await connection_->read();
    if (ended_) co_return;
    if (!event) {
      const auto breach = connection_->breach();
      if (!breach) co_return abort(event.error().message);
      close("the peer breaks the rules of streams: " + event.error().message, breach->condition);
      co_await connection_->drain();
      co_return abort({});
    }
    if (auto* stanza = std::get_if<Element>(&event.value())) {
      take(std::move(*stanza));
      if (ended_) co_return;
    } else {
      peer_left_ = true;
      close("the peer closed the stream");
      if (left_) abort({});
      co_return;
    }
  }
}

void Session::take(Element stanza) {
  if (closing_) return;
  ++counters_.stanzas_in;
  if (stanza.xmlns == ns::streams && stanza.name == "error") {
    return close(describe_failure(stanza));
  }
  if (stanza.xmlns != ns::client ||
      (stanza.name != "iq" && stanza.name != "message" && stanza.name != "presence")) {
    return close("the peer sends <" + printable(stanza.name) + ">, which is no stanza",
                 "unsupported-stanza-type");
  }
  if (serves_) set_attribute(stanza, "from", peer_name_);  // RFC 6120 §8.1.2.1
  if (stanza.name == "iq" && !is_request(stanza)) return take_answer(stanza);
  if (is_request(stanza) && stanza.child("ping", ns::ping) != nullptr) {
    return send(result_of(stanza));
  }
  hand_over(stanza);
}

void Session::hand_over(const Element& stanza) {
  bool known = false;
  try {
    known = on_stanza && on_stanza(stanza);
  } catch (const std::exception& e) {
    if (is_request(stanza)) send(error_of(stanza, "internal-server-error", e.what()));
    return;
  }
  if (!known && is_request(stanza)) send(error_of(stanza, "service-unavailable"));
}

void Session::take_answer(const Element& stanza) {
  const std::string id(stanza.attribute("id").value_or(""));
  const auto found = waiting_.find(id);
  if (found == waiting_.end()) return;  // too late, or nobody asked
  const auto from = stanza.attribute("from");
  if (from && from != found->second->addressee) return;  // somebody else's
  if (stanza.attribute("type") == "result") {
    answer(id, stanza);
  } else {
    answer(id, Error{"the peer refuses: " + describe_error(stanza)});
  }
}

asio::awaitable<void> Session::keep_alive() {
  while (!ended_) {
    clock_.expires_after(tick_length(limits_.hold));
    error_code woken;
    co_await clock_.async_wait(to(woken));
    if (!ended_) tick(steady_clock::now());
  }
}

void Session::tick(Time now) {
  const Time::duration awake =
      std::min<Time::duration>(now - ticked_, 2 * tick_length(limits_.hold));
  ticked_ = now;
  silent_ = heard_ == connection_->heard() ? silent_ + awake : Time::duration{};
  heard_ = connection_->heard();
  if (writing_) stuck_ += awake;
  if (silent_ >= limits_.hold) {
    return abort("nothing was heard from the peer for " + seconds(limits_.hold));
  }
  if (stuck_ >= limits_.hold) {
    return abort("the peer took nothing for " + seconds(limits_.hold));
  }
  if (silent_ >= limits_.hold / 3 && !pinging_ && !closing_) {
    pinging_ = true;
    request(iq("get", {.name = "ping", .xmlns = std::string(ns::ping)}),
            [this](const Result<Element>&) { pinging_ = false; });
  }
  if (!writing_ && now - sent_ >= limits_.hold / 3) {
    blank_due_ = true;
    news_.cancel();
  }
}

}  // namespace weft::xmpp
