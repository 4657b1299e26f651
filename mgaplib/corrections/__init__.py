"""Close the gap after training: eight ways to move embeddings, each fitted on a calibration split.

The room of the chapter on remedies after training. `fit` on calibration embeddings, then `transform` whatever
comes; `try_corrections` sets all of them side by side on held-out pairs. Remedies during training are in
`mgaplib.training`.
"""

from mgaplib.corrections.means import SIDES, Centring, Correction, ProjectedShift, ReAlign, Shift
from mgaplib.corrections.rescaling import DropDimensions, Procrustes, Standardisation, Whitening
from mgaplib.corrections.trials import NOTHING, try_corrections

__all__ = [
    "Centring", "Correction", "DropDimensions", "NOTHING", "Procrustes", "ProjectedShift", "ReAlign", "SIDES",
    "Shift", "Standardisation", "Whitening", "try_corrections",
]  # fmt: skip
