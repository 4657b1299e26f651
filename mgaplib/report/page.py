"""A report as one page: figures inline, the explorer alive, and nothing asked of any other host."""

import base64
import html
import io
import json
from importlib import resources

import numpy as np

from mgaplib import __version__
from mgaplib.book import plots
from mgaplib.corrections.trials import NOTHING
from mgaplib.landscape import ShiftLandscape
from mgaplib.metrics.several import named
from mgaplib.pairs import Pairs
from mgaplib.report import reading
from mgaplib.report.report import RELATIONS, cosines

MADE_BY = f"Made by mgaplib {__version__}"
_VIEW = "application/vnd.jupyter.widget-view+json"
_STATE = "application/vnd.jupyter.widget-state+json"
_TAUS = (0.01, 0.05, 0.2, 1.0)
_SHIFTS = np.linspace(-0.5, 1.0, 61)
#: Columns of the trial with the digits to show.
_SHOWN = {
    "gap": 2, "recall_image_to_text": 3, "recall_text_to_image": 3, "mixed_rank": 1, "own_modality_first": 2,
}  # fmt: skip
#: What the code of a report passes as groups, by its relation.
_GROUPS = {
    "groups": "groups",
    "noticed": '"equal"',
    "together": "[np.arange(len(z)) * min(len(images), len(texts)) // len(z) for z in (images, texts)]",
    "in turn": "[np.arange(len(z)) % min(len(images), len(texts)) for z in (images, texts)]",
}
_MAX_DRAWN = 600  # pairs in the landscape and the explorer
#: The browser itself is told to load nothing from anywhere.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; img-src data: blob:"
)
STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; }
html, body { background: Canvas; color: CanvasText; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
figure { margin: 1rem 0; } figure img, .widget-picture img { width: 100%; background: white;
border-radius: 6px; } figure img { min-width: 36rem; }
figcaption, li small, p small, td small { opacity: .8; font-size: .9rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: right; }
td { white-space: nowrap; } td.words { white-space: normal; min-width: 6rem; }
td.words:last-child { min-width: 15rem; }
th:first-child, td:first-child, td.words, th.words { text-align: left; }
strong.ok { color: light-dark(#1b6e2e, #7fd494); } strong.look { color: light-dark(#8a5300, #f0b95a); }
strong.wrong { color: light-dark(#b3261e, #ff9a92); }
pre { background: var(--soft); padding: .8rem; overflow-x: auto; }
"""


def page(report, captions=None, thumbnails=None) -> str:
    """Return the page's HTML."""
    gap = report.metrics.value["modality_gap"]
    n, total = len(report.data), report.pairs
    drawn = f" {n} of them, drawn at random, were measured." if n < total else ""
    if not report.paired and (len(report.images), len(report.texts)) != report.sizes:
        drawn = f" {len(report.images)} and {len(report.texts)} of them, drawn at random, were measured."
    caption = report.named(_SCORES if report.paired else _LONELY)
    parts = [
        ("What the numbers say", f'<ul id="reading">{_reading(report)}</ul>{_reasons(report)}'),
        ("Which score is high?", _figure(_draw_scores(report), caption)),
    ]
    if report.paired:
        parts += [
            ("Would the loss be lower without it?", _landscape(report)),
            ("Move it yourself", _explorer(report, captions, thumbnails)),
            ("What closes it, and at what cost?", _corrections(report)),
        ]
    parts.append(("Every metric", _metrics(report)))
    body = "".join(f"<h2>{title}</h2>{content}\n" for title, content in parts)
    said = f"{report.what[:1].upper()}{report.what[1:]}. {RELATIONS[report.relation]}".rstrip()
    return shell(
        f"Modality gap {gap:.2f}",
        f"<h1>The modality gap of these embeddings is {gap:.2f}</h1>\n<p>{said}{drawn}</p>\n{body}"
        f"<p><small>{MADE_BY}; the loss is at temperature {report.tau:g}.</small></p>",
    )


def shell(title: str, body: str, look: str = "", style: str = "") -> str:
    """Return a page of its own that loads nothing from anywhere; `look` is of its `html` element."""
    return f"""<!doctype html>
<html lang="en"{look}><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<link rel="icon" href="data:,"><title>{title}</title><style>{STYLE}{style}</style></head><body>
{body}
</body></html>
"""


def alive(view: str, state: str, picture: str) -> str:
    """Return the place of a widget, with a picture until it lives, its state, and what brings it to life."""
    host = resources.files("mgaplib.widgets").joinpath("widget_host.js").read_text(encoding="utf-8")
    return (
        f'<div><script type="{_VIEW}">{view}</script><div class="widget-picture">{picture}</div></div>'
        f'<script type="{_STATE}">{state}</script><script type="module">{host}</script>'
    )


_SCORES = (
    "Cosines of matched pairs, of random pairs, and of two different images or texts. A dashed line is the "
    "threshold above which a pair counts as a match; a second one, that for the best hit of a search."
)
_LONELY = (
    "Cosines of an image and a text, and of two different images or texts. The dashed line is the threshold."
)


def _reading(report) -> str:
    pairing = report.pairing.words
    return "".join(
        f"<li>{_verdict(report.pairing.verdict) if pairing and not i else ''}{_text(words)} "
        f"<small>(chapter {_text(name.replace('_', ' '))})</small></li>"
        for i, (words, name) in enumerate(report.reading)
    )


def _reasons(report) -> str:
    """Return what to look at before a number is quoted."""
    found = "".join(
        f"<li>{_verdict(verdict)}{_text(report.named(words))}.</li>"
        for verdict, words in reading.reasons(report)
    )
    return f'<p>Before you quote a number:</p><ul id="look">{found}</ul>' if found else ""


def _verdict(verdict: str) -> str:
    return f'<strong class="{verdict}">{verdict}</strong> '


def _text(value) -> str:
    return html.escape(str(value))


def _figure(figure, caption: str) -> str:
    # A picture of its own, so that no style of the page and no id of another figure gets into it.
    import matplotlib as mpl

    drawn = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "mgaplib", "font.size": 11}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    source = base64.b64encode(drawn.getvalue()).decode()
    image = f'<img alt="{_text(caption)}" src="data:image/svg+xml;base64,{source}">'
    return f"<figure>{_wide(image, caption.split('.')[0])}<figcaption>{_text(caption)}</figcaption></figure>"


def _wide(content: str, label: str) -> str:
    """Let what is wider than a phone scroll in place, by the keyboard too."""
    return f'<div class="wide" role="region" tabindex="0" aria-label="{_text(label)}">{content}</div>'


def _axes(columns: int = 1, **options):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="none")
    axes = np.atleast_1d(figure.subplots(1, columns, **options))
    # By hand: to fit the margins matplotlib would draw everything twice.
    figure.subplots_adjust(left=0.04 if columns == 1 else 0.08, right=0.99, bottom=0.18, top=0.9, wspace=0.45)
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _draw_scores(report):
    figure, (ax,) = _axes()
    colours = {
        "random pairs": "#777777", "matched pairs": plots.OTHERS[0], "two images": plots.IMAGE,
        "two texts": plots.TEXT,
    }  # fmt: skip
    found = cosines(report.data)
    kinds = {name: (found[name], colour) for name, colour in colours.items() if name in found}
    low = min(values.min() for values, _ in kinds.values())
    edges = np.linspace(low, max(values.max() for values, _ in kinds.values()) + 1e-9, 81)
    for name, (values, colour) in kinds.items():
        density, _ = np.histogram(values, edges, density=True)
        ax.stairs(density, edges, color=colour, fill=True, alpha=0.25)
        ax.stairs(density, edges, color=colour, label=report.named(name))
    for threshold, _ in report.thresholds.values():
        if threshold.hubs is None:  # the others are no cosines
            ax.axvline(threshold.value, color="#333333", ls="--", lw=1)
    ax.set(xlabel="cosine", ylabel="density", yticks=[])
    ax.legend(frameon=False)
    return figure


def _few(report) -> Pairs:
    """Return as many groups as a page can carry."""
    most = _MAX_DRAWN * len(report.data) // max(len(report.images), len(report.texts))
    if len(report.data) <= most:
        return report.data
    return report.data.take(np.sort(np.random.default_rng(0).choice(len(report.data), most, False)))


def _landscape(report) -> str:
    pairs = _few(report)
    try:
        land = ShiftLandscape(pairs, dtype="float32")  # far finer than a line is wide
        taus = sorted({report.tau, *_TAUS})
        losses = land.loss(_SHIFTS, taus).T
    except ValueError as error:  # coinciding centroids, or a row on the way of the shift
        return f"<p>There is no landscape to show: {_text(error)}.</p>"
    figure, axes = _axes(len(taus), sharex=True)
    for ax, tau, loss in zip(axes, taus, losses, strict=True):
        ax.plot(_SHIFTS, loss, color="#333333")
        best = int(loss.argmin())
        ax.plot(_SHIFTS[best], loss[best], "o", color=plots.OTHERS[0])
        ax.axvline(0, color="#999999", lw=0.8)
        ax.set_title(f"tau = {tau:g}", fontsize=11, loc="left")
        ax.set_xlabel("shift, in gaps")
    axes[0].set_ylabel("contrastive loss")
    what = "pairs" if pairs.groups is None else "groups"
    caption = (
        f"The contrastive loss of {len(pairs)} {what} when both modalities are shifted along the gap: 0 as "
        "they are (grey line), about 0.5 closed. The dot is the lowest point."
    )
    return _figure(figure, caption)


def _explorer(report, captions, thumbnails) -> str:
    from ipywidgets import embed

    from mgaplib.widgets import GapExplorer

    try:
        explorer = GapExplorer(
            Pairs.trusted(report.images, report.texts, report.data.groups),  # numbered as the captions are
            tau=float(np.clip(report.tau, 0.005, 1)),
            captions=captions,
            pictures=thumbnails,
            max_pairs=_MAX_DRAWN,
            names=report.names,
        )
    except ValueError as error:
        return f"<p>There is nothing to explore: {_text(error)}.</p>"
    try:
        models = embed.dependency_state([explorer], drop_defaults=False)  # its own code counts as a default
        picture = base64.b64encode(explorer.picture()).decode()
        place = explorer.model_id
    finally:
        explorer.close()
    state = {"version_major": 2, "version_minor": 0, "state": models}
    image = f'<img alt="{_text(repr(explorer))}" src="data:image/png;base64,{picture}">'
    return alive(_json({"model_id": place}), _json(state), image)


def _json(value) -> str:
    """Return JSON that no caption can break out of."""
    return json.dumps(value).replace("<", "\\u003c")


def _corrections(report) -> str:
    table, spread = report.corrections, report.spread
    head = (
        "<tr><th>correction</th><th>gap left</th><th>R@1 image to text</th><th>R@1 text to image</th>"
        "<th>rank of the partner in one index</th><th>own modality first</th><th>needs pairs</th>"
        "<th>µs a vector</th></tr>"
    )
    lines = []
    for name, row in table.iterrows():
        told = ((row[column], spread.loc[name, column], digits) for column, digits in _SHOWN.items())
        cells = [f"{mean:.{digits}f} ± {apart:.{digits}f}" for mean, apart, digits in told]
        cells += ["yes" if row.needs_pairs else "no", "" if name == NOTHING else f"{row.microseconds:.1f}"]
        lines.append(f"<tr><td>{name}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    code = snippet(report.best, _GROUPS.get(report.relation, ""), report.names)
    return (
        _wide(f"<table>{report.named(head)}{''.join(lines)}</table>", "Corrections")
        + "<p>Fitted on one half of the pairs, judged on the other; mean and standard deviation over three "
        "random halves. The pool of R@1 is the held-out half.</p>"
        + (f'<pre tabindex="0">{_text(code)}</pre>' if code else "")
    )


def snippet(name: str | None, groups: str = "", names: tuple[str, str] = ("image", "text")) -> str:
    """Return code that does what the trial calls by this name, or "" for nothing."""
    if name in (None, NOTHING):
        return ""
    relation = f", groups={groups}" if groups else ""
    numpy = "import numpy as np\n\n" if "np." in groups else ""
    whose = "" if names == ("image", "text") else f" (your {named('images and texts', names)})"
    return (
        f"{numpy}from mgaplib.search import Corrector, MixedIndex\n\n"
        f"# images, texts{whose}: pairs of yours that calibrate, none of which is in the index\n"
        f'corrector = Corrector.fit(image=images, text=texts{relation}, method="{name}")\n'
        'index = MixedIndex(corrector).add(new_images, "image").add(new_texts, "text")\n'
        'found = index.search(queries, "text")\n'
        'index.save("index.npz")'
    )


def _metrics(report) -> str:
    lines = []
    for (name, row), (verdict, why) in zip(report.metrics.iterrows(), report.verdicts.values(), strict=True):
        ends = "" if np.isnan(row["low"]) else f"{row['low']:.3g} to {row['high']:.3g}"
        why = f"<br><small>{_text(why)}</small>" if why else ""
        lines.append(
            f"<tr><td>{_text(name)}</td><td>{row['value']:.4g}</td><td>{ends}</td><td>{_verdict(verdict)}</td>"
            f'<td class="words">{_text(row["unit"])}, {_text(row["range"])}</td>'
            f'<td class="words">{_text(row["meaning"])}{why}</td></tr>'
        )
    words = "".join(f'<th class="words">{name}</th>' for name in ("unit, range", "meaning"))
    head = f"<tr><th>metric</th><th>value</th><th>95 % interval</th><th>verdict</th>{words}</tr>"
    return _wide(report.named(f"<table>{head}{''.join(lines)}</table>"), "Metrics")
