"""What the gap does to a task: zero-shot classification, and who is harmed by its errors.

The room of Part III's first chapters. `zeroshot` moves pictures and prompts along a task's own gap,
`fairness` counts harmful labels by group; Liang et al.'s benchmarks, photographs and FairFace, lie on disk.
"""

from mgaplib.tasks import fairness, zeroshot

__all__ = ["fairness", "zeroshot"]
