"""Where runs are executed: what is refused, which GPU is next, what becomes of lost runs, and the same results."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from src.analysis.study import __main__ as study
from src.analysis.study import devices, executor
from src.analysis.study.devices import Devices
from src.analysis.study.executor import LOST, Command, written
from src.analysis.study.grid import jobs, plans
from src.analysis.study.local import Local, attempt
from src.analysis.study.runner import CONTINUED, Runner
from src.config import parse_study
from src.locks import BUSY, FolderLock
from src.structures import InputError, UsageError
from tests import benchmark_executors
from tests.conftest import TINY

PACKAGES = [("ray", "ray"), ("slurm", "submitit")]


def refused(words, tmp_path, capsys):
    """Exit code and last line of a study that trains nothing."""
    argv = [*words, "--methods=plain", "--seeds=1", *TINY[2:], f"--report={tmp_path / 'report'}",
            f"--checkpoint_path={tmp_path}", f"--data_path={tmp_path / 'data'}"]
    code = study.main(argv)
    assert not list(tmp_path.glob("checkpoint(*)")) and not (tmp_path / "report").exists()
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    return code, error


@pytest.mark.parametrize("words, message", [
    (["--executor=nosuch"], "invalid choice: 'nosuch'"),
    (["--devices=cpu"], "'cpu' is not a list of numbers"), (["--devices=1,1"], "--devices needs every number once"),
    (["--devices=-1"], "--devices must be at least 0"),
    (["--devices=0,1", "--jobs=3"], "--jobs 3 is more than --devices takes with 1 on each, 2; raise --per_device"),
    (["--devices=0", "--executor=ray"], "--devices belongs to --executor local, and not to ray"),
    (["--devices=0", "--device=1"], "--device and --devices both say where"),
    (["--ray_address=a:1"], "--ray_address belongs to --executor ray, and not to local"),
    (["--slurm=partition=x"], "--slurm belongs to --executor slurm"),
    (["--executor=slurm", "--per_device=2"], "--per_device is for --devices and Ray")])
def test_flags_that_do_not_fit_together_are_refused(tmp_path, capsys, words, message):
    code, error = refused(words, tmp_path, capsys)
    assert code == 2 and message in error


@pytest.mark.parametrize("name, package", PACKAGES)
def test_a_missing_package_is_named_with_the_command_that_installs_it(tmp_path, capsys, monkeypatch, name, package):
    monkeypatch.setattr(executor.importlib.util, "find_spec", lambda _: None)
    assert refused([f"--executor={name}"], tmp_path, capsys) == (
        2, f"error: the package {package} is not installed; pip install -r requirements-scale.txt")


def test_a_gpu_that_is_not_there_is_named(tmp_path, capsys):
    code, error = refused(["--devices=0,999"], tmp_path, capsys)
    assert code == 2 and "was asked for, but this machine offers" in error


def test_more_processes_than_memory_are_refused(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda _: "MemTotal: 9 kB\nMemAvailable: 1048576 kB\n")  # 1 GiB
    executor.check_memory(3)
    with pytest.raises(UsageError, match="--jobs 4 needs at least 1.2 GiB of memory, and 1.0 GiB are free; at most 3"):
        executor.check_memory(4)


def test_jobs_follow_the_devices():
    assert [parse_study(words)[0].jobs for words in (
        [], ["--devices=0,1,2"], ["--devices=0,1", "--per_device=3"], ["--per_device=2"], ["--devices=0,1", "--jobs=1"],
    )] == [1, 3, 6, 2, 1]


def test_a_run_takes_the_gpu_with_the_fewest_runs():
    found = Devices(parse_study(["--devices=3,5", "--per_device=2"])[0])
    with found.one() as first, found.one() as second:
        with found.one() as third:
            assert (first, second, third) == ("3", "5", "3")
        with found.one() as fourth:
            assert fourth == "3"
    assert found.runs == {"3": 0, "5": 0}


class Fake:
    """An executor that answers in turn, and remembers what it was asked."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def run(self, command, stopping):
        self.asked.append(command.now())
        return self.answers.pop(0)


def trained(tmp_path, monkeypatch, fake, *words):
    """Train one job by a fake executor."""
    options, extra = parse_study([*words, "--methods=plain", "--seeds=1", f"--checkpoint_path={tmp_path}", *TINY[2:],
                                  f"--data_path={tmp_path / 'data'}"])
    (job,) = jobs(plans(options), extra)
    monkeypatch.setattr(Local, "run", lambda self, command, stopping: fake.run(command, stopping))
    trainer = Runner(options)
    return trainer, job


def test_each_run_gets_its_gpu_and_stays_the_same_run(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "resolve_device", lambda name: name)
    fake = Fake("")
    trainer, job = trained(tmp_path, monkeypatch, fake, "--devices=7")
    trainer.train([job])
    assert "--device=7" in fake.asked[0] and trainer.name(job) == trained(tmp_path, monkeypatch, fake)[0].name(job)


def test_a_lost_run_is_continued_and_not_for_ever(tmp_path, monkeypatch):
    fake = Fake(LOST, f"{BUSY} it", LOST, "")
    trainer, job = trained(tmp_path, monkeypatch, fake)
    trainer.train([job])
    assert len(fake.asked) == 4
    fake = Fake(*[LOST] * 20)
    trainer, job = trained(tmp_path, monkeypatch, fake)
    with pytest.raises(InputError, match=LOST):
        trainer.train([job])
    assert len(fake.asked) == CONTINUED + 1


def test_a_run_that_another_executor_trains_is_waited_for(tmp_path, monkeypatch):
    fake = Fake("")
    trainer, job = trained(tmp_path, monkeypatch, fake)
    with FolderLock(trainer.folder(job), ""):
        waiting = threading.Thread(target=trainer.train, args=([job],))
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive() and not fake.asked
    waiting.join(5)
    assert len(fake.asked) == 1


def test_a_command_continues_what_stands_on_disk_when_it_starts(tmp_path):
    command = Command(("a",), tmp_path, False)
    assert command.now() == ["a"]
    (tmp_path / "last.pt").touch()
    assert command.now() == ["a", "--resume"] and Command(("a",), tmp_path, True).now() == ["a"]
    (tmp_path / "results.json").touch()
    assert command.now() == ["a"]


def test_ray_that_cannot_be_reached_is_said_at_once(tmp_path, capsys):
    pytest.importorskip("ray")
    for address in ("127.0.0.1:1", "nonsense", "ray://127.0.0.1:1"):
        code, error = refused(["--executor=ray", f"--ray_address={address}"], tmp_path, capsys)
        assert code == 2 and f"no Ray cluster can be reached at '{address}'" in error


@pytest.mark.parametrize("words, message", [
    ("partition=x", "no sbatch on this machine"), ("cluster=nosuch", "choose slurm, or local"),
    ("cluster=local,nosuch=1", "Unknown argument 'nosuch'"), ("cluster=local,nodes=2", "a run is one process"),
    ("cluster=local,timeout_min=soon", "timeout_min"), ("partition", "takes name=value")])
def test_what_slurm_cannot_do_is_said_before_a_job(tmp_path, capsys, monkeypatch, words, message):
    pytest.importorskip("submitit")
    monkeypatch.setattr("shutil.which", lambda _: None)
    code, error = refused(["--executor=slurm", f"--slurm={words}"], tmp_path, capsys)
    assert code == 2 and message in error


@pytest.fixture(scope="module")
def killed():
    """Outcomes of a study of two runs: by the local executor, and by those that are installed, with a kill each."""
    return benchmark_executors.compare(2, 1, [name for name, package in PACKAGES if find_spec(package)])


@pytest.mark.xdist_group("killed")  # one study for both
@pytest.mark.parametrize("name, package", PACKAGES)
def test_results_stay_where_a_worker_is_killed(request, name, package):
    pytest.importorskip(package)
    found = request.getfixturevalue("killed")
    assert found[name].rows == found["local"].rows and found[name].killed == 1


def test_a_run_that_was_finished_while_its_job_was_queued_is_not_trained_again(tmp_path, monkeypatch):
    monkeypatch.setattr(Local, "run", lambda self, command, stopping: "trained")
    command, folder = Command(("a",), tmp_path, False, written(tmp_path)), Path.cwd()
    assert attempt(command, folder, {}) == "trained"
    (tmp_path / "results.json").touch()
    assert attempt(command, folder, {}) == "" and attempt(replace(command, samples=True), folder, {}) == "trained"


def test_results_that_stood_there_when_a_run_was_asked_for_do_not_count(tmp_path):
    (tmp_path / "results.json").touch()
    assert not Command(("a",), tmp_path, False, written(tmp_path)).finished()


def test_runs_that_are_asked_for_together_are_one_array(tmp_path, monkeypatch):
    submitit = pytest.importorskip("submitit")
    arrays = []
    monkeypatch.setattr(submitit.AutoExecutor, "_internal_process_submissions", lambda self, submissions: arrays.append(
        len(submissions)) or [submitit.core.core.DelayedJob(self) for _ in submissions])
    from src.analysis.study.on_slurm import Slurm
    slurm = Slurm(parse_study(["--executor=slurm", "--slurm=cluster=local", f"--checkpoint_path={tmp_path}"])[0])
    with ThreadPoolExecutor(3) as pool:
        jobs = list(pool.map(slurm._submitted, [Command((name,), tmp_path, False) for name in "abc"]))
    assert arrays == [3] and len(set(map(id, jobs))) == 3


def test_a_preempted_job_is_queued_again_and_continues_its_run(tmp_path, capsys):
    pytest.importorskip("submitit")
    options, extra = parse_study([*TINY, "--num_epochs=8", "--methods=plain", "--seeds=1", "--executor=slurm",
                                  "--slurm=cluster=local", f"--checkpoint_path={tmp_path}",
                                  f"--data_path={tmp_path / 'data'}"])
    (job,) = jobs(plans(options), extra)
    trainer = Runner(options)
    training = threading.Thread(target=trainer.train, args=([job],))
    training.start()
    history = trainer.folder(job) / "history.csv"
    while not history.exists() or len(history.read_text().splitlines()) < 3:
        time.sleep(0.05)
    (worker,) = benchmark_executors.workers()
    os.kill(worker, signal.SIGUSR2)  # as Slurm does
    training.join()
    assert capsys.readouterr().out.count("python main.py") == 1 and (history.parent / "results.json").exists()
    assert [path.name for path in history.parent.parent.iterdir()] == ["mult-plain"]  # none was put aside
    assert "Caught signal SIGUSR2" in next((tmp_path / "submitit").glob("*.err")).read_text()
