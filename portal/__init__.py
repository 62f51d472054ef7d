"""The community portal: one Flask site for residents, guardians, grid workers and staff.

`create_app(settings)` wires the parts and does nothing else: no migration, no network, no thread.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from portal.settings import PortalSettings

FEATURES = (
    "portal.people.views",
    "portal.home.views",
    "portal.posts.views",
    "portal.cases.views",
    "portal.care.views",
    "portal.audits.views",
    "portal.api.views",
)
"""The features in the order they are wired; each module has a `blueprint`."""

MAX_REQUEST_BYTES = 64 * 1024 * 1024


def create_app(settings: PortalSettings) -> Flask:
    """Build the portal from its settings.

    `app.config["PORTAL"]` holds the settings for views; templates see them as `portal`.
    """
    from flask import Flask  # noqa: PLC0415  # the same

    from portal import db, i18n, media, security, stream, words  # noqa: PLC0415  # who imports only `portal.settings` pays nothing

    app = Flask(__name__)
    app.config["PORTAL"] = settings
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST_BYTES
    app.extensions["bell"] = stream.Bell()
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.context_processor(lambda: {"portal": settings})
    i18n.init_app(app)
    words.init_app(app)
    db.init_app(app, settings.database_url)
    security.init_app(app, settings)
    app.register_blueprint(media.blueprint)
    for feature in FEATURES:
        app.register_blueprint(import_module(feature).blueprint)
    return app
