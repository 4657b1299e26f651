"""After training: eight ways to move embeddings, four to calibrate their scores.

The room of the chapter on remedies after training. `fit` on calibration embeddings, then `transform` whatever
comes; a calibration of scores gives `documents` and `queries` of one more coordinate. `try_corrections` sets
all side by side on held-out pairs. Remedies during training are in `mgaplib.training`.
"""

from mgaplib.corrections.hubness import CSLS, NNN, Modality, QBNorm, ScoreCalibration
from mgaplib.corrections.means import SIDES, Centring, Correction, ProjectedShift, ReAlign, Shift
from mgaplib.corrections.rescaling import DropDimensions, Procrustes, Standardisation, Whitening
from mgaplib.corrections.trials import NOTHING, try_corrections

__all__ = [
    "CSLS", "Centring", "Correction", "DropDimensions", "Modality", "NNN", "NOTHING", "Procrustes",
    "ProjectedShift", "QBNorm", "ReAlign", "SIDES", "ScoreCalibration", "Shift", "Standardisation",
    "Whitening", "try_corrections",
]  # fmt: skip
