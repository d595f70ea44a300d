"""What the methods compute, on plain matrices: solvers, compiled loops, searches."""
