#!/bin/sh
# Installs Debian's SLURM for `make test-engines`, where apt is there and may. Elsewhere these tests
# are skipped, which in CI is a failure.
set -u
command -v slurmctld >/dev/null 2>&1 && command -v munged >/dev/null 2>&1 && exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    apt-get update -qq >/dev/null 2>&1
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        slurmctld slurmd slurm-client munge >/dev/null 2>&1 && exit 0
fi
echo "SLURM cannot be installed here; its tests are skipped"
