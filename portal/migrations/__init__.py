"""The portal's migrations; `versions/` holds one file a step, run by `portal.db.upgrade`."""
