#pragma once
/// Profiles that controllers tell: objects in the words of `weft.yaml`, and how far each
/// controller's are applied.
///
/// Where controllers tell different things of one object, the one whose session is the oldest is
/// followed, and the others hear that they were not: who comes back may not know what happened. But
/// who may come in by a decap is what any of them says: each controller lets a sender in before it
/// sends him, so whichever of them a sender follows, he is let in.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/channel_routes.hpp"
#include "agent/config_manager.hpp"
#include "channel/profile_codec.hpp"

namespace weft::agent {

class ChannelProfiles {
 public:
  /// `sources`: names of the controllers, in their order.
  ChannelProfiles(ConfigManager& manager, std::vector<std::string> sources)
      : manager_(manager), sources_(std::move(sources)), heard_(sources_.size()) {}

  /// The controller has a session now.
  void begin(std::size_t source);
  /// What controller number `source` says.
  void hear(std::size_t source, channel::ProfileItems items);
  void mark_stale(std::size_t source);
  /// Forgets what is stale of it.
  void sweep(std::size_t source);

  [[nodiscard]] bool pending() const { return !changed_.empty(); }
  /// Brings at most `most` changed profiles into force, as far as they have a place.
  void apply(std::size_t most);

  /// What is to be acknowledged to a controller, when it is another thing than before: nothing
  /// while something waits.
  std::optional<channel::Applied> take_acknowledgement(std::size_t source);

  /// Tunnels among them, by what they lead to; `changed_since` tells whether they are other ones.
  [[nodiscard]] const ChannelRoutes::Offered& tunnels() const { return tunnels_; }
  bool take_tunnels_changed() { return std::exchange(tunnels_changed_, false); }

  /// `see(id, generation, stale)` for each.
  template <class See>
  void each(See see) const {
    for (const auto& [id, voices] : profiles_) {
      if (voices.empty()) continue;
      const auto& told = followed(voices)->second;
      see(id, told.generation, told.stale);
    }
  }
  [[nodiscard]] std::size_t size() const { return profiles_.size(); }
  [[nodiscard]] std::size_t stale() const;
  /// Of these, what controller number `source` has not told again.
  [[nodiscard]] std::size_t stale(std::size_t source) const;
  /// Of all their texts.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t applied(std::size_t source) const { return heard_[source].applied; }
  /// Why profiles have no place here, by their names.
  [[nodiscard]] const std::map<channel::ProfileName, std::string>& refused() const {
    return refused_;
  }
  /// Whether a profile of that kind (a word like `vrf`) and name stands now.
  [[nodiscard]] bool has(std::string_view kind, const std::string& name) const {
    return profiles_.contains({std::string(kind), name});
  }

 private:
  struct Told {
    std::uint64_t generation = 0;
    std::string json;
    bool stale = false;
  };
  /// In the order in which kinds rest on one another.
  struct ByKind {
    bool operator()(const channel::ProfileName& a, const channel::ProfileName& b) const;
  };
  /// What the controllers say of one profile, by their numbers.
  using Voices = std::map<std::size_t, Told>;
  struct Heard {
    std::uint64_t rank = 0;        ///< the lowest is followed
    std::uint64_t generation = 0;  ///< the highest that was told
    std::uint64_t applied = 0;     ///< that was acknowledged
    /// Of profiles that it tells and that are not followed, whom we follow instead.
    std::map<channel::ProfileName, std::size_t> overruled{};
    bool again = false;  ///< what is refused is another thing than what was acknowledged
  };

  [[nodiscard]] Voices::const_iterator followed(const Voices& voices) const;
  [[nodiscard]] std::string in_force(const channel::ProfileName& id, const Voices& voices) const;
  void compare(const channel::ProfileName& id, const Voices& voices);
  void fall_silent(const channel::ProfileName& id, Voices& voices, std::size_t source);
  void refused_changed();
  void take_changed(std::size_t most, std::set<channel::ProfileName>& put,
                    std::set<channel::ProfileName>& gone);
  template <class Object>
  void apply_kind(std::set<channel::ProfileName>& names);
  void refuse(const channel::ProfileName& name, const std::string& why);

  ConfigManager& manager_;
  std::vector<std::string> sources_;
  std::map<channel::ProfileName, Voices> profiles_;
  std::size_t bytes_ = 0;
  std::set<channel::ProfileName, ByKind> changed_;
  std::map<channel::ProfileName, std::string> refused_;
  std::vector<Heard> heard_;
  std::uint64_t events_ = 0;  ///< sessions that began or ended
  ChannelRoutes::Offered tunnels_;
  std::map<std::string, TunnelKey> tunnel_keys_;
  bool tunnels_changed_ = false;
};

}  // namespace weft::agent
