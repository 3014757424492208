#!/bin/sh
# Installs Debian's Chromium, which the tests of the report click in. Without it they are skipped.
set -eu
command -v chromium >/dev/null 2>&1 && { echo "Chromium is there: $(chromium --version)"; exit 0; }
command -v apt-get >/dev/null 2>&1 || {
    echo "skipped: there is no apt-get here; install Chromium by hand to test the report in it"
    exit 0
}
[ "$(id -u)" = 0 ] || { echo "skipped: apt-get needs root; run: sudo sh scripts/browser.sh"; exit 0; }
apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium ||
    echo "skipped: Chromium could not be installed; the tests of the report in it are left out"
