#pragma once
/// An established stream (RFC 6120 §4): stanzas in and out, until it ends for a cause in words. On
/// the thread of its io_context.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "http/asio.hpp"
#include "weft/result.hpp"
#include "xmpp/element.hpp"
#include "xmpp/jid.hpp"
#include "xmpp/reader.hpp"
#include "xmpp/send_queue.hpp"
#include "xmpp/writer.hpp"

namespace weft::xmpp {

class Connection;
struct Established;

struct SessionLimits {
  /// Closed when nothing was heard for so long; time in which this thread stood still does not
  /// count. White space goes out at a third of it, and a ping when the peer was silent for a third.
  std::chrono::milliseconds hold{90'000};
  std::chrono::milliseconds request_timeout{30'000};
  std::chrono::milliseconds close_timeout{2'000};  ///< what waits is sent in this time, or dropped
  std::size_t queue_bytes = 8 << 20;
  std::size_t queue_stanzas = 65'536;
  std::size_t requests = 4096;  ///< ours that wait for an answer
  ReaderLimits reader{};
};

struct SessionCounters {
  std::uint64_t stanzas_in = 0;
  std::uint64_t stanzas_out = 0;
  std::uint64_t bytes_in = 0;   ///< of XML, without TLS
  std::uint64_t bytes_out = 0;  ///< of XML, without TLS
  std::uint64_t replaced = 0;   ///< stanzas that a newer one of their key replaced unsent
  std::size_t queue_bytes_most = 0;
  std::size_t queue_stanzas_most = 0;
};

/// Made by Client and Server, which hold it until it ends. Whoever gets one sets the handlers
/// before he returns to the loop.
class Session : public std::enable_shared_from_this<Session> {
 public:
  /// Stanzas that are no answer to a request of ours, and no ping. False for an iq get or set says
  /// that nobody knows it, and the session answers service-unavailable; true, that an answer
  /// (result_of, error_of) is or will be sent.
  std::function<bool(const Element& stanza)> on_stanza;
  /// Once, from the loop, never from within a call of this class.
  std::function<void(const std::string& cause)> on_end;
  /// The queue has room again after it had none: see has_room.
  std::function<void()> on_room;

  /// For Client and Server. `ended` is called behind on_end.
  static std::shared_ptr<Session> start(Established stream, SessionLimits limits,
                                        std::function<void()> ended);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  /// The end here and there; `peer` is a full JID where the peer bound a resource.
  [[nodiscard]] const Jid& self() const { return self_; }
  [[nodiscard]] const Jid& peer() const { return peer_; }
  [[nodiscard]] const std::string& remote_address() const {
    return remote_address_;
  }  ///< `ip:port`

  /// Queues a stanza. With a key it replaces, in its place, what waits unsent under the same key:
  /// the newest state wins. A queue that is full ends the session, since its peer reads too slowly.
  /// After the end it does nothing.
  void send(Text text, std::string key = {});
  void send(const Element& stanza, std::string key = {}) { send(encode(stanza), std::move(key)); }

  /// At most half of the queue is used: who has much to tell, tells while this is so, and goes on
  /// at on_room.
  [[nodiscard]] bool has_room() const;

  /// Sends an iq get or set with an id of its own, to the peer where it has no `to`. The result, or
  /// an Error: what the peer says, a time-out, the end of the session.
  using Answer = std::function<void(Result<Element>)>;
  void request(Element iq, Answer answer);
  boost::asio::awaitable<Result<Element>> request(Element iq);

  /// Sends what waits and takes leave, in close_timeout at most. With a condition of RFC 6120
  /// §4.9.3 the peer is told why, and what waits is dropped.
  void close(const std::string& cause, const std::string& condition = {});
  /// The same, but on_end comes at once.
  void evict(const std::string& cause, const std::string& condition);
  /// Ends now.
  void abort(const std::string& cause);
  /// Ends now, and calls no handler any more: whoever set them is about to go.
  void abandon();

  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] const std::string& cause() const { return cause_; }  ///< of the end
  [[nodiscard]] SessionCounters counters() const;
  [[nodiscard]] std::size_t queued_bytes() const { return queue_.bytes(); }
  [[nodiscard]] std::size_t queued_stanzas() const { return queue_.stanzas(); }

 private:
  struct Waiting;
  using Time = std::chrono::steady_clock::time_point;

  Session(Established stream, SessionLimits limits, std::function<void()> ended);
  boost::asio::awaitable<void> receive();
  boost::asio::awaitable<void> transmit();
  boost::asio::awaitable<void> keep_alive();
  void take(Element stanza);
  void hand_over(const Element& stanza);
  void take_answer(const Element& stanza);
  void answer(const std::string& id, Result<Element> result);
  void tick(Time now);
  void finish();

  std::unique_ptr<Connection> connection_;
  Jid self_;
  Jid peer_;
  std::string peer_name_;
  std::string remote_address_;
  SessionLimits limits_;
  SessionCounters counters_;
  SendQueue queue_;
  bool short_of_room_ = false;
  bool serves_ = false;   ///< we are the server: who sends is known here
  bool closing_ = false;  ///< nothing is queued any more; cause_ says why
  std::string farewell_;
  bool left_ = false;  ///< the farewell is on its way
  bool peer_left_ = false;
  bool ended_ = false;
  bool abandoned_ = false;
  std::string cause_;
  std::function<void()> ended_handler_;
  std::string id_prefix_;
  std::uint64_t next_id_ = 0;
  std::unordered_map<std::string, std::unique_ptr<Waiting>> waiting_;  ///< by id
  Time sent_;
  bool writing_ = false;
  Time ticked_;
  Time heard_;
  Time::duration silent_{};  ///< since something was heard
  Time::duration stuck_{};   ///< since the write that is on its way began
  bool blank_due_ = false;
  bool pinging_ = false;
  boost::asio::steady_timer news_;   ///< cancelled when there is something to send
  boost::asio::steady_timer clock_;  ///< of keep_alive
  boost::asio::steady_timer leave_;  ///< how long taking leave may last
};

}  // namespace weft::xmpp
