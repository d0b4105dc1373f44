# shellcheck shell=bash
# What Weft needs from Debian, and how to get it without starting anything on this host.

# shellcheck disable=SC2034  # for those who source this file
packages_build=(
  g++ meson ninja-build pkg-config
  libdpdk-dev libboost-dev libyaml-cpp-dev libspdlog-dev libfmt-dev
  nlohmann-json3-dev libcli11-dev libsystemd-dev libpcap0.8-dev libbpf-dev catch2 libbenchmark-dev
  libexpat1-dev libssl-dev libsqlite3-dev libjemalloc-dev
)
# shellcheck disable=SC2034  # testpmd and Open vSwitch with DPDK, which tools/bench compares with
packages_bench=(dpdk-dev openvswitch-switch openvswitch-switch-dpdk iproute2 python3)
# shellcheck disable=SC2034
packages_demo=(iproute2 iputils-ping ethtool iperf3 tshark jq)
# shellcheck disable=SC2034  # tools/fuzz; llvm measures what the corpora reach
packages_fuzz=(clang-14 libclang-rt-14-dev llvm-14 python3 python3-scapy)
# shellcheck disable=SC2034
packages_test=(
  python3 python3-pytest python3-scapy git curl
  iproute2 iputils-ping ethtool iperf3 tshark tcpdump openvswitch-switch prometheus frr
  openssl prosody prosody-modules python3-slixmpp
  clang-format clang-tidy-19 libxml2-utils shellcheck valgrind
)

policy_file=/usr/sbin/policy-rc.d
policy_saved=$policy_file.before-weft
policy_mark='# written by Weft while it installs packages'

# Puts back what stood at policy_file before; does nothing when the one there is not ours.
restore_service_policy() {
  grep -qsF "$policy_mark" "$policy_file" || return 0
  if [[ -e $policy_saved || -L $policy_saved ]]; then
    mv -f "$policy_saved" "$policy_file"
  else
    rm -f "$policy_file"
  fi
}

# Packages may bring services (openvswitch-switch, prometheus, frr and prosody do); none of them may start here.
deny_service_starts() {
  restore_service_policy # of a run that was killed
  if [[ -e $policy_file || -L $policy_file ]]; then mv -f "$policy_file" "$policy_saved"; fi
  printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy_file"
  chmod 755 "$policy_file"
}

missing_packages() {
  local name
  for name in "$@"; do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || echo "$name"
  done
}

# ensure_packages NAME…: installs those that are missing; needs root only when some are.
ensure_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  echo "installing ${#missing[@]} Debian packages: ${missing[*]}"
  if ((EUID != 0)); then
    echo "error: installing packages needs root" >&2
    return 1
  fi
  local log
  if ! log=$(install_packages "${missing[@]}" 2>&1); then
    tail -n 25 <<<"$log" >&2
    echo "error: these packages could not be installed: ${missing[*]}" >&2
    return 1
  fi
}

# In a subshell, so that its traps and its lock end with it.
install_packages() (
  exec 9>/run/lock/weft-packages.lock
  flock 9
  trap restore_service_policy EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  deny_service_starts || exit 1
  export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
  apt-get update -qq 9>&- &&
    apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" </dev/null 9>&- ||
    exit 1
  # Nor at the next boot.
  local service
  for service in openvswitch-switch prometheus frr prosody; do
    [[ " $* " == *" $service "* ]] || continue
    update-rc.d "$service" disable || exit 1
    if command -v systemctl >/dev/null; then systemctl disable "$service.service" || exit 1; fi
  done
)
