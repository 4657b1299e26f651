"""For the docstrings' examples: they come out the same with the data and without."""

import pytest


@pytest.fixture(autouse=True)
def no_word_of_a_stand_in(request, monkeypatch):
    """Without the emoji an example runs on their stand-in, and the line that says so is no part of it."""
    if isinstance(request.node, pytest.DoctestItem):
        from mgaplib.worlds import emoji

        monkeypatch.setattr(emoji, "_say", lambda sentence: None)
