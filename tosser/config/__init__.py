"""The sysop's YAML: read with positions, validated all at once, turned into plain values."""
