"""What a person at the box can do: one module a command, importing what it needs when it is run."""
