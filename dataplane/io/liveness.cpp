#include "io/liveness.hpp"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>

#include "wire/bfd.hpp"

namespace weft::io {

namespace {

std::uint32_t random_word() {
  std::uint32_t word = 0;
  (void)!getrandom(&word, sizeof word, 0);
  return word;
}

}  // namespace

BfdSession::BfdSession(BfdId id, const BfdRequest& request, unsigned owner,
                       std::uint32_t discriminator, bfd::Time now)
    : id_(id),
      request_(request),
      owner_(owner),
      discriminator_(discriminator),
      session_(request.settings, discriminator, random_word(), now) {
  tell();
}

std::uint16_t BfdSession::source_port() const {
  constexpr unsigned range = 65536 - wire::bfd_first_source_port;
  return static_cast<std::uint16_t>(wire::bfd_first_source_port + id_.index() % range);
}

bool BfdSession::receive(const wire::Bfd& packet, bfd::Time now) {
  session_.receive(packet, now);
  received_.store(received_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return tell();
}

bool BfdSession::tick(bfd::Time now, std::optional<wire::Bfd>& send) {
  send = session_.tick(now);
  if (send) sent_.store(sent_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return tell();
}

void BfdSession::admin_down(bfd::Time now) {
  if (session_.status().state != BfdState::admin_down) session_.admin_down(now);
}

bool BfdSession::tell() {
  const BfdStatus now = session_.status();
  const std::uint32_t states =
      static_cast<std::uint32_t>(now.state) | static_cast<std::uint32_t>(now.remote_state) << 8 |
      std::uint32_t{now.diagnostic} << 16 | std::uint32_t{now.remote_diagnostic} << 24;
  remote_discriminator_.store(now.remote_discriminator, std::memory_order_relaxed);
  transmit_us_.store(now.transmit_us, std::memory_order_relaxed);
  detect_us_.store(now.detect_us, std::memory_order_relaxed);
  return states_.exchange(states, std::memory_order_relaxed) != states;
}

BfdStatus BfdSession::status() const {
  const std::uint32_t states = states_.load(std::memory_order_relaxed);
  return {.id = id_,
          .state = static_cast<BfdState>(states & 0xff),
          .remote_state = static_cast<BfdState>(states >> 8 & 0xff),
          .diagnostic = static_cast<std::uint8_t>(states >> 16),
          .remote_diagnostic = static_cast<std::uint8_t>(states >> 24),
          .discriminator = discriminator_,
          .remote_discriminator = remote_discriminator_.load(std::memory_order_relaxed),
          .transmit_us = transmit_us_.load(std::memory_order_relaxed),
          .detect_us = detect_us_.load(std::memory_order_relaxed),
          .sent = sent_.load(std::memory_order_relaxed),
          .received = received_.load(std::memory_order_relaxed)};
}

BfdSession* BfdSessions::find(PortId port, const IpAddress& source,
                              std::uint32_t discriminator) const {
  for (const auto& session : all) {
    const BfdRequest& its = session->request();
    const bool meant =
        discriminator != 0 ? session->discriminator() == discriminator : !session->ending();
    if (meant && its.port == port && its.neighbour == source) return session.get();
  }
  return nullptr;
}

Result<BfdId> BfdRoster::add(const BfdRequest& request, bfd::Time now) {
  if (entries_.size() >= most) {
    return Error{fmt::format("BFD with {}: there are {} sessions, and no more fit",
                             to_string(request.neighbour), entries_.size())};
  }
  std::uint32_t discriminator = 0;
  const auto taken = [&](const Entry& e) { return e.session->discriminator() == discriminator; };
  do {
    discriminator = random_word();
  } while (discriminator == 0 || std::ranges::any_of(entries_, taken));
  const BfdId id(started_ % BfdId::max_index);
  const unsigned owner = started_++ % workers_;
  entries_.push_back({std::make_shared<BfdSession>(id, request, owner, discriminator, now)});
  return id;
}

void BfdRoster::end(BfdId id) {
  for (Entry& entry : entries_) {
    if (entry.session->id() != id || entry.session->ending()) continue;
    entry.session->end();
    // What the neighbour waits, at the pace at which it hears of this from now on (RFC 5880
    // §6.8.16).
    entry.ends =
        Clock::now() + std::chrono::seconds(1) * entry.session->request().settings.multiplier;
  }
}

bool BfdRoster::forget_ended() {
  const auto now = Clock::now();
  return std::erase_if(entries_, [now](const Entry& entry) {
           return entry.session->ending() && entry.ends <= now;
         }) != 0;
}

std::size_t BfdRoster::ending() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(entries_, [](const Entry& e) { return e.session->ending(); }));
}

std::vector<BfdStatus> BfdRoster::statuses() const {
  std::vector<BfdStatus> out;
  for (const Entry& entry : entries_) {
    if (!entry.session->ending()) out.push_back(entry.session->status());
  }
  return out;
}

std::unique_ptr<BfdSessions> BfdRoster::make_list() const {
  if (entries_.empty()) return nullptr;
  auto list = std::make_unique<BfdSessions>();
  for (const Entry& entry : entries_) list->all.push_back(entry.session);
  return list;
}

}  // namespace weft::io
