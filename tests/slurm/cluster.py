"""A real Slurm of one node on loopback, with GPUs that are there in name alone: `with Cluster(folder) as cluster`.

By hand: `python -m tests.slurm.cluster COMMAND...` runs a command while it is up. Needs root, and from the packages
slurm-wlm and munge: munged, slurmctld, slurmd. All of it lies below one folder; nothing of the system's is touched. It
keeps no accounts, so that Snakemake needs --slurm-status-command squeue.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("sbatch", "srun", "scancel", "squeue", "scontrol", "sinfo")
CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket={root}/munge/sock
StateSaveLocation={root}/ctld
SlurmdSpoolDir={root}/d.%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1
ReturnToService=2
MinJobAge=3600
KillWait=2
AccountingStorageType=accounting_storage/none
GresTypes=gpu
{nodes}
PartitionName=cpu Nodes=ALL Default=YES MaxTime=1-00:00:00 State=UP
PartitionName=gpu Nodes=ALL MaxTime=2-00:00:00 State=UP
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory=64000 Gres=gpu:{gpus}"


def missing() -> str:
    """Why no cluster can be started here, in a clause; empty where one can."""
    absent = [name for name in (*DAEMONS, *CLIENTS) if not shutil.which(name)]
    if absent:
        return f"{', '.join(absent)} not installed: apt-get install --no-install-recommends slurm-wlm munge"
    return "" if os.geteuid() == 0 else "Slurm's daemons need root"


class Cluster:
    """The running cluster: `environ` is what a process needs to talk to it. GPUs and CPUs are a node's, and claimed.

    Several nodes are several daemons on this machine.
    """

    def __init__(self, root: Path, gpus: int = 2, cpus: int = 8, nodes: int = 1) -> None:
        self.root, self.gpus = root, gpus
        self._nodes = [f"node{number}" for number in range(nodes)]
        host = socket.gethostname().split(".")[0]
        port, *others = _free_ports(1 + nodes)
        lines = [
            NODE.format(name=name, host=host, port=its, cpus=cpus, gpus=gpus)
            for name, its in zip(self._nodes, others, strict=True)
        ]
        self._write(CONF.format(host=host, root=root, port=port, nodes="\n".join(lines)))
        path = f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self.environ = {**os.environ, "SLURM_CONF": str(root / "slurm.conf"), "PATH": path}
        self._daemons: list[subprocess.Popen] = []

    def __enter__(self) -> "Cluster":
        munge = self.root / "munge"
        try:
            # Forced: it would refuse a folder that others may not enter.
            self._start("munged", "--foreground", "--force", f"--key-file={munge}/key", f"--socket={munge}/sock",
                        f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed")  # fmt: skip
            _until(lambda: (munge / "sock").exists(), "munged", self.root / "munged.out")
            self._start("slurmctld", "-D")
            for name in self._nodes:
                self._start("slurmd", "-D", "-N", name)
            up = f"{len(self._nodes)} idle"
            _until(
                lambda: self.ask("sinfo", "-h", "-p", "cpu", "-o", "%D %T") == up, "slurmd", self.root / "slurmd.out"
            )
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel every job and end what was started here, last first."""
        if len(self._daemons) >= len(DAEMONS):
            self.ask("scancel", "--user", "root")
            with contextlib.suppress(TimeoutError):
                _until(lambda: not self.ask("squeue", "-h", "-t", "R,CG"), "scancel", self.root / "slurmctld.log")
        for daemon in reversed(self._daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def ask(self, *command: str) -> str:
        """The stripped output of a Slurm command; nothing where it fails."""
        run = subprocess.run(command, env=self.environ, capture_output=True, text=True, timeout=30, check=False)
        return run.stdout.strip() if run.returncode == 0 else ""

    def _start(self, name: str, *options: str) -> None:
        with open(self.root / f"{name}.out", "ab") as out:
            command = [str(shutil.which(name)), *options]
            # A session of its own: Ctrl-C in a terminal reaches the jobs in order, through __exit__.
            self._daemons.append(
                subprocess.Popen(command, env=self.environ, stdout=out, stderr=out, start_new_session=True)
            )

    def _write(self, conf: str) -> None:
        for part in ("munge", "ctld", "dev", "bin", *(f"d.{name}" for name in self._nodes)):
            (self.root / part).mkdir(parents=True, mode=0o755)
        self.root.chmod(0o755)
        key = self.root / "munge" / "key"
        key.touch(0o600)
        key.write_bytes(os.urandom(1024))
        for number in range(self.gpus):
            os.mknod(self.root / "dev" / f"gpu{number}", 0o20666, os.makedev(1, 3))  # /dev/null by another name
        files = f"File={self.root}/dev/gpu[0-{self.gpus - 1}]"
        (self.root / "gres.conf").write_text(f"Name=gpu {files}\n" if self.gpus else "")
        (self.root / "slurm.conf").write_text(conf)
        # Snakemake's plugin hides SLURM_* from what runs inside a job, which would look for /etc/slurm.
        for name in CLIENTS:
            client = self.root / "bin" / name
            client.write_text(f'#!/bin/sh\nSLURM_CONF={self.root}/slurm.conf exec {shutil.which(name)} "$@"\n')
            client.chmod(0o755)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _until(condition, what: str, log: Path, seconds: float = 30) -> None:
    """Wait; a cluster that does not come up shows the end of its log."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: {log.read_text()[-2000:] if log.exists() else 'no log'}")
        time.sleep(0.1)


def main(command: list[str]) -> int:
    """Run a command while a cluster is up, which goes down with us however we are asked to stop."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, Cluster(Path(folder) / "slurm") as cluster:
        return subprocess.run(command or ["sinfo"], env=cluster.environ, check=False).returncode


if __name__ == "__main__":
    if reason := missing():
        sys.exit(f"error: no Slurm can be started here: {reason}")
    sys.exit(main(sys.argv[1:]))
