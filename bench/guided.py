"""The fuzzer's long form: atheris steers the inputs by what code they reach, one process a codec.

`python -m bench.guided --codec watch --seconds 600`; `make fuzz-guided` installs atheris, which is in no lock
file: it is large, it is needed here only, and it has wheels for Linux alone.
What it found stays in `data/var/fuzz/<codec>`, and is where the next run begins.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["gateway.codecs"]):
    from bench import fuzz, mutate
    from bench.subjects import subjects

    subjects()  # loads every codec, while imports are instrumented

CORPUS = Path(__file__).parents[1] / "data/var/fuzz"
MAX_INPUT_BYTES = 2048


def steer(name: str, seconds: int) -> None:
    """Fuzz one codec; never returns, the process ends with 0, or with the finding."""
    subject = subjects()[name]
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(mutate.seeds()[name]):
        (folder / f"seed-{number:03}").write_bytes(b"\x00\x00" + frame)

    def one(data: bytes) -> None:
        """First byte: which settings; second: how long the pieces are; then what is sent."""
        choice, step, sent = data[0] % subject.choices if data else 0, (data[1:2] or b"\0")[0] + 1, data[2:]
        fuzz.judge(subject, choice, sent, [sent[at : at + step] for at in range(0, len(sent), step)])

    flags = [f"-max_total_time={seconds}", f"-max_len={MAX_INPUT_BYTES}", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *flags, f"-artifact_prefix={folder}/finding-", str(folder)], one)
    atheris.Fuzz()


def main() -> int:
    """One process a codec, because atheris ends the process it runs in; 1 when any found something."""
    parser = argparse.ArgumentParser(description="coverage-guided fuzzing of the codecs")
    parser.add_argument("--codec", choices=sorted(subjects()))
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    if options.codec is not None:
        steer(options.codec, options.seconds)
    worst = 0
    for name in sorted(subjects()):
        print(f"== {name}", flush=True)
        command = (sys.executable, "-m", "bench.guided", "--codec", name, "--seconds", str(options.seconds))
        worst = max(worst, abs(subprocess.run(command, check=False).returncode))
    return min(worst, 1)


if __name__ == "__main__":
    sys.exit(main())
