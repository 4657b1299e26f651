"""Models by one name: every open_clip model, and a CLIP small enough to train in a page.

`load_clip` gives weights, preprocessing and tokenizer together; `mini_clip` makes the book's own small model;
`load_encoder` takes models of transformers and sentence-transformers as well.
The room serves every chapter that embeds something. It is the one place that imports open_clip.
"""

from mgaplib.models.clip import Clip, load_clip, wrap
from mgaplib.models.encoders import Encoder, SentenceEncoder, TransformersEncoder, load_encoder
from mgaplib.models.miniclip import MINI, WordTokenizer, mini_clip
from mgaplib.models.open_clip import open_clip

__all__ = [
    "Clip", "Encoder", "MINI", "SentenceEncoder", "TransformersEncoder", "WordTokenizer", "load_clip",
    "load_encoder", "mini_clip", "open_clip", "wrap",
]  # fmt: skip
