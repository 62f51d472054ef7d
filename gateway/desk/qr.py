"""QR codes (ISO/IEC 18004) by segno: in the terminal, or as a picture."""

from __future__ import annotations

import io
import os
from pathlib import Path

PNG_SCALE = 8
BORDER_MODULES = 4


def in_terminal(content: str) -> str:
    """The code as lines of half blocks, dark on light whatever the terminal's colours are."""
    import segno

    out = io.StringIO()
    segno.make(content, micro=False, error="m").terminal(out, border=BORDER_MODULES, compact=True)
    return out.getvalue()


def write_png(content: str, path: Path) -> None:
    """The code as a picture, mode 0600, for there may be a key in it. Raises OSError; never overwrites."""
    import segno

    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        segno.make(content, micro=False, error="m").save(
            file, kind="png", scale=PNG_SCALE, border=BORDER_MODULES
        )
