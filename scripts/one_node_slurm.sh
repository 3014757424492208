#!/bin/sh
# A SLURM of one node on this machine, for tests of `--on slurm`: no systemd, no root file changed.
# It needs Debian's slurmctld, slurmd, slurm-client and munge, and root.
#
#   scripts/one_node_slurm.sh start FOLDER    prints the SLURM_CONF to use
#   scripts/one_node_slurm.sh stop FOLDER
#
# Ports are SLURM_TEST_PORT and the next (16817), so that it stands beside a real cluster.
set -eu

fail() {
    echo "error: $*" >&2
    exit 2
}

[ $# = 2 ] || fail "usage: one_node_slurm.sh start|stop FOLDER"
mkdir -p "$2"
folder=$(cd "$2" && pwd)
port=${SLURM_TEST_PORT:-16817}
export SLURM_CONF="$folder/slurm.conf"

stop() {
    for daemon in slurmd slurmctld munged; do
        [ -f "$folder/$daemon.pid" ] || continue
        kill "$(cat "$folder/$daemon.pid")" 2>/dev/null || true
        rm -f "$folder/$daemon.pid"
    done
}

write_conf() {
    host=$(hostname -s)
    memory=$(awk '/^MemTotal/ { print int($2 * 0.9 / 1024) }' /proc/meminfo)
    cat >"$SLURM_CONF" <<EOF
ClusterName=fedbytes_test
SlurmctldHost=$host(127.0.0.1)
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 RealMemory=$memory
PartitionName=test Nodes=$host Default=YES MaxTime=INFINITE State=UP
SlurmUser=root
SlurmdUser=root
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$folder/munge/socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
# Four places, whatever the machine has, and no memory: a frozen job leaves room for its successor.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
# Without cgroups and accounting, which machines for tests lack.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
JobRequeue=1
KillWait=20
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=2
EOF
}

start() {
    for program in munged slurmctld slurmd sbatch; do
        command -v "$program" >/dev/null 2>&1 ||
            fail "there is no $program: apt-get install slurmctld slurmd slurm-client munge"
    done
    [ "$(id -u)" = 0 ] || fail "a node of its own needs root"
    mkdir -p "$folder/munge" "$folder/state" "$folder/spool"
    chmod 755 "$folder" "$folder/munge"
    head -c 1024 /dev/urandom >"$folder/munge/key"
    chmod 400 "$folder/munge/key"
    # munged refuses what others could write to; its folders are this test's own.
    munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
        --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" \
        --seed-file="$folder/munge/seed" 2>/dev/null
    write_conf
    slurmctld -f "$SLURM_CONF"
    slurmd -f "$SLURM_CONF"
    for _ in $(seq 120); do
        if sinfo --noheader --format=%t 2>/dev/null | grep -q idle; then
            echo "$SLURM_CONF"
            return
        fi
        sleep 0.5
    done
    tail -n 5 "$folder"/*.log >&2
    stop
    fail "the node did not become idle within 60 s"
}

case $1 in
start) start ;;
stop) stop ;;
*) fail "usage: one_node_slurm.sh start|stop FOLDER" ;;
esac
