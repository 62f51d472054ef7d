"""Fences: shapes, signed distances and the tracker that decides inside or outside."""
