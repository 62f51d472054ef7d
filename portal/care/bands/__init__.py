"""Orders to bands and how far they got, and what a family had better see to about a band."""
