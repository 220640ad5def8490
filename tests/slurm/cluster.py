"""A real SLURM on this one machine: two nodes, with three GPUs and one, that are only names.

Each GPU has four shards. Accounts are in a database, where root has its own and no other.

Jobs in the partition `urgent` take the places of those in `gpu`; `closed` only queues. None is the default.

    python -m tests.slurm.cluster up FOLDER
    python -m tests.slurm.cluster down FOLDER

Everything lies in FOLDER: configuration, key, sockets, state, logs; but for a link to the configuration in /etc/slurm,
where the plugin's srun inside a job looks for it, whatever SLURM_CONF says. Needs root, and Debian's packages, which
`up` fetches.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "slurmdbd", "munge", "mariadb-server")
LINK = Path("/etc/slurm/slurm.conf")
NODES = {"node0": 3, "node1": 1}  # GPUs
SHARDS = 4  # of each
DAEMONS = (*(f"slurmd-{node}" for node in NODES), "slurmctld", "slurmdbd", "mariadbd", "munged")
SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
MpiDefault=none
# Without systemd and its cgroups, and without the right to raise limits, as in a container.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
PropagateResourceLimits=NONE
ReturnToService=2
EnforcePartLimits=ALL
SlurmdTimeout=10
SchedulerParameters=sched_min_interval=200000,bf_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# The node has the CPUs of this line, whatever the machine has.
SlurmdParameters=config_overrides
GresTypes=gpu,shard
MinJobAge=3600
KillWait=20
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports[3]}
AccountingStoragePass={folder}/munge.socket
AccountingStorageEnforce=associations
JobAcctGatherType=jobacct_gather/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=DEFAULT CPUs=16 Sockets=1 CoresPerSocket=16 ThreadsPerCore=1 RealMemory=64000
NodeName=node0 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} Gres={gres[node0]} Weight=1
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} Gres={gres[node1]} Weight=2
PartitionName=DEFAULT MaxTime=1-0 State=UP
PartitionName=cpu Nodes=node0
PartitionName=gpu Nodes=node0,node1 PriorityTier=1
PartitionName=urgent Nodes=node0 PriorityTier=2
PartitionName=closed Nodes=node0 State=DOWN
"""
SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdPort={ports[3]}
SlurmUser=root
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={ports[4]}
StorageUser=slurm
StoragePass=slurm
"""


def why_not() -> str | None:
    """Why there can be no SLURM here, or None."""
    if os.getuid() != 0:
        return "not root"
    if not shutil.which("slurmctld") and not shutil.which("apt-get"):
        return "no SLURM, and no apt-get to fetch Debian's packages"
    if LINK.exists():
        return f"there is a SLURM here already: {LINK}"
    return None


def install() -> None:
    """Fetch the packages that are missing; their scripts must not start daemons of their own. OSError if they cannot be
    had."""
    missing = [name for name in PACKAGES if subprocess.run(["dpkg", "-s", name], capture_output=True).returncode]
    policy = Path("/usr/sbin/policy-rc.d")
    if not missing:
        return
    if forbid := not policy.exists():
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        for command in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            done = subprocess.run(["apt-get", *command], capture_output=True, text=True, env=environment)
            if done.returncode:
                raise OSError(f"apt-get {command[0]}: {done.stderr.strip()[-300:]}")
    finally:
        if forbid:
            policy.unlink()


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Cluster:
    def __init__(self, folder: Path):
        self.folder, self.host = folder, socket.gethostname().split(".")[0]
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        self.environment = {**os.environ, "PATH": path, "SLURM_CONF": str(folder / "slurm.conf")}

    def call(self, *command: str | Path) -> str:
        done = subprocess.run(command, env=self.environment, text=True, capture_output=True)
        if done.returncode:
            raise OSError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
        return done.stdout

    def up(self) -> None:
        """OSError where something does not start within half a minute."""
        install()
        for name in ("state", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        ports = free_ports(5)  # of slurmctld, the nodes, slurmdbd and its database
        gres = {node: f"gpu:{count},shard:{SHARDS * count}" for node, count in NODES.items()}
        configuration = SLURM_CONF.format(folder=self.folder, host=self.host, ports=ports, gres=gres)
        (self.folder / "slurm.conf").write_text(configuration)
        LINK.unlink(missing_ok=True)  # of a cluster whose folder is gone
        LINK.symlink_to(self.folder / "slurm.conf")
        # slurmd counts a GPU only if it is a device: these are twins of /dev/null.
        lines = ["AutoDetect=off\n"]
        for node, count in NODES.items():
            for gpu in (self.folder / f"gpu-{node}-{index}" for index in range(count)):
                if not gpu.exists():
                    os.mknod(gpu, 0o20666, os.makedev(1, 3))
                lines.append(f"NodeName={node} Name=gpu File={gpu}\n")
            lines.append(f"NodeName={node} Name=shard Count={SHARDS * count}\n")
        (self.folder / "gres.conf").write_text("".join(lines))
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        munge = self.folder / "munge"
        self.call(
            *("munged", "--force", "--key-file", key, "--socket", f"{munge}.socket"),
            *("--pid-file", f"{munge}d.pid", "--log-file", f"{munge}.log", "--seed-file", f"{munge}.seed"),
        )
        self.start_accounting(ports)
        self.call("slurmctld", "-i")
        for node in NODES:
            self.start_node(node)

    def start_accounting(self, ports: list[int]) -> None:
        data, where = self.folder / "sql", f"--socket={self.folder / 'sql.socket'}"
        root = ("--no-defaults", "--user=root", f"--datadir={data}")
        self.call("mariadb-install-db", *root, "--auth-root-authentication-method=normal", "--skip-test-db")
        subprocess.run(
            [
                *("setsid", "--fork", "mariadbd", *root, where, f"--port={ports[4]}", "--bind-address=127.0.0.1"),
                *(f"--pid-file={self.folder}/mariadbd.pid", f"--log-error={self.folder}/mariadbd.log"),
            ],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        user = "CREATE USER IF NOT EXISTS slurm@'%' IDENTIFIED BY 'slurm'; GRANT ALL ON *.* TO slurm@'%'"
        client = ("mariadb", "--no-defaults", "--user=root", where, "--execute")
        self.wait_until(lambda: self.call(*client, "SELECT 1"))
        self.call(*client, user)
        file = self.folder / "slurmdbd.conf"
        file.write_text(SLURMDBD_CONF.format(folder=self.folder, ports=ports))
        file.chmod(0o600)
        self.call("slurmdbd")
        clusters = ("sacctmgr", "-nP", "show", "cluster", "format=cluster")
        self.wait_until(lambda: self.call(*clusters) is not None)
        if "test" not in self.call(*clusters).split():
            self.call("sacctmgr", "-i", "add", "cluster", "test")

    def start_node(self, node: str) -> None:
        self.call("slurmd", "-N", node)
        self.wait_until(lambda: self.state(node) in ("idle", "mixed", "allocated"))

    def state(self, node: str) -> str:
        return self.call("sinfo", "-h", "-n", node, "-o", "%T").split()[0]

    def lose_node(self, node: str, job: str) -> None:
        """As if *node*, on which *job* runs, lost its power."""
        self.stop(f"slurmd-{node}", signal.SIGKILL)
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                name, environment = (path / "cmdline").read_bytes(), (path / "environ").read_bytes()
                if f"[{job}.".encode() in name or f"\0SLURM_JOB_ID={job}\0".encode() in b"\0" + environment:
                    os.kill(int(path.name), signal.SIGKILL)

    def wait_until(self, ready, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                if ready():
                    return
            except OSError:
                pass  # a daemon that is starting
            if time.monotonic() > deadline:
                raise OSError(f"SLURM is not ready after {seconds} s, see {self.folder}/*.log")
            time.sleep(0.1)

    def jobs(self) -> list[dict[str, str]]:
        """SLURM's records of all jobs, oldest first."""
        lines = self.call("scontrol", "show", "job", "-o").splitlines()
        records = [
            dict(pair.split("=", 1) for pair in line.split() if "=" in pair) for line in lines if "JobId" in line
        ]
        return sorted(records, key=lambda record: int(record["JobId"]))

    def stop(self, daemon: str, number: int = signal.SIGTERM) -> None:
        """End a daemon that this cluster started, `slurmd-node0` for example, and wait for its end."""
        file = self.folder / f"{daemon}.pid"
        pid = int(file.read_text()) if file.exists() and file.read_text().strip() else 0
        name = Path(f"/proc/{pid}/comm")
        program = daemon.split("-")[0]
        if pid and name.exists() and name.read_text().strip() == program:
            os.kill(pid, number)
            self.wait_until(lambda: not name.exists() or name.read_text().strip() != program)

    def down(self) -> None:
        """Whatever of it still lives."""
        try:
            with suppress(OSError):  # slurmctld may be dead
                self.call("scancel", "--user", "root")
                self.wait_until(lambda: not self.call("squeue", "-h"))
            for daemon in DAEMONS:
                self.stop(daemon)
        finally:
            if LINK.is_symlink() and LINK.readlink() == self.folder / "slurm.conf":
                LINK.unlink()


if __name__ == "__main__":
    order, folder = sys.argv[1:]
    cluster = Cluster(Path(folder).absolute())
    if order == "down":
        cluster.down()
    elif reason := why_not():
        sys.exit(f"error: {reason}")
    else:
        cluster.up()
