"""What a wearer agreed to, who may see what because of it, who looked, and what is kept."""
