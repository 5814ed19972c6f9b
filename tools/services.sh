#!/bin/sh
# Install the programs that service tests and benchmarks start, where this machine lets us (root and apt);
# otherwise say which are missing, what needs them, and why they were left out. Never fails: a test that misses one says so.
set -eu

missing=""
need() { # program, Debian package, who needs it
    command -v "$1" >/dev/null 2>&1 && return
    echo "adjudge: $1 is not here; it is needed by $3"
    missing="$missing $2"
}
initdb=initdb # Debian keeps it off the path
for program in /usr/lib/postgresql/*/bin/initdb "$(pg_config --bindir 2>/dev/null || true)/initdb"; do
    [ -x "$program" ] && initdb=$program
done

need redis-server redis-server "the benchmark http, which builds the usual design beside ours"
need wrk wrk "the benchmark http, as its load generator"
need strace strace "the tests of durability, which lose what was not synced"
need unshare util-linux "the tests of full disks, which mount a small one"
need mount mount "the tests of full disks, which mount a small one"
need "$initdb" postgresql "the tests of the log in Postgres, which start a server of their own"
need chromium chromium "the tests of the console, which look at its pages in a browser"

[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "adjudge: skipped installing$missing: not root; do it with: sudo apt-get install$missing"
elif ! command -v apt-get >/dev/null 2>&1; then
    echo "adjudge: skipped installing$missing: this machine has no apt-get"
else
    echo "adjudge: apt-get downloads and installs$missing"
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 # RUNLEVEL=1: install the servers, start none of them
    # shellcheck disable=SC2086
    { apt-get -qq update && apt-get -qq install -y --no-install-recommends $missing >/dev/null; } ||
        echo "adjudge: skipped$missing: apt-get could not install them; its own words are above"
fi
