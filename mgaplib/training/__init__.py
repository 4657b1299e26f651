"""Contrastive training in seconds, with the gap recorded on the way, and what remedies the gap meanwhile.

The room of Part II's chapter on training and of Part III's on remedies: `temperature` and `swapping` hold
those of Yaras et al., `losses` other losses, further terms and a shared encoder. Remedies for embeddings
that exist already are in `mgaplib.corrections`. `GapMonitor` logs the gap in anybody's loop.
`competent_miniclip` is the trained model that chapters share.
"""

from mgaplib.training import losses, swapping, temperature
from mgaplib.training.competent import competent_miniclip
from mgaplib.training.config import History, TrainConfig
from mgaplib.training.loop import measure, parameter_groups, save_checkpoint, train
from mgaplib.training.monitor import GapMonitor, torchmetric

__all__ = [
    "GapMonitor", "History", "TrainConfig", "competent_miniclip", "losses", "measure", "parameter_groups",
    "save_checkpoint", "swapping", "temperature", "torchmetric", "train",
]  # fmt: skip
