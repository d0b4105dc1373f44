# shellcheck shell=bash
# Configures and builds with meson and ninja. Sourced with `top` set to the source directory.

# as_owner DIR COMMAND…: as the owner of DIR, or of the sources while it does not exist, so that
# `sudo tools/demo` leaves no file of root's in a clone.
as_owner() {
  local owned=${top:?} uid gid
  [[ -d $1 ]] && owned=$1
  uid=$(stat -c %u "$owned")
  gid=$(stat -c %g "$owned")
  shift
  if ((EUID == 0 && uid != 0)); then
    setpriv --reuid="$uid" --regid="$gid" --clear-groups "$@"
  else
    "$@"
  fi
}

# configure_weft DIR [OPTION…]
configure_weft() {
  local dir=$1 log
  shift
  [[ -f $dir/build.ninja ]] && return 0
  if ! log=$(as_owner "$dir" meson setup "$dir" "$top" "$@" 2>&1); then
    tail -n 25 <<<"$log" >&2
    echo "error: meson could not configure $dir" >&2
    return 1
  fi
}

# build_weft DIR [OPTION…]: configures where that was not done yet, and builds.
build_weft() {
  configure_weft "$@" && build_targets "$1"
}

# build_targets DIR [TARGET…]: all that DIR builds by default, or the named targets.
build_targets() {
  local dir=$1 log started=$SECONDS
  shift
  printf 'building %s … ' "${dir#"$top"/}"
  if ! log=$(as_owner "$dir" ninja -C "$dir" "$@" 2>&1); then
    echo failed
    grep -E -A 12 'error:|FAILED:|ninja: error' <<<"$log" | head -n 60 >&2 || true
    echo "error: the build in $dir failed; see all of it with: ninja -C $dir $*" >&2
    return 1
  fi
  echo "done in $((SECONDS - started)) s"
}

# The build with which tests look for what is undefined, and fuzz targets for what is new to them.
sanitized_build=$top/build-fuzz
configure_sanitized() {
  CC=clang-14 CXX=clang++-14 configure_weft "$sanitized_build" -Dfuzzing=true -Dbenchmarks=false \
    -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1
}
