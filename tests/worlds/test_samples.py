"""Pictures and sentences that come with scikit-learn and NumPy."""

import numpy as np
import pytest

from mgaplib.worlds import samples


@pytest.mark.parametrize("draw", [samples.photographs, samples.digits])
def test_pictures_are_rgb_distinct_and_follow_their_seed(draw):
    a, b = (draw(12, 24, np.random.default_rng(3)) for _ in range(2))
    assert a.shape == (12, 24, 24, 3) and a.dtype == np.uint8
    np.testing.assert_array_equal(a, b)
    assert len(np.unique(a.reshape(12, -1), axis=0)) == 12
    assert not np.array_equal(a, draw(12, 24, np.random.default_rng(4)))


def test_digits_keep_their_full_range():
    assert samples.digits(50, 8, np.random.default_rng(0)).max() == 255


def test_sentences_are_distinct_english():
    texts = samples.sentences(100)
    assert len(set(texts)) == 100
    assert all(text.endswith(".") and len(text.split()) >= 4 for text in texts)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: samples.photographs(0, 8, np.random.default_rng(0)), "at least 1"),
        (lambda: samples.digits(2, 0, np.random.default_rng(0)), "at least 1"),
        (lambda: samples.digits(2000, 8, np.random.default_rng(0)), "there are 1797 digits"),
        (lambda: samples.sentences(100_000), "sentences"),
    ],
)
def test_impossible_requests_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
