import multiprocessing
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mgaplib import training
from mgaplib.training import competent
from mgaplib.worlds import shapeworld


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """A shared model that trains in a moment, in an empty cache."""
    monkeypatch.setenv("MGAPLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(competent, "CONFIG", replace(competent.CONFIG, steps=2))
    monkeypatch.setattr(competent, "PAIRS", 128)
    return tmp_path / "cache"


def test_it_is_trained_once_and_read_afterwards(quick, monkeypatch):
    first = training.competent_miniclip()
    assert competent.cached().is_file() and not list(quick.glob("*.part"))
    monkeypatch.setattr(competent, "train", None)  # a second training would fail
    second = training.competent_miniclip()
    images = shapeworld.draw(4, size=24).images
    np.testing.assert_array_equal(first.encode_images(images), second.encode_images(images))
    assert second.tau == pytest.approx(0.01)


def test_every_seed_and_every_version_of_the_code_has_its_own_file(monkeypatch):
    assert competent.cached(0) != competent.cached(1)
    before = competent.cached(0)
    monkeypatch.setattr(competent, "code_hash", lambda path: "other")
    assert competent.cached(0) != before


def ask(trainings: Path, config, pairs: int, both) -> None:
    """What each of two processes does: wait for the other, then ask for the model."""
    train, competent.CONFIG, competent.PAIRS = competent.train, config, pairs

    def counted(*args, **options):
        tempfile.mkstemp(dir=trainings)
        return train(*args, **options)

    competent.train = counted
    both.wait()
    competent.competent_miniclip()


def test_two_processes_train_it_once(quick, tmp_path):
    # Started afresh: a fork would inherit the threads that other tests left, or rather their locks.
    context = multiprocessing.get_context("spawn")
    (tmp_path / "trainings").mkdir()
    given = tmp_path / "trainings", competent.CONFIG, competent.PAIRS, context.Barrier(2)
    processes = [context.Process(target=ask, args=given) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(list((tmp_path / "trainings").iterdir())) == 1 and competent.cached().is_file()


def test_a_training_that_fails_leaves_no_model_behind(quick, monkeypatch):
    def failing(*args, **options):
        raise FloatingPointError("the loss is nan")

    monkeypatch.setattr(competent, "train", failing)
    with pytest.raises(FloatingPointError):
        training.competent_miniclip()
    assert not competent.cached().exists()
