import multiprocessing
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mgaplib import training
from mgaplib.training import competent
from mgaplib.worlds import emoji, shapeworld


def in_a_moment() -> dict[str, competent.Recipe]:
    """Return the recipes for two steps on few pairs."""
    made = {}
    for world, recipe in competent.RECIPES.items():

        def few(size, seed, recipe=recipe, world=world):
            if world == "shapes":
                return shapeworld.draw(128, seed=seed, size=size)
            return recipe.pairs(size, seed).take(slice(128))

        made[world] = replace(recipe, config=replace(recipe.config, steps=2), pairs=few)
    return made


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Shared models that train in a moment, in an empty cache."""
    monkeypatch.setenv("MGAPLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(competent, "RECIPES", in_a_moment())
    return tmp_path / "cache"


def test_it_is_trained_once_and_read_afterwards(quick, monkeypatch):
    first = training.competent_miniclip()
    assert competent.cached().is_file() and not list(quick.glob("*.part"))
    monkeypatch.setattr(competent, "train", None)  # a second training would fail
    second = training.competent_miniclip()
    images = shapeworld.draw(4, size=24).images
    np.testing.assert_array_equal(first.encode_images(images), second.encode_images(images))
    assert second.tau == pytest.approx(0.01)


def test_each_world_has_a_model_that_knows_its_words(quick):
    shapes, emoji_model = training.competent_miniclip(), training.competent_miniclip(world="emoji")
    assert emoji_model.image_size == 32 and shapes.image_size == 24
    assert emoji_model.encode_texts(emoji.vocabulary(stand_in=True)[:3]).shape == (3, 128)


def test_an_unknown_world_is_told_the_nearest(quick):
    with pytest.raises(ValueError, match="did you mean 'emoji'"):
        training.competent_miniclip(world="emojis")


def test_every_seed_and_every_version_of_the_code_has_its_own_file(monkeypatch):
    assert competent.cached(0) != competent.cached(1)
    before = competent.cached(0)
    monkeypatch.setattr(competent, "code_hash", lambda path: "other")
    assert competent.cached(0) != before


def ask(trainings: Path, both) -> None:
    """What each of two processes does: wait for the other, then ask for the model."""
    train, competent.RECIPES = competent.train, in_a_moment()

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
    given = tmp_path / "trainings", context.Barrier(2)
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
