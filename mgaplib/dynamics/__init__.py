"""What contrastive training does to the gap, as theory: flows, bounds on them, and a few pairs on the sphere.

On free points and without torch: `sphere` holds the few pairs that open a gap, `gradient_flow` training in
continuous time, `bounds` how fast that may open or close the gap, `free_points` training step by step.
"""

from mgaplib.dynamics import bounds, free_points, gradient_flow, sphere

__all__ = ["bounds", "free_points", "gradient_flow", "sphere"]
