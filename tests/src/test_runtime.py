import os

import pytest
import torch

from src.runtime import atomic_file, random_state, resolve_device, restore_random_state, seed_everything, storage_device
from src.structures import InputError

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["cpu", "CPU", "-1"])
def test_the_cpu_has_several_names(name):
    assert resolve_device(name) == CPU


@pytest.mark.parametrize("name", ["0", "cuda", "cuda:1", "7"])
def test_an_absent_gpu_is_one_sentence(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == CPU
    with pytest.raises(InputError, match=r"GPU \d was asked for, but this machine offers 0"):
        resolve_device(name)


def test_a_gpu_number_is_the_gpu_of_that_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [str(resolve_device(n)) for n in ("auto", "1", "cuda", "cuda:1")] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    with pytest.raises(InputError, match="choose cpu or auto, or a number below 2"):
        resolve_device("2")


def test_a_word_that_is_no_device_is_refused():
    with pytest.raises(InputError, match="'gpu' is no device; choose auto, cpu"):
        resolve_device("gpu")


def test_splits_stay_on_the_gpu_only_while_they_fit_half_of_it(monkeypatch):
    gpu = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 200))
    assert [storage_device(c, gpu, n) for c, n in (("auto", 50), ("auto", 51), ("cuda", 51), ("cpu", 1))] == [
        gpu, CPU, gpu, CPU]
    assert storage_device("auto", CPU, 1) == CPU
    with pytest.raises(InputError, match="--data_device cuda needs a run on a GPU"):
        storage_device("cuda", CPU, 1)


def test_random_states_continue_where_they_were_taken():
    seed_everything(5)
    order = torch.Generator().manual_seed(5)
    state = random_state(order)
    drawn = torch.rand(3), torch.randperm(9, generator=order)
    restore_random_state(state, order)
    assert torch.equal(drawn[0], torch.rand(3)) and torch.equal(drawn[1], torch.randperm(9, generator=order))


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_half_written(tmp_path):
    path = tmp_path / "x.bin"
    with atomic_file(path) as file:
        file.write(b"old")
    with pytest.raises(InputError, match=r"x\.bin cannot be written \(No space left on device\)"), \
            atomic_file(path) as file:
        file.write(b"half")
        raise OSError(28, os.strerror(28))
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["x.bin"]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"), atomic_file(tmp_path / "file" / "x.bin"):
        pass
