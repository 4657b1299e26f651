"""Worlds to train and test in: pictures and sentences that need no data set.

`shapeworld` draws pictures of shapes with captions, and controls what the captions say; `emoji` is a second
world, of published drawings and their names; `samples` finds real photographs, digits and sentences in
packages that are installed already. Parts I to III use them.
"""

from mgaplib.worlds import emoji, samples, shapeworld

__all__ = ["emoji", "samples", "shapeworld"]
