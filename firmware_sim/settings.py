"""What the simulator needs to know to be run beside a gateway."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

LinkKind = Literal["mqtt", "coap", "tcp", "iw", "jt808", "serial"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimBand:
    """One band and the wire it speaks on.

    `host`, `port` and `key` are for mqtt, coap, tcp (a watch), iw and jt808 (no key); `path` is for serial:
    there the simulator makes a pseudo-terminal and puts a symbolic link to it.
    """

    device: str
    link: LinkKind
    host: str = "127.0.0.1"
    port: int = 0
    key: str = ""
    path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimTwilio:
    """Where the simulated Twilio serves, its account, and where it takes the texts people send back."""

    host: str
    port: int
    account_sid: str
    auth_token: str
    text_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimPhone:
    """One telephone on the wall: whose it is, and what they are (`relation`) to whom (`of`)."""

    phone: str
    name: str = ""
    relation: str = ""
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimPhones:
    """Where the wall of telephones serves, and whose telephones hang there, in order.

    Without `phones` they are those of the scenario's people.
    `portal_url` is linked at the top, empty where there is no portal.
    """

    host: str
    port: int
    phones: tuple[SimPhone, ...] = ()
    portal_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimSky:
    """The gateway's BeiDou module at `path`, and the stations whose keepers answer by themselves."""

    path: Path
    generation: Literal["bds2", "bds3"] = "bds3"
    stations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SimSettings:
    """One run of one scenario.

    `speed` lets the story pass faster (2 is twice as fast); device times stay those of the wall clock.
    `wait_for_gateway_s`: the story begins when every band has its line, or after so long without.
    `twilio`, `modem_path`, `siren_path`, `sky` and `phones` are None where these are not simulated.
    """

    community: str
    scenario: Path
    seed_dir: Path
    bands: tuple[SimBand, ...]
    twilio: SimTwilio | None = None
    modem_path: Path | None = None
    siren_path: Path | None = None
    sky: SimSky | None = None
    phones: SimPhones | None = None
    seed: int = 1
    speed: float = 1.0
    wait_for_gateway_s: float = 20.0


SCENARIOS = Path(__file__).parent / "scenarios"
RECORDINGS = Path(__file__).parent / "recordings"


def scenario_path(name: str) -> Path:
    """The file of a shipped scenario, whether it exists or not."""
    return SCENARIOS / f"{name}.toml"
