#!/bin/sh
# Create or complete .venv: `tools/venv.sh base` for running, `tools/venv.sh all` for everything, or one extra by name.
#
# Only POSIX sh and the Python that is asked for ($PYTHON, else python3) run here, so that a machine without what we
# need gets one sentence that says so. A stamp inside .venv remembers what was installed; nothing is done twice.
set -eu

want=${1:?usage: tools/venv.sh base|all|EXTRA}
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=.venv

fail() {
    echo "adjudge: $1" >&2
    exit 1
}

# The folder is part of the stamp: an editable install points at the folder it was made in.
stamp_of() {
    { cat pyproject.toml constraints.txt; pwd; "$venv/bin/python" --version; echo "$1"; } | cksum
}

installed() {
    [ -f "$venv/.installed-$1" ] && [ "$(cat "$venv/.installed-$1")" = "$(stamp_of "$1")" ]
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

if ! { [ -x "$venv/bin/python" ] && new_enough "$venv/bin/python" && "$venv/bin/python" -c 'import pip' 2>/dev/null; }; then
    command -v "$python" >/dev/null 2>&1 ||
        fail "there is no $python here; install Python 3.11 or newer, or name one: make ${MAKECMDGOALS:-demo} PYTHON=/path/to/python3.12"
    new_enough "$python" ||
        fail "Python 3.11 or newer is needed, and $python is $("$python" --version 2>&1 | head -n 1); name a newer one: make ${MAKECMDGOALS:-demo} PYTHON=/path/to/python3.12"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python lacks the venv module; on Debian or Ubuntu install it with: apt-get install python3-venv"
    echo "adjudge: creating $venv with $("$python" --version 2>&1)"
    "$python" -m venv --clear "$venv" || fail "$python could not create $venv; its own words are above"
fi

if installed "$want" || { [ "$want" != all ] && installed all; }; then
    exit 0
fi

case $want in
    base) target=. what="what running needs" ;;
    all) target=".[all]" what="what running, testing, benchmarks and docs need" ;;
    *) target=".[$want]" what="what running and the extra '$want' need" ;;
esac
echo "adjudge: completing $venv: pip downloads $what from your package index, in the versions of constraints.txt:"
# pip says a great deal; what is downloaded, and how large it is, is what a reader wants to know.
{ "$venv/bin/python" -m pip install --no-input --disable-pip-version-check --progress-bar off \
    --editable "$target" --constraint constraints.txt 2>&1; echo "exit $?"; } |
    awk '/^ *(Downloading|Using cached|Processing) / { sub(/^ */, ""); print "  " $0; fflush() }
         /^ *(ERROR|error)/ { print; fflush(); failing = 1; next }
         failing && !/^exit / { print; fflush() }
         /^exit / { code = $2 }
         END { exit code }' ||
    fail "pip could not complete $venv; its own words are above"
stamp_of "$want" >"$venv/.installed-$want"
echo "adjudge: $venv is complete"
