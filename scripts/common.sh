# shellcheck shell=bash
# What scripts/test and scripts/quickstart share. Source it; it runs nothing.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
export ROOT

say() { printf '%s\n' "$*"; }

# Ends the script: what is wrong, then what to do.
die() {
    printf 'error: %s\n' "$1" >&2
    shift
    local hint
    for hint in "$@"; do printf '       %s\n' "$hint" >&2; done
    exit 1
}

# 75 -> 1m15s
duration() { if [[ $1 -lt 60 ]]; then printf '%ss' "$1"; else printf '%sm%02ds' $(($1 / 60)) $(($1 % 60)); fi; }

# Leaves an environment in which plain cargo finds libtorch: .cargo/config.toml says where it is.
prepare_cargo() {
    command -v cargo >/dev/null 2>&1 || die "cargo is not in PATH." "Install Rust from https://rustup.rs, then open a new shell."
    if [[ -n ${RUSTFLAGS+set}${CARGO_ENCODED_RUSTFLAGS+set} ]]; then
        say "note: RUSTFLAGS is set aside: it would replace the flags of .cargo/config.toml that let programs find libtorch"
        unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
    fi
    # Those flags are relative to <repository>/target.
    if [[ -n ${CARGO_TARGET_DIR:-}${CARGO_BUILD_TARGET_DIR:-} ]]; then
        export LD_LIBRARY_PATH=$ROOT/libtorch/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    fi
}

# The user's cache folder. A relative path is ignored, as the XDG Base Directory Specification asks.
cache_home() { if [[ ${XDG_CACHE_HOME:-} == /* ]]; then printf '%s' "$XDG_CACHE_HOME"; else printf '%s' "$HOME/.cache"; fi; }

# Where cargo puts what it builds.
target_dir() { printf '%s' "${CARGO_TARGET_DIR:-${CARGO_BUILD_TARGET_DIR:-$ROOT/target}}"; }
