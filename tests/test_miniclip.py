import multiprocessing
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mgaplib import miniclip, shapeworld


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """A shared model that trains in a moment, in an empty cache."""
    monkeypatch.setenv("MGAPLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(miniclip, "CONFIG", replace(miniclip.CONFIG, steps=2))
    monkeypatch.setattr(miniclip, "PAIRS", 128)
    return tmp_path / "cache"


def test_it_is_trained_once_and_read_afterwards(quick, monkeypatch):
    first = miniclip.competent()
    assert miniclip.cached().is_file() and not list(quick.glob("*.part"))
    monkeypatch.setattr(miniclip, "train", None)  # a second training would fail
    second = miniclip.competent()
    images = shapeworld.draw(4, size=24).images
    np.testing.assert_array_equal(first.encode_images(images), second.encode_images(images))
    assert second.tau == pytest.approx(0.01)


def test_every_seed_and_every_version_of_the_code_has_its_own_file(monkeypatch):
    assert miniclip.cached(0) != miniclip.cached(1)
    before = miniclip.cached(0)
    monkeypatch.setattr(miniclip, "code_hash", lambda path: "other")
    assert miniclip.cached(0) != before


def ask(trainings: Path, config, pairs: int, both) -> None:
    """What each of two processes does: wait for the other, then ask for the model."""
    train, miniclip.CONFIG, miniclip.PAIRS = miniclip.train, config, pairs

    def counted(*args, **options):
        tempfile.mkstemp(dir=trainings)
        return train(*args, **options)

    miniclip.train = counted
    both.wait()
    miniclip.competent()


def test_two_processes_train_it_once(quick, tmp_path):
    # Started afresh: a fork would inherit the threads that other tests left, or rather their locks.
    context = multiprocessing.get_context("spawn")
    (tmp_path / "trainings").mkdir()
    given = tmp_path / "trainings", miniclip.CONFIG, miniclip.PAIRS, context.Barrier(2)
    processes = [context.Process(target=ask, args=given) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(list((tmp_path / "trainings").iterdir())) == 1 and miniclip.cached().is_file()


def test_a_training_that_fails_leaves_no_model_behind(quick, monkeypatch):
    def failing(*args, **options):
        raise FloatingPointError("the loss is nan")

    monkeypatch.setattr(miniclip, "train", failing)
    with pytest.raises(FloatingPointError):
        miniclip.competent()
    assert not miniclip.cached().exists()
