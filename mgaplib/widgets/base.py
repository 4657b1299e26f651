"""What the book's widgets have in common: where their front ends lie, and the picture shown without one."""

import base64
import io
import re
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from mgaplib import checks

_FOLDER = Path(__file__).parent
_PICTURE = 64  # pixels: what is pointed at is recognised, and a hundred weigh about 150 kB

_IMPORT = re.compile(r'^import [^;]*? from "\./(\w+)\.js";\n', re.MULTILINE)


def front_end(*names: str) -> str:
    """Return the module of a widget, whose `export default` stands in the last of the files."""
    return joined("shared", "canvas", *names)


def joined(*names: str) -> str:
    """Return some files, named without their ending, and what they import as one module, in order.

    Each file is an ES module, so that a browser can test it alone; a widget is one module, for Colab and for
    a page without a server. Joining takes away neighbours' imports, the word export and all `export default`
    but the last: no bundler is needed while no two files of a widget use one name for different things.
    """
    parts: dict[str, str] = {}

    def add(name: str) -> None:
        if name in parts:
            return
        source = (_FOLDER / f"{name}.js").read_text(encoding="utf-8")
        for neighbour in _IMPORT.findall(source):
            add(neighbour)
        source = _IMPORT.sub("", source)
        if name != names[-1]:
            source = re.sub(r"^export default .*;\n", "", source, flags=re.MULTILINE)
        parts[name] = re.sub(r"^export (?!default)", "", source, flags=re.MULTILINE)

    for name in names:
        add(name)
    return "\n".join(parts.values())


def style() -> str:
    """Return the style sheet that all widgets share."""
    return (_FOLDER / "shared.css").read_text(encoding="utf-8")


def png(figure) -> bytes:
    """Return a matplotlib figure as a small PNG of at most 64 colours."""
    from PIL import Image

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(64).save(small, "PNG", optimize=True)
    return small.getvalue()


def pictures_of(pictures, n: int) -> np.ndarray:
    """Return one small picture for each of n pairs as they will be shown, checked."""
    pictures = np.asarray(pictures)
    shape = pictures.shape
    if pictures.dtype != np.uint8 or len(shape) != 4 or shape != (n, shape[1], shape[1], 3):
        raise ValueError(
            f"pictures has shape {shape} and holds {pictures.dtype}; "
            f"pass uint8 squares, shape ({n}, size, size, 3)"
        )
    return pictures


def captions_of(captions, n: int) -> list[str]:
    """Return one caption for each of n pairs."""
    captions = [str(caption).strip() for caption in captions]
    if len(captions) != n:
        raise ValueError(f"captions has {len(captions)} entries; pass one for each of the {n} pairs")
    return captions


def sprite(pictures: np.ndarray) -> dict:
    """Return all pictures, at most 64 pixels wide, as one WebP file, row by row."""
    from PIL import Image

    size, columns = min(pictures.shape[1], _PICTURE), min(len(pictures), 25)
    sheet = Image.new("RGB", (columns * size, -(-len(pictures) // columns) * size))
    for i, pixels in enumerate(pictures):
        small = Image.fromarray(pixels).resize((size, size), Image.Resampling.LANCZOS)
        sheet.paste(small, (i % columns * size, i // columns * size))
    file = io.BytesIO()
    sheet.save(file, "WEBP", quality=80, method=6)
    return {"count": len(pictures), "columns": columns, "size": size, "webp": file.getvalue()}


def within(proposal, low: float, high: float, cure: str):
    """Return the value proposed for a trait, if it lies from low to high."""
    if not low <= proposal.value <= high:
        raise traitlets.TraitError(f"{proposal.trait.name} is {proposal.value}; pass {cure}")
    return proposal.value


class BookWidget(anywidget.AnyWidget):
    """A widget that lives in a kernel and in a static page, with a picture where neither can run it.

    Args:
        data: What the browser is sent once.
        tries: Buttons, each a label, a dict of settings to set, and a sentence on what is then to be seen.
        name: What the widget is called in its page's address, where its settings stand; its kind if empty.

    Raises:
        ValueError: If a try is no such triple, or sets what the widget does not have.
        TraitError: If a try sets something to what it cannot be.
    """

    _css = style()
    #: ipywidgets 7 (Colab's) would show itself by this one and leave the picture out.
    _ipython_display_ = None
    #: What a reader moves; a try may set these, and they stand in the page's address.
    settings: tuple[str, ...] = ()

    metrics = traitlets.Dict().tag(sync=True)
    data = traitlets.Dict().tag(sync=True)
    tries = traitlets.List().tag(sync=True)
    name = traitlets.Unicode().tag(sync=True)

    def __init__(self, *, data: dict, tries=(), **traits):
        super().__init__(data=data, **traits)
        start = {setting: getattr(self, setting) for setting in self.settings}
        self.tries = [self._tried(entry) for entry in tries]
        for setting, value in start.items():
            setattr(self, setting, value)

    def _tried(self, entry) -> dict:
        """Return a try as the browser is sent it, after it was tried."""
        try:
            label, state, sentence = entry
            state = dict(state)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"tries holds {entry!r}; pass a label, a dict of settings and a sentence each"
            ) from error
        for setting, value in state.items():
            setattr(self, checks.known(setting, self.settings, "setting in tries"), value)
        state = {setting: getattr(self, setting) for setting in state}
        return {"label": str(label), "state": state, "sentence": str(sentence)}

    @traitlets.validate("name")
    def _valid_name(self, proposal) -> str:
        if not re.fullmatch(r"[\w-]*", proposal.value):
            raise traitlets.TraitError(f"name is {proposal.value!r}; pass letters, digits, _ and - only")
        return proposal.value

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return {**data, "image/png": base64.b64encode(self.picture()).decode()}, metadata
