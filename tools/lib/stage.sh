# shellcheck shell=bash disable=SC2034,SC2154
# What the demos share: namespaces that go away with them, words on the screen, machines that ping. To be sourced; the
# demo sets `build` and `keep`, and says in look_around what a person may look at afterwards.

# All namespaces of a run begin with the name of its directory under /run, which mktemp made unique.
namespaces_of() { ip netns list | awk -v start="$1-" 'index($1, start) == 1 { print $1 }'; }

# Whatever runs in a namespace of ours is ours.
processes_of() {
  local ns
  for ns in $(namespaces_of "$1"); do ip netns pids "$ns" 2>/dev/null || true; done
}

signal_processes_of() {
  local pid
  for pid in $(processes_of "$1"); do kill "-$2" "$pid" 2>/dev/null || true; done
}

take_down() {
  local ns deadline=$((SECONDS + 5))
  signal_processes_of "$1" TERM
  while [[ -n $(processes_of "$1") ]] && ((SECONDS < deadline)); do sleep 0.05; done
  signal_processes_of "$1" KILL
  for ns in $(namespaces_of "$1"); do ip netns del "$ns" || true; done
  rm -rf "/run/${1:?}"
}

# shut_down PREFIX: what --keep left up.
shut_down() {
  if [[ ! $1 =~ ^weft-demo-[A-Za-z0-9]+$ || ! -d /run/$1 ]]; then
    echo "error: there is no demo called $1" >&2
    exit 1
  fi
  take_down "$1"
  echo "$1 is down"
}

prefix=
checks=0
passed=0

finish() {
  local status=$?
  trap '' INT TERM HUP PIPE
  [[ -n $prefix ]] || exit "$status"
  if ((status > 0 && status < 128)) && [[ -d /run/$prefix ]]; then
    tail -n 15 "/run/$prefix/"*.log >&2 2>/dev/null || true
  fi
  if $keep && ((status == 0)); then
    look_around
  else
    take_down "$prefix"
  fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
trap 'exit 141' PIPE

# --- words ------------------------------------------------------------------------------------------

if [[ -t 1 ]]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi

headline() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
show() { sed 's/^/   /'; }

# check TEXT COMMAND…: one of the things that this demo claims.
check() {
  local text=$1
  shift
  checks=$((checks + 1))
  if "$@"; then
    passed=$((passed + 1))
    echo "   ok: $text"
  else
    echo "   FAILED: $text"
  fi
}

# wait_for SECONDS WHAT COMMAND…
wait_for() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= deadline)); then
      echo "error: $what did not happen in time" >&2
      return 1
    fi
    sleep 0.05
  done
}

# --- machines ---------------------------------------------------------------------------------------

lcores='[0, 1]'
(($(nproc) > 1)) || lcores='[0]'

# Makes the directory and the prefix of all names.
set_stage() {
  dir=$(mktemp -d /run/weft-demo-XXXXXX)
  prefix=${dir##*/}
}

in_ns() { ip netns exec "$prefix-$1" "${@:2}"; }
ctl() { "$build/tools/weftctl" --socket "$dir/$1.sock" "${@:2}"; }

# add_namespace NAME [node]: of the kernel's own IPv6 only what the demo asks for: nodes have none, VMs no delays.
add_namespace() {
  ip netns add "$prefix-$1"
  ip -n "$prefix-$1" link set lo up
  if [[ ${2-} == node ]]; then
    in_ns "$1" sysctl -qw net.ipv6.conf.default.disable_ipv6=1
  else
    in_ns "$1" sysctl -qw net.ipv6.conf.default.accept_dad=0
  fi
}

# The VM's side of the tap that weftd made.
configure_vm() {
  local ns=$prefix-$1 host=$2
  wait_for 5 "the tap of $1" ip -n "$ns" link show vm0
  ip -n "$ns" link set vm0 mtu 1500 up
  ip -n "$ns" addr add "10.1.0.$host/24" dev vm0
  ip -n "$ns" addr add "fd00:1::$host/64" dev vm0 nodad
  ip -n "$ns" route add default via 10.1.0.1
  ip -n "$ns" -6 route add default via fd00:1::1
}

# all_answered COUNT: what a ping printed goes in; true if its first COUNT queries were answered. It asks on until so
# many answers came, so that a late one is not taken for a lost one.
all_answered() {
  awk -v count="$1" '
    / bytes from / { sub(/.* icmp_seq=/, ""); if ($1 <= count && !seen[$1]++) answered++ }
    /^rtt / { rtt = ", " $0 }
    END { printf "   %d of %d queries were answered%s\n", answered, count, rtt; exit answered < count }'
}

# pings NAMESPACE ADDRESS
pings() { in_ns "$1" ping -n -w 10 -c 20 -i 0.02 "$2" 2>&1 | all_answered 20; }
