"""One file a step: `vNNNN_what.py`, each naming the one before it as `down_revision`.

v0001 people -> v0002 care -> v0003 posts -> v0004 cases.
"""
