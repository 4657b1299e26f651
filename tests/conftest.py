"""For all tests: what hypothesis draws depends on no clock, no chance and no earlier run."""

from hypothesis import HealthCheck, settings

#: The same examples on every machine; `--hypothesis-profile=default` draws others, to hunt with.
settings.register_profile(
    "anywhere", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("anywhere")
