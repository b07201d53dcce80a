"""Runs as tasks of a Ray cluster: one that exists, or one of this machine that lives as long as the training."""

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from src.analysis.study.executor import LOST, THREADS, Command, check_memory, ended, thread_count
from src.analysis.study.local import attempt
from src.plan_options import StudyOptions
from src.process import GRACE, STOPPING
from src.runtime import ROOT
from src.structures import UsageError, quoted

HERE = "local"  # the address that asks ray for a cluster of its own
# Ray otherwise tells its makers that it was started, and listens to the network.
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


@contextlib.contextmanager
def connected(options: StudyOptions) -> Iterator["Cluster"]:
    """The cluster of `--ray_address` or RAY_ADDRESS, else one that is started here; UsageError where it fails."""
    address = options.ray_address or os.environ.get("RAY_ADDRESS") or HERE
    resources: dict[str, Any] = {}
    if address == HERE:
        check_memory(options.jobs)
        resources["num_cpus"] = options.jobs * thread_count(options)
        os.environ.update(QUIET)  # read when ray is imported
    else:
        reach(address)
    import ray
    handlers = {number: signal.getsignal(number) for number in STOPPING}
    places = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    try:
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR,
                 runtime_env={"env_vars": {"PYTHONPATH": places}}, **resources)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise UsageError(f"Ray cannot be used at {quoted(address)} ({' '.join(str(error).split())[:200]})") from error
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)  # ray puts its own there
    try:
        yield Cluster(options, ray)
    finally:
        ray.shutdown()


def reach(address: str) -> None:
    """Raise UsageError where nobody listens at host:port, since ray would try for minutes."""
    host, _, port = address.rpartition("://")[2].partition("/")[0].rpartition(":")
    if address == "auto":
        return
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UsageError(f"no Ray cluster can be reached at {quoted(address)} ({error}); give --ray_address host:port "
                         "of its head, or leave it out to start one here") from error


class Cluster:
    """The executor; each run is one task, and what ray lost is started again by the study."""

    def __init__(self, options: StudyOptions, ray: Any) -> None:
        self.ray, count = ray, thread_count(options)
        self.environment = {THREADS: os.environ.get(THREADS) or str(count)}
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        device = options.device.strip().lower()
        asked = device not in ("cpu", "-1", "auto") or device == "auto" and any(node.get("GPU") for node in nodes)
        share = 1 / options.per_device if asked else 0
        if not any(node.get("CPU", 0) >= count and node.get("GPU", 0) >= share for node in nodes):
            raise UsageError(f"no machine of the Ray cluster has {count} processor cores{' and a GPU' * asked}, which "
                             "--device and OMP_NUM_THREADS ask for")
        self.task = ray.remote(num_cpus=count, num_gpus=share, max_retries=0)(attempt)

    def run(self, command: Command, stopping: threading.Event) -> str:
        """The interface of an executor."""
        errors = self.ray.exceptions
        task = self.task.remote(command, Path.cwd(), self.environment)
        while not stopping.is_set() and not self.ray.wait([task], timeout=0.2)[0]:
            pass
        if stopping.is_set():
            self.ray.cancel(task)  # raises KeyboardInterrupt in the task, which stops its run
            self.ray.wait([task], timeout=GRACE)
            ended(command.folder)
        try:
            return self.ray.get(task, timeout=GRACE)
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.LocalRayletDiedError, errors.OutOfMemoryError):
            return f"{LOST} with its Ray worker"
        except errors.TaskCancelledError:
            return "stopped"
        except errors.RayError as error:
            return str(error).strip().splitlines()[-1]
