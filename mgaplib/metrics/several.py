"""More than two modalities in one space: every pair of them, the centroids' polygon, who answers a search."""

import re
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from mgaplib import checks
from mgaplib.metrics.gap import modality_gap
from mgaplib.pairs import Pairs, centroid

_ROWS = 512  # queries scored at once, so that memory stays O(n)
_TIE = 1e-12  # two float64 cosines of the same pair of directions differ by rounding alone


def pairwise(sets: Mapping, metric: Callable[..., float] = modality_gap, **options):
    """Return a metric of every two modalities, as a DataFrame: rows are the first side, columns the second.

    With `recall_at_k` the row's modality searches the column's. None meets itself: the diagonal is NaN.

    Args:
        sets: Embeddings by their modality's name: two or more arrays of n rows and d columns, row i of each
            belonging to row i of the others.
        metric: A function of `mgaplib.metrics` that takes `Pairs` and returns one number.
        **options: What else it takes, such as `k=5`.

    Raises:
        TypeError, ValueError: If the sets are no mapping of two or more names to embeddings of one shape that
            make sense (`mgaplib.checks`), or the metric returns anything but a number.

    Example:
        >>> table = pairwise({"image": np.eye(3), "text": -np.eye(3), "audio": np.eye(3)})
        >>> table.loc["image"].round(3).tolist()
        [nan, 1.155, 0.0]

    Source: Humer et al. 2024 for a gap of each pair of three modalities. Taught in chapter notation.
    """
    import pandas as pd

    rows = named_sets(sets)
    table = pd.DataFrame(np.nan, index=list(rows), columns=list(rows))
    for first, x in rows.items():
        for second, y in rows.items():
            if first != second:
                found = metric(Pairs.trusted(x, y), **options)
                if not np.isscalar(found):
                    raise TypeError(
                        f"metric returned a {type(found).__name__}; pass one that returns one number, as "
                        "modality_gap does"
                    )
                table.loc[first, second] = found
    return table


def centroid_polygon(sets: Mapping):
    """Return where the modalities' centroids lie in their plane, as a DataFrame, to be drawn.

    Columns `x`, `y`: points as far apart as the gaps, but for the share `unseen` of their squares, 0 for up
    to three modalities. `length`: the centroid's distance from the origin; near 1 a narrow cone, near 0 none.

    Args:
        sets: Embeddings by their modality's name, as in `pairwise`.

    Raises:
        TypeError, ValueError: As in `pairwise`.

    Example:
        >>> points = centroid_polygon({"image": np.eye(3), "text": -np.eye(3), "audio": np.eye(3)})
        >>> round(float(np.hypot(*(points.loc["image", ["x", "y"]] - points.loc["text", ["x", "y"]]))), 3)
        1.155

    Source: Classical scaling (Torgerson 1952) of the centroids. Taught in chapter notation.
    """
    import pandas as pd

    rows = named_sets(sets)
    centres = np.stack([centroid(x) for x in rows.values()])
    u, sigma, _ = np.linalg.svd(centres - centres.mean(axis=0), full_matrices=False)
    plane = np.zeros((len(centres), 2))
    kept = min(2, len(sigma))
    plane[:, :kept] = u[:, :kept] * sigma[:kept]
    total = float(sigma @ sigma)
    points = pd.DataFrame(plane, index=list(rows), columns=["x", "y"])
    points["length"] = np.linalg.norm(centres, axis=1)
    points["unseen"] = float(sigma[2:] @ sigma[2:]) / total if total > 0 else 0.0
    return points


def first_hits(sets: Mapping):
    """Return whose items come first in one index of all modalities, as a DataFrame of shares.

    Row: the modality that searches; column: that of its best match, the query itself left out. Modalities
    that share the best score share the search. No partner is on the diagonal: it is what the gap costs.

    Args:
        sets: Embeddings by their modality's name, as in `pairwise`.

    Raises:
        TypeError, ValueError: As in `pairwise`.

    Example:
        >>> first_hits({"image": np.eye(2), "text": np.eye(2), "audio": -np.eye(2)}).loc["image"].tolist()
        [0.0, 1.0, 0.0]

    Source: Li et al. 2025 (GR-CLIP) for the task; see `same_modality_share`. Taught in chapter notation.
    """
    import pandas as pd

    rows = named_sets(sets)
    candidates = [x.astype(float, copy=False) for x in rows.values()]
    n, shares = len(candidates[0]), []
    for queries in candidates:
        counted = np.zeros(len(candidates))
        for start in range(0, n, _ROWS):
            best = []
            for others in candidates:
                scores = queries[start : start + _ROWS] @ others.T
                if others is queries:
                    scores[np.arange(len(scores)), start + np.arange(len(scores))] = -np.inf
                best.append(scores.max(axis=1))
            first = np.array(best) >= np.max(best, axis=0) - _TIE
            counted += (first / first.sum(axis=0)).sum(axis=1)
        shares.append(counted / n)
    return pd.DataFrame(shares, index=list(rows), columns=list(rows))


def named_sets(sets: Mapping, min_rows: int = 2) -> dict[str, np.ndarray]:
    """Return the sets checked: two or more of unit rows and one shape, by names that differ."""
    if not isinstance(sets, Mapping):
        raise TypeError(
            f"sets is of type {type(sets).__name__}; pass a dict from each modality's name to its embeddings"
        )
    names = distinct_names(sets)
    if len(names) < 2:
        raise ValueError(f"sets holds {len(names)} modality; a gap needs two or more")
    rows = {
        name: checks.embeddings(values, name, min_rows=min_rows)
        for name, values in zip(names, sets.values(), strict=True)
    }
    shapes = {name: x.shape for name, x in rows.items()}
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(
            f"the sets differ in shape: {told}; row i of each belongs to row i of the others, so pass as "
            "many rows and columns of each"
        )
    return rows


def distinct_names(names: Iterable[str]) -> list[str]:
    """Return modalities' names without blanks around them; refuse what is no name or stands there twice."""
    found = []
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                f"the name {name!r} is of type {type(name).__name__}; name each modality by a text"
            )
        if not name.strip():
            raise ValueError("a modality's name is empty; name each, such as image, text, audio")
        if name.strip() in found:
            raise ValueError(f"the name {name.strip()!r} stands there twice; give each modality its own")
        found.append(name.strip())
    return found


#: What one of them is called, where the name of the modality has no plural.
_ONE = {name: f"{name} clip" for name in ("audio", "music", "speech")} | {"code": "code snippet"}
_MODALITIES = re.compile(
    r"(?P<from>(?<![a-z])(?:image|text))(?P<to>[ _]to[ _])(?P<other>(?:image|text)(?![a-z]))"
    r"|\((?P<side>image|text)s\)"
    r"|\b(?:(?P<article>[Aa])n? )?(?P<noun>image|text)(?P<many>s?)\b"
)


def named(words: str, names: tuple[str, str]) -> str:
    """Return this library's words about images and texts as words about two others, named in the singular.

    Example:
        >>> named("Two images; an image and its text (image to text)", ("audio", "caption"))
        'Two audio clips; an audio clip and its caption (audio to caption)'
    """
    name = dict(zip(("image", "text"), names, strict=True))

    def other(found: re.Match) -> str:
        if found["from"]:
            return name[found["from"]] + found["to"] + name[found["other"]]
        if found["side"]:
            return f"({name[found['side']] if name[found['side']] in _ONE else plural(name[found['side']])})"
        noun = _ONE.get(name[found["noun"]], name[found["noun"]])
        article = f"{found['article']}{'n' * (noun[0].lower() in 'aeiou')} " if found["article"] else ""
        return article + (plural(noun) if found["many"] else noun)

    return words if names == ("image", "text") else _MODALITIES.sub(other, words)


def plural(noun: str) -> str:
    """Return what several of them are called."""
    if noun.endswith("s"):
        return noun
    return f"{noun[:-1]}ies" if re.search("[^aeiou]y$", noun) else f"{noun}s"
