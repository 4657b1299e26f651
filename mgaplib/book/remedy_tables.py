"""The remedies of Yaras et al.: what their tables print, and what was recorded here beside it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO

import pandas as pd

from mgaplib import checks
from mgaplib.book import records

#: What the tables hold, and how it is headed.
HEADS = {
    "gap": "gap", "uniformity_w2": "uniformity", "zero_shot": "zero-shot", "linear_probe": "linear probe",
    "image_retrieval": "image R@1", "text_retrieval": "text R@1",
}  # fmt: skip
_PERCENT = ["zero_shot", "linear_probe", "image_retrieval", "text_retrieval", "minimal_pairs"]
# Tables 2 to 5; the last column is table 1, which has seven rows only.
_PRINTED = """arm,uniformity_w2,gap,zero_shot,linear_probe,image_retrieval,text_retrieval,minimal_pairs
Baseline,-1.165,.294,13.650,65.550,68.233,78.367,14.321
FLT 0.01,-1.214,.669,18.48,69.44,69.89,80.68,
FLT 0.02,-1.138,.334,18.83,68.41,70.54,81.30,
FLT 0.04,-1.183,.122,14.40,61.98,73.44,82.66,11.852
FLT 0.07,-1.246,.033,11.76,49.61,75.53,82.88,14.074
FLT 0.1,-1.251,.019,10.42,48.29,66.55,73.58,14.817
FLT 0.2,-1.255,.008,10.55,50.14,23.97,26.94,
FLT 0.3,-1.282,.007,10.69,42.09,10.4,12.8,
FLT 0.4,-1.296,.009,13.83,37.97,6.9,8.7,
TS S0,-1.120,.384,18.40,69.40,72.55,82.89,
TS S1,-1.087,.198,18.55,69.26,72.69,83.05,14.074
TS S2,-1.092,.137,16.80,68.25,73.98,84.25,14.321
TS S3,-1.108,.088,17.17,67.50,75.72,85.31,13.087
TS A0,-1.151,.541,19.50,69.47,72.51,81.97,
TS A1,-1.120,.261,16.85,67.46,73.90,83.65,
Softplus,-1.153,.284,14.86,66.46,70.06,80.1,
Scale 2,-1.154,.287,18.25,66.3,70.32,80.6,
Scale 10,-1.153,.285,14.36,66.5,70.15,80.3,
SLRT,-1.152,.268,15.13,66.63,70.32,80.40,
HS 0.001,-1.156,.225,13.910,65.950,69.716,79.740,
HS 0.01,-1.181,.095,15.7,64.29,69.36,79.4,
HS 0.1,-1.127,.046,17.39,56.88,67.1,75.8,
HS 1,-1.317,.028,14.36,39.72,47.17,53.22,
SS 0.05,-1.152,.139,14.330,64.940,68.912,79.160,
Hard Swap Feature,-1.155,.289,14.71,65.91,69.93,80.6,
Remove Normalization,-1.005,.468,16.82,65.4,58.62,74.16,
"""


def printed() -> pd.DataFrame:
    """Return the rows of the paper's tables 1 to 5, one an arm, accuracies and recalls as shares.

    The columns are those of `HEADS`, and `minimal_pairs` (table 1, MMVP-VLM), which most arms lack.

    Example:
        >>> printed().loc["TS S3", ["gap", "text_retrieval"]].tolist()
        [0.088, 0.8531]

    Source: Yaras et al. 2025, tables 1 to 5: a ResNet-50 on MSCOCO, the mean of three trainings.
    Taught in chapter temperature.
    """
    table = pd.read_csv(StringIO(_PRINTED), index_col="arm")
    table[_PERCENT] /= 100
    return table


@dataclass(frozen=True, repr=False)
class Recorded:
    """The record `remedies`, arm by arm; read by `recorded`.

    Attributes:
        record, runs: The record itself, and its runs, one a row.
        mean, spread: Mean and standard deviation over the seeds, one row an arm.
        seeds: How many seeds an arm has.
    """

    record: records.Record
    runs: pd.DataFrame = field(init=False)
    mean: pd.DataFrame = field(init=False)
    spread: pd.DataFrame = field(init=False)
    seeds: int = field(init=False)

    def __post_init__(self):
        runs = self.record.frame()
        by_arm = runs.groupby("arm")[[*HEADS, "minimal_pairs", "tau"]]
        # not by assignment: the class is frozen
        vars(self).update(runs=runs, mean=by_arm.mean(), spread=by_arm.std(), seeds=int(runs.seed.nunique()))

    def __repr__(self) -> str:
        return f"{self.record!r}, {self.seeds} seeds an arm"

    def beside(self, arms: Sequence[str]) -> pd.DataFrame:
        """Return the paper's row, where there is one, above ours with its spread over the seeds."""
        paper, rows = printed(), {}
        for arm in arms:
            checks.known(arm, self.mean.index, "arm")
            if arm in paper.index:
                rows[arm, "paper"] = {head: f"{paper.loc[arm, name]:.3f}" for name, head in HEADS.items()}
            mean, spread = self.mean.loc[arm], self.spread.loc[arm]
            rows[arm, "recorded"] = {h: f"{mean[name]:.3f} ± {spread[name]:.3f}" for name, h in HEADS.items()}
        return pd.DataFrame(rows).T

    def row(self, name: str, arms: Sequence[str]) -> str:
        """Return the means of these arms as text, for a claim."""
        return ", ".join(f"{self.mean.loc[arm, name]:.3f}" for arm in arms)


def on_shapes(name: str) -> pd.DataFrame:
    """Return one measurement of the record `remedies`: a row a seed, a column an arm.

    Args:
        name: A measurement, such as "gap"; "retrieval" is the mean of both recalls.

    Raises:
        ValueError: If it was not recorded.

    Example:
        >>> bool((on_shapes("gap")["FLT 0.1"] < on_shapes("gap")["Baseline"]).all())
        True

    Taught in chapter what_it_costs.
    """
    runs = recorded().runs
    runs = runs.assign(retrieval=(runs.image_retrieval + runs.text_retrieval) / 2)
    return runs.pivot(index="seed", columns="arm", values=checks.known(name, runs.columns, "measurement"))


def on_emoji(name: str) -> pd.DataFrame:
    """Return one measurement of the second world's records: a row a seed, a column an arm.

    The remedies stand under their names on shapes, "Baseline" and "FLT 0.01" among them; "retrieval" is the
    mean of both recalls. Tasks were asked of ten arms, which `experiments/emoji_tasks.py` trained anew.

    Args:
        name: A measurement, such as "gap" or "image_to_text"; or a task, such as "zero_shot".

    Raises:
        ValueError: If it was not recorded.

    Example:
        >>> bool((on_emoji("gap")["FLT 0.01"] > on_emoji("gap")["FLT 0.4"]).all())
        True

    Taught in chapter emoji.
    """
    runs, tasks = records.load("emoji").frame(), records.load("emoji_tasks").frame()
    if name in tasks.columns.difference(runs.columns):
        return tasks.pivot(index="seed", columns="arm", values=name)
    runs = runs[~runs.arm.isin(["fine-tuned", "first steps"])]  # several measurements a run
    runs = runs.assign(retrieval=(runs.image_to_text + runs.text_to_image) / 2)
    wide = runs.pivot(index="seed", columns="arm", values=checks.known(name, [*runs, *tasks], "measurement"))
    names = {arm: arm.replace("tau ", "FLT ") for arm in wide} | {"learned": "Baseline"}
    return wide.rename(columns=names).astype(float)


def recorded() -> Recorded:
    """Return what was recorded of every arm.

    Example:
        >>> recorded().seeds
        5

    Taught in chapter temperature.
    """
    return Recorded(records.load("remedies"))
