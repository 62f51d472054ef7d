"""The configuration as a command at the box needs it: checked, or every problem printed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

CONFIG_WRONG = 2


def checked_settings(path: Path, *, make_demo_secrets: bool = False) -> Any:
    """The checked settings; prints every problem and exits 2 when there are any."""
    from gateway.config import load
    from gateway.errors import ConfigError

    try:
        settings = load(path, make_demo_secrets=make_demo_secrets)
    except FileNotFoundError:
        print(f"{path}: there is no such file", file=sys.stderr)
        raise SystemExit(CONFIG_WRONG) from None
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        print(f"{path}: {len(error.problems)} wrong", file=sys.stderr)
        raise SystemExit(CONFIG_WRONG) from None
    os.chdir(path.resolve().parent)  # paths in the file are relative to it
    return settings
