import torch

from src.datasets.base import Split
from src.datasets.loader import Loader

CPU = torch.device("cpu")


def split(n):
    values = torch.arange(float(n)).reshape(n, 1, 1)
    return Split(dict(text=values, audio=values, vision=values), values.flatten(), [str(i) for i in range(n)])


def rows(loader):
    return [batch.labels.int().tolist() for batch in loader]


def test_evaluation_keeps_the_order_and_the_last_partial_batch():
    assert rows(Loader(split(5), 2, CPU, CPU)) == [[0, 1], [2, 3], [4]]


def test_a_seed_fixes_the_order_and_every_epoch_has_its_own():
    first, second = (Loader(split(50), 8, CPU, CPU, torch.Generator().manual_seed(s)) for s in (3, 3))
    epochs = [rows(first), rows(first)]
    assert epochs == [rows(second), rows(second)] and epochs[0] != epochs[1]
    other = Loader(split(50), 8, CPU, CPU, torch.Generator().manual_seed(4))
    assert rows(other) != epochs[0] and sorted(sum(epochs[0], [])) == list(range(50))


def test_inputs_and_labels_of_a_batch_belong_together():
    for batch in Loader(split(9), 4, CPU, CPU, torch.Generator().manual_seed(0)):
        assert all(torch.equal(x.flatten(), batch.labels) for x in batch.inputs.values())


def test_a_lone_last_training_sample_joins_the_batch_before_it():
    loader = Loader(split(9), 4, CPU, CPU, torch.Generator().manual_seed(0))
    assert [len(b) for b in rows(loader)] == [4, 5]
    assert [len(b) for b in rows(Loader(split(9), 4, CPU, CPU))] == [4, 4, 1]


def test_a_split_without_labels_gives_batches_without_labels():
    data = split(3)
    data.labels = None
    assert [batch.labels for batch in Loader(data, 2, CPU, CPU)] == [None, None]
