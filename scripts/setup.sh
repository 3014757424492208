#!/bin/sh
# Makes .venv from requirements.lock with plain pip. What goes wrong is said with its remedy.
set -eu
python=${PYTHON:-python3}

fail() {
    echo "error: $*" >&2
    exit 2
}

command -v "$python" >/dev/null 2>&1 ||
    fail "there is no '$python'; install Python 3.11 or newer, or call make PYTHON=/path/to/python"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old; fedbytes needs Python 3.11 or newer: make PYTHON=/path/to/python"
free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
[ "$free" -ge 4000 ] || fail "only $free MB of disk are free here; the installation needs 4000 MB"

echo "Setting up .venv (about 2 GB, once) ..."
[ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null || {
    rm -rf .venv
    "$python" -m venv .venv ||
        fail "'$python -m venv' failed; on Debian and Ubuntu: apt install python3-venv"
}
.venv/bin/python -m pip install --disable-pip-version-check -r requirements.lock ||
    fail "pip could not install requirements.lock; check that a Python package index can be reached, then call make again"
.venv/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable . ||
    fail "pip could not install fedbytes itself; see its message above"
touch .venv/ready
