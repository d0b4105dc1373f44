/// The resolver's part of policies: which VIF is under which rules, each distinct list compiled
/// once. A VIF keeps the rules that it has until those that it shall have are compiled; a new one
/// is closed until then.

#include <algorithm>
#include <map>
#include <set>

#include "agent/resolver.hpp"
#include "agent/vif_rules.hpp"

namespace weft::agent {

void Resolver::change_security_groups(
    Transaction& tx, const Update::Changes<SecurityGroupConfig, std::string>& changes) {
  for (const auto& name : changes.erase) tx.erase(model_.security_groups, name);
  for (const auto& [config, owner] : changes.put) {
    tx.put(model_.security_groups, config.name, SecurityGroupObject{config, owner});
  }
}

namespace {

/// Whether the update says something of the VIF's rules, be it what was said before.
bool speaks_of(const Update& update, const VifObject& vif, const std::vector<std::string>& groups) {
  const auto puts = [](const auto& changes, const auto& name) {
    return std::ranges::any_of(changes.put,
                               [&](const auto& put) { return put.config.name == name; });
  };
  return puts(update.vifs, vif.config.name) || puts(update.vrfs, vif.config.vrf) ||
         std::ranges::any_of(
             groups, [&](const auto& group) { return puts(update.security_groups, group); });
}

}  // namespace

Status Resolver::refresh_policies(Transaction& tx, const Update& update) {
  const GroupMembers members(model_);
  std::map<std::pair<VrfId, std::vector<std::string>>, VifPolicy> known;
  std::vector<VifObject> changed;
  for (const auto& [name, vif] : model_.vifs) {
    if (vif.host) continue;
    const auto& groups = groups_of(model_, vif);
    const auto [entry, fresh] = known.try_emplace({vif.vrf, groups});
    VifPolicy& wanted = entry->second;
    if (fresh) wanted = policy_for(tx, rules_of(model_, members, vif.vrf, groups));
    if (vif.next != wanted || speaks_of(update, vif, groups)) concerned_.insert(name);
    if (vif.next == wanted) continue;
    changed.push_back(vif);
    changed.back().next = wanted;
  }
  for (VifObject& vif : changed) {
    const auto old = vif.policy.id;
    if (!vif.next.id.valid() || model_.policies.at(vif.next.id).compiled != nullptr) {
      vif.policy = vif.next;
    } else if (update.opened.contains(vif.config.name)) {
      if (auto status = close(tx); !status) return status;
      vif.policy = {closed_, nullptr};
    }
    tx.put(model_.vifs, vif.config.name, vif);
    if (vif.policy.id != old) tx.vifs[vif.id] = forwarding_vif(vif);
  }
  drop_unused_policies(tx);
  return ok();
}

/// The policy that lets nothing through, made when it is needed first.
Status Resolver::close(Transaction& tx) {
  if (closed_.valid()) return ok();
  auto made = compiler_.closed();
  if (!made) return Error{"the policy of new vifs: " + made.error().message};
  closed_ = take(tx, policy_ids_);
  tx.on_undo([this] { closed_ = {}; });
  tx.policies[closed_] = *std::move(made);
  return ok();
}

VifPolicy Resolver::policy_for(Transaction& tx, std::shared_ptr<const VifRules> rules) {
  if (rules == nullptr) return {};
  for (const auto& [id, policy] : model_.policies) {
    if (policy.rules->policy != rules->policy) continue;
    if (!policy.error.empty()) {  // perhaps it can be had by now
      const PolicyId again = id;
      tx.put(model_.policies, again, PolicyObject{rules, nullptr, {}});
      tx.on_commit([this, again, rules] { compiler_.compile(again, rules); });
      return {again, std::move(rules)};
    }
    // The same rules may come from other groups.
    return {id, *policy.rules == *rules ? policy.rules : rules};
  }
  const auto id = take(tx, policy_ids_);
  tx.put(model_.policies, id, PolicyObject{rules, nullptr, {}});
  tx.on_commit([this, id, rules] { compiler_.compile(id, rules); });
  return {id, std::move(rules)};
}

void Resolver::drop_unused_policies(Transaction& tx) {
  std::set<PolicyId> used;
  for (const auto& [name, vif] : model_.vifs) used.insert({vif.policy.id, vif.next.id});
  std::vector<PolicyId> unused;
  for (const auto& [id, policy] : model_.policies) {
    if (!used.contains(id)) unused.push_back(id);
  }
  for (const PolicyId id : unused) {
    if (model_.policies.at(id).compiled != nullptr) {
      tx.later.batch.policies.push_back({id, std::nullopt});
    }
    tx.later.release.emplace_back([this, id] { policy_ids_.release(id); });
    tx.erase(model_.policies, id);
  }
}

Status Resolver::policy_compiled(PolicyId id, PolicyCompiler::Made made) {
  if (!model_.policies.contains(id)) return ok();  // nobody wants it any more
  auto status = made ? enforce(id, *std::move(made)) : Status(made.error());
  if (!status) model_.policies.at(id).error = status.error().message;
  return status;
}

Status Resolver::enforce(PolicyId id, std::shared_ptr<const CompiledPolicy> compiled) {
  Transaction tx;
  tx.policies[id] = compiled;
  tx.put(model_.policies, id, PolicyObject{model_.policies.at(id).rules, std::move(compiled), {}});
  for (const auto& name : vifs_that_wait_for(id)) {
    VifObject vif = model_.vifs.at(name);
    vif.policy = vif.next;
    tx.put(model_.vifs, vif.config.name, vif);
    tx.vifs[vif.id] = forwarding_vif(vif);
  }
  drop_unused_policies(tx);
  const auto published = publish(tx);
  return published ? ok() : Status(published.error());
}

std::set<std::string> Resolver::vifs_that_wait_for(PolicyId id) const {
  std::set<std::string> out;
  for (const auto& [name, vif] : model_.vifs) {
    if (vif.next.id == id && vif.policy.id != id) out.insert(name);
  }
  return out;
}

bool Resolver::compiling() const {
  return std::ranges::any_of(model_.policies, [](const auto& entry) {
    return entry.second.compiled == nullptr && entry.second.error.empty();
  });
}

}  // namespace weft::agent
