"""Pods without a cluster: each in Linux namespaces of its own, as the manifests lock it down.

A pod has an address of its own, a root that is read-only, /tmp and what it mounts, and the user
1000. It has the programs of this machine in place of an image. What the NetworkPolicies do not
allow it to connect to refuses at once (a cluster would drop its packets). Needs no privileges where
users may have namespaces.

:func:`run_pods` starts this file again, as root of new namespaces (:func:`main`). That starts it
once a pod, in namespaces of the pod (:func:`inside`), and writes ``NAME: LINE`` for what a pod says
and ``NAME: exit CODE`` at its end. All processes end with that one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from tests.k8s.kuberay_pods import Container, Mount
from tests.k8s.objects import K8S, Object
from tests.k8s.reachable import ANY, ways

NAMESPACES = (
    *("unshare", "--user", "--map-root-user", "--mount", "--net", "--pid"),
    *("--fork", "--kill-child", "--mount-proc"),
)
USER = 1000
NETWORK = "10.0.0"
PROJECT = K8S.parent
#: What a pod has of this machine, beside what is below these: its own.
OWN = {"cache", "data", "dev", "etc", "lost+found", "mnt", "proc", "tmp"}


def why_no_pods() -> str | None:
    """What this machine does not let a user do; None where pods can run."""
    with tempfile.TemporaryDirectory() as folder:
        pods = [Container("probe", "true", {}, [Mount("/tmp", None, True, 10**6)])]
        try:
            (said, code) = run_pods([pods], Path(folder))["probe"]
        except (OSError, RuntimeError) as error:
            return str(error)
    return said if code else None


def run_pods(
    waves: list[list[Container]], folder: Path, objects: list[Object] = ()
) -> dict[str, tuple[str, int]]:
    """Run the pods until those of the last wave have ended; what each says that ends, and its code.

    Args:
        waves: pods that start together, after those of the wave before have ended or said what is
            waited for.
        folder: an empty one, for what is made on the way.
        objects: of their namespace; the NetworkPolicies among them hold.

    Raises:
        RuntimeError: a pod of the last wave has not ended; with all that was said.
    """
    told = folder / "waves.json"
    told.write_text(json.dumps({"waves": waves, "objects": list(objects)}))
    done = subprocess.run(
        [*NAMESPACES, sys.executable, "-m", "tests.k8s.pods_here", told, folder],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = defaultdict(list)
    for line in done.stdout.splitlines():
        name, _, text = line.partition(": ")
        lines[name].append(text)
    ended = {name: said for name, said in lines.items() if said[-1].startswith("exit ")}
    if {pod.name for pod in waves[-1]} - set(ended):
        raise RuntimeError(f"{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return {name: ("\n".join(s[:-1]), int(s[-1].split()[1])) for name, s in ended.items()}


def main(waves: list[list[Container]], folder: Path, objects: list[Object]) -> None:
    """Start the pods of a wave together, and go on when each has ended or said what is waited for.

    Args:
        folder: for what is made on the way.
        objects: of their namespace.
    """
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", "pods", "type", "bridge")
    _run("ip", "link", "set", "pods", "up")
    numbers = {pod.name: number for number, pod in enumerate(chain(*waves), 1)}
    hosts = [f"{NETWORK}.{number} {name}" for name, number in numbers.items()]
    (folder / "hosts").write_text("\n".join(["127.0.0.1 localhost", *hosts, ""]))
    rules = _packets(objects, {pod.name: pod for pod in chain(*waves)}, numbers)
    for pods in waves:
        with ThreadPoolExecutor() as pool:
            list(
                pool.map(lambda pod: _start(pod, numbers[pod.name], rules[pod.name], folder), pods)
            )


def _packets(
    objects: list[Object], pods: dict[str, Container], numbers: dict[str, int]
) -> dict[str, set[str]]:
    """By pod, the packets that it may send, as ``ip rule`` is told: to ask, and to answer.

    An answer is known by its port: where all ports are open one way, they are the other way too.
    """
    rules = defaultdict(set)
    for source, target, ports in ways(objects, {name: pod.labels for name, pod in pods.items()}):
        here, there = (f"to {NETWORK}.{numbers[name]}" for name in (source, target))
        if ports == ANY:
            rules[source].add(there)
            rules[target].add(here)
        else:
            rules[source] |= {f"{there} ipproto tcp dport {port}" for port in ports}
            rules[target] |= {f"{here} ipproto tcp sport {port}" for port in ports}
    return rules


def _start(pod: Container, number: int, rules: set[str], folder: Path) -> None:
    """Start a pod, and wait until it has ended, or has said what is waited for."""
    place = folder / str(number)
    (place / "root").mkdir(parents=True)
    (place / "rules").write_text("\n".join(sorted(rules)))
    (place / "pod.json").write_text(json.dumps(pod))
    process = subprocess.Popen(
        [
            *("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"),
            *(sys.executable, "-m", "tests.k8s.pods_here", "--inside", str(place)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=PROJECT,
    )
    process.stdout.readline()  # its namespaces are there
    _run(*f"ip link add eth0 netns {process.pid} type veth peer name pod{number}".split())
    _run(*f"ip link set pod{number} master pods up".split())
    process.stdin.write(f"{NETWORK}.{number}/24\n")
    process.stdin.close()
    for line in process.stdout:
        print(f"{pod.name}: {line}", end="", flush=True)
        if pod.until and pod.until in line:
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return
    print(f"{pod.name}: exit {process.wait()}", flush=True)


def inside(place: Path) -> None:
    """Become the pod: its network, its file system, its user; then its script."""
    print("there", flush=True)
    address = sys.stdin.readline().strip()
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "addr", "add", address, "dev", "eth0")
    _run("ip", "link", "set", "eth0", "up")
    # Nobody is there; but by its way out a Ray node knows its address.
    _run("ip", "route", "add", "default", "via", f"{NETWORK}.254")
    for rule in (place / "rules").read_text().splitlines():
        _run(*f"ip rule add pref 100 {rule} lookup main".split())
    _run(*f"ip rule add pref 200 to {NETWORK}.0/24 prohibit".split())
    pod = Container(*json.loads((place / "pod.json").read_text()))
    _make_root(place / "root", [Mount(*mount) for mount in pod.mounts], place.parent / "hosts")
    os.chdir(place / "root")
    _run("pivot_root", ".", ".")
    _run("umount", "--lazy", ".")
    os.chdir("/")
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    user = ["unshare", "--user", f"--map-user={USER}", f"--map-group={USER}"]
    os.execvpe("unshare", [*user, "/bin/bash", "-c", "--", pod.script], {**pod.env, "PATH": path})


def _make_root(root: Path, mounts: list[Mount], hosts: Path) -> None:
    """A root that is read-only: this machine's programs, and what the pod mounts."""
    _mount("-t", "tmpfs", "tmpfs", root)
    for entry in sorted(Path("/").iterdir()):
        if entry.is_symlink():
            (root / entry.name).symlink_to(os.readlink(entry))
        elif entry.is_dir() and entry.name not in OWN:
            _bind(entry, root / entry.name)
    _bind(Path("/etc"), root / ".etc")
    (root / "etc").mkdir()
    # Of names only these are known: a name server that is not there says so at once.
    own = {"hosts": hosts.read_text(), "resolv.conf": "nameserver 127.0.0.1\n"}
    for name, text in own.items():
        (root / "etc" / name).write_text(text)
    for entry in Path("/etc").iterdir():
        if entry.name not in own:
            (root / "etc" / entry.name).symlink_to(Path("/.etc") / entry.name)
    (root / "proc").mkdir()
    _mount("-t", "proc", "proc", root / "proc")
    _bind(Path("/dev"), root / "dev", writable=True)
    (root / "tmp").mkdir()
    for mount in mounts:
        target = root / mount.path.removeprefix("/")
        if mount.source is None:
            target.mkdir(parents=True, exist_ok=True)
            _mount("-t", "tmpfs", "-o", f"size={mount.size},mode=1777", "tmpfs", target)
        else:
            _bind(Path(mount.source), target, mount.writable)
    for needed in (PROJECT, Path(sys.prefix), Path(sys.base_prefix)):
        if not (root / str(needed).removeprefix("/")).exists():  # it is below /tmp, say
            _bind(needed, root / str(needed).removeprefix("/"))
    _mount("-o", "remount,bind,ro", root)


def _bind(source: Path, target: Path, writable: bool = False) -> None:
    target.mkdir(parents=True, exist_ok=True)
    _mount("--rbind", source, target)
    if not writable:
        _mount("-o", "remount,bind,ro", target)


def _mount(*words: object) -> None:
    _run("mount", *words)


def _run(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True)


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        inside(Path(sys.argv[2]))
    else:
        told = json.loads(Path(sys.argv[1]).read_text())
        waves = [[Container(*pod) for pod in wave] for wave in told["waves"]]
        main(waves, Path(sys.argv[2]), told["objects"])
