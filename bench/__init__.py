"""The benchmark of Gantry against its peers: `scripts/bench` prints the table of DESIGN §6 for this checkout."""
