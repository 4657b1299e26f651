"""What contrastive training does to the gap, as theory: flows, bounds on them, and a few pairs on the sphere.

The room of Part II, on free points and without torch. `sphere` holds the few pairs that open a gap,
`gradient_flow` training in continuous time, `bounds` how fast that may open or close the gap, and
`free_points` training step by step, with an optimizer and all its knobs.
"""

from mgaplib.dynamics import bounds, free_points, gradient_flow, sphere

__all__ = ["bounds", "free_points", "gradient_flow", "sphere"]
