"""What contrastive training does to the gap, as theory: flows, bounds on them, and a few pairs on the sphere.

The room of Part II, on free points and without torch. `sphere` holds the few pairs that open a gap,
`gradient_flow` training in continuous time, and `bounds` how fast that may open or close the gap.
"""

from mgaplib.dynamics import bounds, gradient_flow, sphere

__all__ = ["bounds", "gradient_flow", "sphere"]
